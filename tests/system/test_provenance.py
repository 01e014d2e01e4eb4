"""What decided a run is written down beside it."""

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from helpers.scripts import SCRIPTS, make_data, run
from utils.system.files import sha256
from utils.system.provenance import git_state
from utils.system.seeds import random_states, set_random_states


def git(folder, *arguments) -> None:
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *author, "-C", str(folder), *arguments], check=True, capture_output=True)


def test_the_commit_and_whether_the_tree_was_changed(tmp_path):
    assert git_state(tmp_path) is None
    git(tmp_path, "init")
    assert git_state(tmp_path) is None  # no commit yet
    (tmp_path / "a.py").write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "a")
    state = git_state(tmp_path)
    assert len(state["commit"]) == 40
    assert not state["dirty"]
    (tmp_path / "a.py").write_text("2")
    assert git_state(tmp_path) == {**state, "dirty": True}
    (tmp_path / "inner").mkdir()
    assert git_state(tmp_path / "inner") is None  # the commit of another project


def test_a_training_run(tmp_path):
    options = make_data(tmp_path, "ucf", train_videos=3, test_videos=4)
    first = tmp_path / "first"
    run(SCRIPTS["ucf"].train, first, options, max_epoch=1, deterministic=True)
    assert torch.are_deterministic_algorithms_enabled()
    (record,) = yaml.safe_load((first / "provenance.yml").read_text()).values()
    assert record["command"]
    assert record["libraries"]["torch"] == torch.__version__
    assert record["libraries"]["numpy"] == np.__version__
    assert record["python"] == sys.version.split()[0]
    assert record["device"]["name"] == "cpu"
    assert record["device"]["threads"] == torch.get_num_threads()
    assert set(record["sha256"]) == {
        "train_list", "test_list", "gt_path", "gt_segment_path", "gt_label_path", "clip_weights",
        "first_features",
    }  # fmt: skip
    assert record["sha256"]["train_list"] == sha256(options["train-list"])
    assert record["sha256"]["clip_weights"] == "random"
    first_line = Path(options["train-list"]).read_text().splitlines()[1]
    assert record["sha256"]["first_features"] == sha256(first_line.split(",")[0])
    # Its options repeat it.
    again = {"config": first / "options.yml", "deterministic": False}
    run(SCRIPTS["ucf"].train, tmp_path / "again", again)
    assert not torch.are_deterministic_algorithms_enabled()
    assert sha256(tmp_path / "again" / "model.pth") == sha256(first / "model.pth")


def test_every_random_state_comes_back():
    states = random_states()
    drawn = [torch.rand(3), np.random.rand(3), random.random()]
    set_random_states(states)
    assert torch.equal(torch.rand(3), drawn[0])
    np.testing.assert_array_equal(np.random.rand(3), drawn[1])
    assert random.random() == drawn[2]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_deterministic_on_a_gpu(tmp_path):
    options = make_data(tmp_path, "ucf", train_videos=3, test_videos=4)
    options |= {"device": "cuda", "deterministic": True}
    for name in ("a", "b"):
        run(SCRIPTS["ucf"].train, tmp_path / name, options)
    assert sha256(tmp_path / "a" / "model.pth") == sha256(tmp_path / "b" / "model.pth")
