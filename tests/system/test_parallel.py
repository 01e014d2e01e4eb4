"""Several processes on the CPU, as torchrun starts them, beside one."""

import json
import os
import re
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch

import ucf_train
from helpers.processes import DOUBLE, by_hand, double, ended, torchrun, wait_until, workers
from helpers.scripts import drop_checkpoints, exit_code, make_data, options_of
from helpers.videos import write_video
from utils.datasets import order as orders
from utils.datasets.features import read_features
from utils.datasets.order import Order, Parts, Shuffled
from utils.system import group, meeting, parallel
from utils.system.errors import UserError
from utils.system.files import previous
from utils.system.untrusted import load_tensors

STEPS = 8
OPTIONS = {"max-epoch": 1, "log-every": 1, "select": "last", "lr": 1e-5}
OPTIONS |= {"checkpoint-every": 3, "eval-every": 0}
BATCH = {"ucf": 2, "xd": 9}  # for 2 and for 3 processes
VIDEOS = {"ucf": 4, "xd": 7}  # so that an epoch has eight steps or more


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Options by data set; the last step of an epoch of XD's is not full."""
    made = {}

    def of(name):
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            options = make_data(folder, name, train_videos=VIDEOS[name], test_videos=6)
            made[name] = options | OPTIONS | {"batch-size": BATCH[name]}
        return made[name]

    return of


@pytest.fixture(scope="module")
def alone(data, tmp_path_factory):
    """The folder of a run of one process, which tests what it has trained."""
    folder = tmp_path_factory.mktemp("alone")
    options = options_of(folder, data("ucf") | {"checkpoint-every": 0})
    test = ["ucf_test.py", *options, "--eval-batch=5"]
    code, _, errors = ended(double(["ucf_train.py", *options, "--", *test]))
    assert code == 0, errors
    drop_checkpoints(folder)
    return folder


@pytest.fixture(scope="module")
def together(data, alone, tmp_path_factory):
    """The folder of a run of two processes and what it printed. They test the weights of the other
    run, and train. One is killed; torchrun starts both again."""
    folder = tmp_path_factory.mktemp("together")
    options = options_of(folder, data("ucf"))
    test = ["ucf_test.py", *options, "--eval-batch=5", f"--model-path={alone / 'model.pth'}"]
    begun = double([*test, "--", "ucf_train.py", *options], "--max-restarts=1", count=2)
    wait_until((folder / "checkpoint.pth").exists, begun)
    os.kill(workers(begun)[1], signal.SIGKILL)
    code, out, errors = ended(begun)
    assert code == 0, errors
    return folder, out


def logged(folder: Path, kind: str) -> list[dict]:
    lines = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    return [line[kind] for line in lines if kind in line]


def assert_agree(one: Path, several: Path) -> None:
    first, second = logged(one, "losses"), logged(several, "losses")
    assert len(first) == len(second) >= STEPS
    off = [
        (abs(a[term] - b[term]) / max(abs(a[term]), 1e-9), f"{term}, step {step}")
        for step, (a, b) in enumerate(zip(first[:STEPS], second[:STEPS], strict=True), start=1)
        for term in a
    ]
    print("losses", max(off))
    assert max(off)[0] <= 1e-10, max(off)
    a, b = load_tensors(one / "model.pth"), load_tensors(several / "model.pth")
    assert a.keys() == b.keys()
    off = [((a[k] - b[k]).abs().max().item() / (a[k].abs().max().item() + 1e-12), k) for k in a]
    print("weights", max(off))
    assert max(off)[0] <= 1e-8, max(off)


@pytest.mark.slow
def test_three_processes_train_as_one(data, tmp_path):
    """The last batch of an epoch cannot be shared evenly."""
    options = data("xd") | {"select-normal": "video", "num-workers": 1, "checkpoint-every": 5}
    options["normal-warmup"] = STEPS // 2
    one, three = (
        double(["xd_train.py", *options_of(tmp_path / name, options)], count=count)
        for name, count in (("one", 1), ("three", 3))
    )
    code, out, errors = ended(three)
    assert code == ended(one)[0] == 0, errors
    assert_agree(tmp_path / "one", tmp_path / "three")
    rows = len(Path(options["train-list"]).read_text().splitlines()) - 1
    assert rows % BATCH["xd"] % 3
    assert len(out.split("epoch: 1 | step: 1 |")) == 2  # one process prints


needs_pgrep = pytest.mark.skipif(
    not os.path.exists("/usr/bin/pgrep"), reason="pgrep is not installed"
)


@pytest.mark.slow
@needs_pgrep
def test_metrics_are_those_of_one_process(alone, together):
    results = []
    for folder, count in ((alone, 1), (together[0], 2)):
        results.append(json.loads((folder / "results.json").read_text()))
        assert results[-1].pop("provenance")["processes"] == count
        assert results[-1].pop("weights") == str(alone / "model.pth")
    assert results[0] == results[1]


@pytest.mark.slow
@needs_pgrep
def test_two_processes_train_as_one_and_go_on_when_one_was_killed(alone, together):
    folder, out = together
    assert "resuming" in out
    assert "processes: 2" in (folder / "provenance.yml").read_text()
    assert_agree(alone, folder)


@pytest.mark.slow
@needs_pgrep
def test_one_process_that_was_killed_goes_on(data, alone, tmp_path):
    command = ["ucf_train.py", *options_of(tmp_path, data("ucf"))]
    begun = torchrun(1, command, "--max-restarts=1", launcher=DOUBLE)
    wait_until((tmp_path / "checkpoint.pth").exists, begun)
    os.kill(workers(begun)[0], signal.SIGKILL)
    code, out, errors = ended(begun)
    assert code == 0, errors
    assert "resuming" in out
    assert_agree(alone, tmp_path)


@pytest.mark.slow
@needs_pgrep
def test_a_run_that_lost_a_process_ends_and_goes_on_when_told_to(data, alone, tmp_path):
    """Within a minute; in one process this time."""
    command = ["ucf_train.py", *options_of(tmp_path, data("ucf"))]
    begun = double(command, "--max-restarts=0", count=2)
    # Then both know of the first one.
    wait_until(previous(tmp_path / "checkpoint.pth").exists, begun)
    os.kill(workers(begun)[0], signal.SIGKILL)
    killed = time.monotonic()
    code, out, errors = ended(begun)
    assert time.monotonic() - killed < 60
    assert code == 1
    told = r"to go on after \d epochs and \d+ steps, give the same command and --resume"
    assert re.search(told, out + errors)
    code, _, errors = ended(double([*command, "--resume"]))
    assert code == 0, errors
    assert_agree(alone, tmp_path)


@pytest.mark.slow
def test_a_signal_stops_all_after_the_same_step(data, tmp_path):
    begun = torchrun(
        2, ["ucf_train.py", *options_of(tmp_path, data("ucf") | {"max-epoch": 50})],
        start_new_session=True,
    )  # fmt: skip
    wait_until((tmp_path / "checkpoint.pth").exists, begun)
    os.killpg(begun.pid, signal.SIGINT)  # as a terminal does: to torchrun and to all it started
    code, out, errors = ended(begun)
    assert code != 0
    said = re.search(r"stopped after (\d+) epochs? and (\d+) steps?, saved", out)
    assert said, out + errors
    state = load_tensors(tmp_path / "checkpoint.pth")
    assert (state["epoch"], state["step"]) == tuple(map(int, said.groups())) > (0, 0)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"batch-size": 3}, "--batch-size 3 cannot be shared evenly by 2 processes"),
        ({"lr": "much"}, "invalid"),
        ({"check-data": True}, "--check-data is for one process"),
        ({"method": "mil"}, "--method mil trains in one process"),
    ],
)
def test_what_all_refuse_one_says(options, message, data, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(os, "_exit", sys.exit)  # this process stands for both
    store = torch.distributed.HashStore()
    for rank in range(2):
        monkeypatch.setattr(group, "_group", group.Group(rank, 2, store))
        code = exit_code(ucf_train.main, options_of(tmp_path, data("ucf") | options))
        assert code == 2
    errors = capfd.readouterr().err.splitlines()
    (said,) = (line for line in errors if line.startswith("error: "))
    assert message in said
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("method", ["mil", "clip-tsa"])
def test_what_two_processes_refuse_one_says(method, data, tmp_path):
    arguments = options_of(tmp_path, data("ucf") | {"method": method})
    assert f"--method {method} trains in one process" in refused(arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_what_the_first_refuses_ends_all(data, tmp_path):
    (tmp_path / "model.pth").mkdir()
    assert "model.pth' cannot be written" in refused(options_of(tmp_path, data("ucf")))


def refused(arguments: list[str]) -> str:
    """The one line that two processes end with, and torchrun after them."""
    code, _, errors = ended(torchrun(2, ["ucf_train.py", *arguments]))
    assert code != 0
    lines = errors.splitlines()
    (said,) = (line for line in lines if line.startswith("error: "))
    assert lines[-2].endswith(f": {said}")
    return said


def test_what_differs_from_the_first_process_is_named(monkeypatch):
    monkeypatch.setattr(group, "_group", group.Group(1, 2, torch.distributed.HashStore()))
    monkeypatch.setattr(parallel, "from_main", lambda make: {"lr": 1e-5, "seed": 1})
    parallel.require_equal_settings({"lr": 1e-5, "seed": 1})
    with pytest.raises(UserError, match="process 1 was started with seed 2, process 0 with 1: "):
        parallel.require_equal_settings({"lr": 1e-5, "seed": 2})


@pytest.mark.slow
def test_processes_must_be_started_alike(data, tmp_path):
    first, second = (options_of(tmp_path, data("ucf") | {"lr": lr}) for lr in (1e-5, 1e-4))
    one, other = (ended(process) for process in by_hand("ucf_train.py", [first, second]))
    assert other[0] == 2
    assert "process 1 was started with lr 0.0001, process 0 with 1e-05" in other[2]
    assert one[0] == 1
    assert "error: another process of this run was lost" in one[2]
    assert "Traceback" not in one[2] + other[2]
    assert not list(tmp_path.iterdir())


def test_processes_that_meet_again_take_no_notice_of_those_that_are_gone():
    store = torch.distributed.HashStore()
    rounds = []
    for _ in range(2):
        with ThreadPoolExecutor() as pool:
            others = [pool.submit(meeting.knock, store, rank) for rank in (1, 2)]
            names = [meeting.welcome_all(store, 3), *(other.result() for other in others)]
        assert len(set(names)) == 1
        rounds += names[:1]
    assert rounds[0] != rounds[1]


def test_a_master_that_cannot_be_reached(monkeypatch):
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MASTER_PORT", "1")
    monkeypatch.setattr(meeting, "MEET", timedelta(seconds=1))
    with pytest.raises(UserError, match=r"process 1 cannot reach the others by way of 127.0.0.1:1"):
        meeting.join_processes()


@pytest.mark.parametrize("kinds, rows, batch_size", [(1, 25, 6), (2, 24, 6)])
def test_every_video_of_a_batch_is_somebodys(kinds, rows, batch_size, monkeypatch):
    generator = torch.Generator()
    order = Order(Shuffled(range(rows), batch_size * kinds, generator), generator, seed=0)
    order.batches.kinds = kinds
    whole = list(order)
    monkeypatch.setattr(orders, "processes", lambda: 3)
    if kinds == 1:  # the last batch has one video
        with pytest.raises(UserError, match="has 1 video, fewer than there are processes"):
            Parts(order)
        order.batches.smallest = 3
    parts = []
    for rank in range(3):
        monkeypatch.setattr(orders, "rank", lambda rank=rank: rank)
        parts.append(list(Parts(order)))
    for batch, *of_each in zip(whole, *parts, strict=True):
        assert sorted(chain(*of_each)) == sorted(batch)
        sizes = [len(part) for part in of_each]
        assert max(sizes) - min(sizes) <= kinds
        if kinds == 2:
            half = len(batch) // 2
            assert of_each[0] == batch[:2] + batch[half : half + 2]


@pytest.mark.slow
def test_extraction_is_shared(tmp_path):
    for i in range(5):
        write_video(tmp_path / "videos" / f"v{i}.mp4", 20 + 16 * i)
    (tmp_path / "videos" / "bad.mp4").write_text("no")  # the first one's
    arguments = [str(tmp_path / "videos"), "--out", str(tmp_path / "out"), "--crops=0"]
    arguments += ["--pool=middle", "--clip-weights=random"]
    code, out, errors = ended(torchrun(2, ["extract_features.py", *arguments]))
    assert code == 1
    assert out.splitlines()[-1] == "5 videos extracted, 0 before, 1 failed"
    assert errors.count("failed: video") == 1
    for i in range(5):
        features = read_features(tmp_path / "out" / f"v{i}__0.npy")
        assert len(features) == 1 + i and np.isfinite(features).all()
    assert len(list((tmp_path / "out").iterdir())) == 5 + 5
    (tmp_path / "out" / "v3__0.npy").unlink()
    arguments[-2:] = ["--pool=mean", "--clip-weights=random"]
    code, out, errors = ended(torchrun(2, ["extract_features.py", *arguments]))
    assert code  # torchrun's own
    (error,) = (line for line in errors.splitlines() if line.startswith("error: "))
    assert error.startswith("error: features of 4 of 6 videos were made otherwise")
    assert not (tmp_path / "out" / "v3__0.npy").exists()
