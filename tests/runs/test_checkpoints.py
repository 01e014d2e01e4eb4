"""What a checkpoint holds, and what it leaves to CLIP's own file."""

import json
import signal

import pytest
import torch

from helpers.runs import stop_at
from helpers.scripts import SCRIPTS, make_data, one_error, run
from utils.network.clip_text import load_text_transformer
from utils.system.untrusted import load_tensors


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """Options of a run that was stopped after two steps, and its folder."""
    folder = tmp_path_factory.mktemp("stopped")
    options = make_data(folder, "ucf", train_videos=3, test_videos=4)
    options |= {"batch-size": 2, "checkpoint-every": 0}
    assert stop_at((0, 1), signal.SIGTERM, SCRIPTS["ucf"].train, folder / "run", options) == 143
    return options, folder / "run"


@pytest.fixture(scope="module")
def other_clip(tmp_path_factory):
    """Options that name a file with other text weights than the random ones."""
    path = tmp_path_factory.mktemp("clip") / "clip.pt"
    state = load_text_transformer("random").state_dict()
    torch.save({name: tensor + 0.01 for name, tensor in state.items()}, path)
    return {"clip-weights": path}


def error_of(script, folder, options, capfd) -> str:
    return one_error(run, capfd, script, folder, options, notes=False)


def test_it_holds_no_text_side_of_clip(stopped):
    kept = load_tensors(stopped[1] / "checkpoint.pth")
    assert not any(name.startswith("clipmodel.") for name in kept["model_state_dict"])
    assert any(name.startswith("clip_adapter.") for name in kept["model_state_dict"])
    assert kept["options"]["clip_weights"] == "random"
    assert (kept["epoch"], kept["step"]) == (0, 2)


def test_it_is_tested_with_the_clip_it_was_trained_with(stopped, other_clip, tmp_path, capfd):
    options, folder = stopped
    (tmp_path / "model.pth").symlink_to(folder / "checkpoint.pth")
    test = SCRIPTS["ucf"].test
    run(test, tmp_path, options)
    assert 0 <= json.loads((tmp_path / "results.json").read_text())["auc1"] <= 1
    error = error_of(test, tmp_path, options | other_clip, capfd)
    assert "was trained with CLIP weights random, but --clip-weights" in error
    assert error.endswith("name the same file")


def test_it_is_resumed_with_the_clip_it_was_begun_with(stopped, other_clip, tmp_path, capfd):
    options, folder = stopped
    (tmp_path / "checkpoint.pth").symlink_to(folder / "checkpoint.pth")
    options = {**options, **other_clip, "use-checkpoint": True}
    error = error_of(SCRIPTS["ucf"].train, tmp_path, options, capfd)
    assert "was written with clip_weights random, now it is " in error


def test_the_weights_that_a_run_leaves_need_no_clip(stopped, tmp_path):
    options = {**stopped[0], "max-epoch": 1}
    run(SCRIPTS["ucf"].train, tmp_path, options)
    weights = load_tensors(tmp_path / "model.pth")
    assert "clipmodel.token_embedding.weight" in weights
    run(SCRIPTS["ucf"].test, tmp_path, {**options, "clip-weights": "nowhere.pt"})
