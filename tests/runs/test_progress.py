"""What a run says of where it is, how long it is, and what was best."""

import re

import pytest
import torch

import utils.system.device
from helpers.scripts import SCRIPTS, run
from utils.runs.progress import RunProgress, loss_line
from utils.system.device import set_up_device, where

CPU = torch.device("cpu")
EPOCH = {"max-epoch": 2, "max-steps": 8, "adapt": False, "batch-size": 2, "method": "mil"}


def test_a_run_says_where_it_is_and_what_was_best(small_ucf, tmp_path, capsys):
    options = {**small_ucf, **EPOCH, "eval-every": 2, "log-every": 4}
    run(SCRIPTS["ucf"].train, tmp_path, options)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "MIL ranking on UCF-Crime: 3 training videos in 30 rows, 2 epochs of 5 steps, 8 steps in "
        "all"
    )
    assert lines[1] == f"computing {where(CPU, 'fp32')}"
    (first, *_) = (line for line in lines if " | total: " in line)
    number, rate = r"\d+\.\d{4}", r"\d\.\d{3}e[+-]\d\d"
    losses = [f"{name}: {number}" for name in ("total", "ranking", "smoothness", "sparsity")]
    assert re.fullmatch(r" \| ".join(["epoch: 1", "step: 4", *losses, f"lr: {rate}"]), first)

    heads = [i for i, line in enumerate(lines) if line.endswith(" | test set:")]
    places = [lines[i].removesuffix(" | test set:") for i in heads]
    assert places == [f"epoch: {e} | step: {s}" for e, s in ((1, 2), (1, 4), (2, 2))]
    best, held = 0, None
    for i, place in zip(heads, places, strict=True):
        auc = float(re.match(r"AUC1:  (\S+)", lines[i + 1])[1])
        if auc > best:
            best, held = auc, place
        said = next(line for line in lines[i:] if line.startswith("best AUC1 so far: "))
        assert said == f"best AUC1 so far: {best:.4f} | {'now' if held == place else held}"


def test_where_names_device_threads_and_precision():
    threads = torch.get_num_threads()
    try:
        for number, said in ((1, "on the CPU, 1 thread, bf16"), (2, "on the CPU, 2 threads, bf16")):
            torch.set_num_threads(number)
            assert where(CPU, "bf16") == said
    finally:
        torch.set_num_threads(threads)


def test_a_process_without_a_bar_goes_on():
    progress = RunProgress(None, None, [], None, 5)  # not the main one, which alone begins
    progress.step()
    progress.end()


def test_a_line_of_losses_begins_with_their_total():
    line = loss_line("epoch: 1 | step: 2", {"mil": 1, "total": 3}, {"lr": 2e-5})
    assert line == "epoch: 1 | step: 2 | total: 3.0000 | mil: 1.0000 | lr: 2.000e-05"


def test_a_test_says_where_it_is(small_ucf, tmp_path, capsys):
    options = {**small_ucf, **EPOCH, "eval-every": 0}
    run(SCRIPTS["ucf"].train, tmp_path, options)
    capsys.readouterr()
    run(SCRIPTS["ucf"].test, tmp_path, options)
    said = capsys.readouterr().out.splitlines()[0]
    assert (
        said == f"testing {tmp_path / 'model.pth'}: 6 videos, {where(torch.device('cpu'), 'fp32')}"
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="the GPU here can be used")
@pytest.mark.parametrize(
    "visible, name, warns", [(None, "auto", True), ("", "auto", False), (None, "cpu", False)]
)
def test_a_gpu_that_cannot_be_used(visible, name, warns, tmp_path, monkeypatch, capsys):
    (tmp_path / "nvidiactl").touch()
    monkeypatch.setattr(utils.system.device, "GPU_FILES", [tmp_path / "nvidiactl"])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert set_up_device(name, "fp32").type == "cpu"
    said = capsys.readouterr().err
    assert said.startswith("note: there is a GPU here, but PyTorch cannot use it (") == warns
