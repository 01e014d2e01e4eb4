"""Training that cannot go on says at which step, by what, and with which videos."""

import json
from pathlib import Path

import numpy as np
import pytest

import utils.runs.training
from helpers.scripts import SCRIPTS, make_data, one_error, options_of
from utils.system.console import plural
from utils.system.untrusted import load_tensors


def make(folder, name):
    return make_data(folder, name, train_videos=3, test_videos=4)


@pytest.fixture(scope="module", params=["ucf", pytest.param("xd", marks=pytest.mark.slow)])
def data(request, tmp_path_factory):
    return request.param, make(tmp_path_factory.mktemp(request.param), request.param)


def end_of(name, folder, options, capsys) -> str:
    """The one line that a training run ends with."""
    return one_error(SCRIPTS[name].train, capsys, options_of(folder, options), notes=False)


@pytest.mark.parametrize("log_every", [1, 10])
def test_a_loss_that_is_not_finite(log_every, data, tmp_path, capsys):
    name, options = data
    options = {**options, "lr": 1e4, "log-every": log_every}
    error = end_of(name, tmp_path, options, capsys)
    told = json.loads((tmp_path / "diverged.json").read_text())
    assert told["epoch"] == 1
    term = next(term for term, value in told["losses"].items() if value in ("nan", "inf"))
    assert f"in epoch 1, step {told['step']}: {term} is " in error
    assert f" is {told['losses'][term]}; the batch was " in error
    assert "smaller --lr" in error
    assert len(told["batch"]) == {"ucf": 8, "xd": 4}[name]
    listed = Path(options["train-list"]).read_text()
    assert all(file in listed for file in told["batch"])
    assert Path(told["batch"][0]).stem in error
    assert not (tmp_path / "model.pth").exists()


def test_the_videos_are_those_of_the_step_and_no_checkpoint_has_its_weights(tmp_path, capsys):
    options = make(tmp_path, "ucf")
    files = [row.split(",")[0] for row in Path(options["train-list"]).read_text().splitlines()[1:]]
    culprit = files[5]
    np.save(culprit, np.full_like(np.load(culprit), 3e38, dtype=np.float32))
    options |= {"checkpoint-every": 1, "log-every": 100, "max-epoch": 9}
    error = end_of("ucf", tmp_path / "run", options, capsys)
    told = json.loads((tmp_path / "run" / "diverged.json").read_text())
    assert culprit in told["batch"]
    checkpoint = tmp_path / "run" / "checkpoint.pth"
    state = load_tensors(checkpoint)  # the culprit is not in the first batch
    assert all(tensor.isfinite().all() for tensor in state["model_state_dict"].values())
    place = f"{plural(state['epoch'], 'epoch')} and {plural(state['step'], 'step')}"
    assert f"{checkpoint}, after {place}, is kept" in error
    assert (state["epoch"], state["step"]) < (told["epoch"] - 1, told["step"])


def test_scores_that_are_all_saturated(data, tmp_path, capsys):
    """What becomes of training at ten times the paper's learning rate."""
    name, options = data
    options = {**options, "lr": 1e-2, "max-epoch": 30}
    error = end_of(name, tmp_path, options, capsys)
    assert "training diverged within" in error
    assert "every score of every test video is 0 or 1" in error


def test_a_feature_file_that_goes_bad_in_the_middle(data, tmp_path, capsys):
    name, _ = data
    options = {**make(tmp_path, name), "batch-size": 2, "checkpoint-every": 1}
    after_step = utils.runs.training.Run.after_step

    def spoil(self, losses):
        after_step(self, losses)
        for row in self.rows:
            row.path.write_bytes(row.path.read_bytes()[:-9])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils.runs.training.Run, "after_step", spoil)
        error = end_of(name, tmp_path / "run", options, capsys)
    assert error.startswith(f"error: {tmp_path}")
    assert "rgb.csv, line " in error
    assert ".npy is damaged" in error
    assert load_tensors(tmp_path / "run" / "checkpoint.pth")["step"] == 1
