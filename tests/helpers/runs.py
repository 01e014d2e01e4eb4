"""Training runs that are stopped, and whether two of them are the same."""

import os
from pathlib import Path

import pytest
import torch

import utils.runs.training
from helpers.scripts import exit_code, run
from utils.system.untrusted import load_tensors


def stop_at(place, number: int, train, folder, options) -> int:
    """Send a signal in the middle of a step; the exit code."""
    after_step = utils.runs.training.Run.after_step

    def interrupted(self, losses):
        if (self.epoch, self.step) == place:
            os.kill(os.getpid(), number)
        after_step(self, losses)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils.runs.training.Run, "after_step", interrupted)
        return exit_code(run, train, folder, options)


def assert_same_run(whole: Path, cut: Path) -> None:
    for file in ("log.jsonl", "best.json"):
        assert (whole / file).read_text() == (cut / file).read_text()
    a, b = load_tensors(whole / "model.pth"), load_tensors(cut / "model.pth")
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name
