"""What the benchmark reports must mean what it says; the times themselves are not tested."""

import json
import os
import signal
import time

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from benchmarks import bench, clocked_test, extraction, full_protocol, rtfm, scaling, workload
from benchmarks.measure import Operators, Result, gflop, grown_memory, kept_for_backward
from benchmarks.networks import initial_network
from benchmarks.plain import PlainDSANet, PlainStableAdamW, looped_scores
from benchmarks.process import written_test_set
from benchmarks.profile import OPTIMIZERS, OTHERS, PRODUCTS, by_kind
from benchmarks.report import table
from utils.demo_data import generate
from utils.demo_videos import FULL_SIZE, FULL_SNIPPETS
from utils.engine import score
from utils.labels import XD_VIOLENCE
from utils.optim import StableAdamW
from utils.system.errors import UserError


def test_table():
    rows = [
        Result("a step", 8.0, 2.0, "s", gflop=400.0, peak=250.0),
        Result("waits", 196, 0, ""),
        Result("a process", None, 7.0),
    ]
    lines = table("a machine", rows).splitlines()
    assert lines[0] == "a machine"
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert cells[0] == ["", "plain", "ours", "ratio", "GFLOP", "GFLOP/s", "of peak"]
    assert cells[2] == ["a step", "8 s", "2 s", "4.0", "400", "200", "80 %"]
    assert cells[3] == ["waits", "196", "0", "all gone", "", "", ""]
    assert cells[4] == ["a process", "", "7 s", "", "", "", ""]
    assert len({len(line) for line in lines[2:]}) == 1


def test_what_was_measured_before_a_section_that_fails(monkeypatch, capsys, tmp_path):
    def first(settings):
        return [Result("a step", 8.0, 2.0, "s")]

    def second(settings):
        raise UserError("no memory")

    monkeypatch.setattr(bench, "SECTIONS", (first, second))
    with pytest.raises(SystemExit, match=r"^2$"):
        bench.main([f"--json={tmp_path / 'results.json'}", f"--threads={torch.get_num_threads()}"])
    said = capsys.readouterr()
    assert "| a step |   8 s |" in said.out and said.err.endswith("error: no memory\n")
    assert not (tmp_path / "results.json").exists()


@pytest.mark.slow
def test_parts_of_a_process(tmp_path, monkeypatch, capsys):
    for _, owner, name in clocked_test.PARTS:
        monkeypatch.setattr(owner, name, getattr(owner, name))  # put back in the end
    initial_network.cache_clear()  # that of another CLIP
    options = written_test_set(tmp_path, np.array([5, 300]))
    options += [f"--output-dir={tmp_path}", "--device=cpu", "--bootstrap=0"]
    clocked_test.main(time.time(), options)
    parts = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(parts) == ["imports", "weights", "data", "scoring", "evaluation"]
    assert min(parts.values()) > 0
    assert json.loads((tmp_path / "results.json").read_text())["test_set"]["videos"] == 2


def test_every_operator_of_a_step_is_of_a_kind():
    x = torch.randn(8, 8, requires_grad=True)
    optimizer = torch.optim.AdamW([x])

    def step():
        F.gelu(x @ x).sum().backward()
        optimizer.step()

    step()
    taken = by_kind(step, torch.device("cpu"))
    assert {*taken} >= {PRODUCTS, "activations, norms, softmaxes", OPTIMIZERS, OTHERS}
    assert min(taken.values()) > 0


def test_measures():
    x = torch.randn(64, 32, requires_grad=True)
    w = torch.nn.Parameter(torch.randn(32, 16))
    assert gflop(lambda: x @ w) == pytest.approx(2 * 64 * 32 * 16 / 1e9)
    assert kept_for_backward(lambda: (x * 2).exp().sum(), [w]) == pytest.approx(4 * 64 * 32 / 1e9)
    layer, frozen = torch.nn.Linear(32, 48), torch.nn.Linear(48, 16).requires_grad_(False)
    weights = [*layer.parameters(), *frozen.parameters()]
    found = kept_for_backward(lambda: frozen(layer(x)).exp().sum(), weights)
    assert found == pytest.approx(4 * 64 * (32 + 16) / 1e9)
    with Operators() as count:
        y = (x * 2).view(32, 64) + 1
        y.sum().item()
        y[y > 0]
    assert (count.launches, count.waits) == (4, 2)


@pytest.mark.slow
def test_memory_of_a_process_of_its_own():
    """A tensor of 80 MB, filled so that it is there."""
    assert 0.08 <= grown_memory(filled_tensor, 20_000_000) < 0.12


@pytest.mark.slow
def test_a_measuring_process_that_is_killed():
    with pytest.raises(UserError, match="was killed"):
        grown_memory(killed)


def killed():
    return lambda: os.kill(os.getpid(), signal.SIGKILL)


def filled_tensor(numbers: int):
    return lambda: torch.ones(numbers)


def test_noise_of_estimators(monkeypatch):
    monkeypatch.setattr(rtfm, "REPEATS", 20)
    noise = rtfm.noise_of_estimators(torch.device("cpu"))
    assert list(noise) == ["centred", "standard", "official"]
    assert 0 < 2 * noise["centred"] < min(noise["standard"], noise["official"])


def test_drawn_lengths_are_like_the_real_ones(monkeypatch, tmp_path):
    monkeypatch.setattr(workload, "SHARED", tmp_path)
    for dataset, (median, mean) in FULL_SNIPPETS.items():
        counts = workload.snippet_counts(dataset)
        assert len(counts) == FULL_SIZE[dataset]["test"][0]
        assert np.median(counts) == pytest.approx(median, rel=0.2)
        assert counts.mean() == pytest.approx(mean, rel=0.2)


def test_plain_scores_are_ours(ucf_model, ucf_args, rng):
    videos = [rng.standard_normal((t, 512)).astype(np.float16) for t in (5, 32, 70)]
    expected = score(ucf_model, workload.test_set(videos, ucf_args))
    plain = ucf_model.eval()
    plain.__class__, original = PlainDSANet, plain.__class__
    try:
        found = looped_scores(plain, videos, ucf_args.temp)
    finally:
        plain.__class__ = original
    for (a, p), prediction in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, prediction.score, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(p, prediction.probabilities, rtol=1e-4, atol=1e-6)


def test_plain_optimizer_is_ours():
    torch.manual_seed(0)
    start = [torch.randn(4, 3), torch.randn(5)]
    pairs = [[torch.nn.Parameter(t.clone()) for t in start] for _ in range(2)]
    ours = StableAdamW(pairs[0], lr=0.05, weight_decay=1e-4, amsgrad=True, eps=1e-10)
    plain = PlainStableAdamW(pairs[1], lr=0.05)
    for u in range(6):
        for p, q in zip(*pairs, strict=True):
            p.grad = torch.randn_like(p) * (20 if u == 4 else 1)
            q.grad = p.grad.clone()
        ours.step()
        plain.step()
    torch.testing.assert_close(pairs[0], pairs[1])


def test_extraction_beside_a_plain_loop(monkeypatch, capsys):
    class Tower:
        width = 512

        def __init__(self, *_):
            pass

        def __call__(self, pictures):
            return pictures.float().mean(dim=(2, 3)).repeat(1, 171)[:, :512]

    monkeypatch.setattr(extraction, "VisualTower", Tower)
    extraction.main(["--snippets=2", "--batch-size=7", "--device=cpu"])
    assert "32 frames of 852 by 480, 2 crops, fp32: plain " in capsys.readouterr().out


def test_what_several_gpus_gain():
    cost = object.__new__(scaling.Cost)
    cost.bytes, cost.texts, cost.video = 1e9, 1000.0, 500.0
    assert cost.seconds(2, tflops=1.0) == pytest.approx(2.0)
    assert cost.exchange(1, gigabytes=1.5) == 0
    assert cost.exchange(4, gigabytes=1.5) == pytest.approx(1.0)


@pytest.mark.slow
def test_a_full_protocol_goes_on_where_it_was_stopped(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(full_protocol, "POLL", 0.5)
    generate(XD_VIOLENCE, tmp_path / "data", train_videos=4, test_videos=12)
    small = ["--visual-length=32", "--batch-size=4", "--max-steps=2", "--eval-every=1"]
    for sitting in (1, 2):
        with pytest.raises(SystemExit) as end:
            full_protocol.main(["xd", str(tmp_path), *small])
        assert end.value.code == 0
        printed = capfd.readouterr().out
        found = json.loads(printed[printed.index("\n{") :])
        assert found["finished"] and found["sittings"] == sitting
        assert (found["step"], found["evaluations"]) == (2, 2)
        assert found["hours"] > 0 and found["peak_gb"] > found["peak_own_gb"] > 0
