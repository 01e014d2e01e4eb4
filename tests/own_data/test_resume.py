"""Runs on a data set of one's own that are stopped and resumed."""

import signal

import pytest

from helpers.own_set import own_set
from helpers.runs import assert_same_run, stop_at
from helpers.scripts import SCRIPTS, one_error, run
from utils.runs.weights import Weights
from utils.system.untrusted import load_tensors

EVERY_STEP = {"log-every": 1, "eval-every": 2}


@pytest.mark.parametrize(
    "recipe, more, place",
    [
        ("ucf", {"validation": 0.25, "max-steps": 3}, (0, 1)),
        # 2 steps a pass, 5 passes an epoch; the second epoch is cut short.
        ("xd", {"method": "mil", "max-steps": 13, "batch-size": 6}, (1, 1)),
    ],
    ids=["validation", "across epochs"],
)
def test_a_stopped_run_ends_like_one_that_never_stopped(recipe, more, place, tmp_path):
    data = own_set(tmp_path / "shop", crops=1 + (recipe == "ucf"))
    options = {**data.options, **EVERY_STEP, **more}
    train = SCRIPTS[recipe].train
    run(train, tmp_path / "whole", options)
    assert stop_at(place, signal.SIGTERM, train, tmp_path / "cut", options) == 143
    checkpoint = load_tensors(tmp_path / "cut" / "checkpoint.pth")
    assert (checkpoint["epoch"], checkpoint["step"]) == (place[0], place[1] + 1)
    run(train, tmp_path / "cut", {**options, "resume": True})
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A data set, and options and folder of a run on it that was stopped."""
    folder = tmp_path_factory.mktemp("stopped")
    data = own_set(folder / "shop", train_videos=2)
    options = {**data.options, "method": "mil", "select": "last", "select-by": "video_auc"}
    assert stop_at((0, 1), signal.SIGTERM, SCRIPTS["xd"].train, folder / "run", options) == 143
    return data, {**options, "resume": True}, folder / "run"


@pytest.fixture
def data(stopped):
    """The data set, to be changed for a while."""
    data = stopped[0]
    paths = data.file, data.folder / "events.csv", data.folder / "list" / "test.csv"
    before = {path: path.read_text() for path in paths}
    yield data
    for path, text in before.items():
        path.write_text(text)


def error_of(options, folder, capfd) -> str:
    return one_error(run, capfd, SCRIPTS["xd"].train, folder, options)


@pytest.mark.parametrize(
    "said", [{"fps": 8}, {"title": "Other"}, {"row": "4 frames"},
             {"classes": {"normal": "a day", "fire": "a fire", "theft": "a theft"}}],
    ids=lambda said: next(iter(said)),
)  # fmt: skip
def test_the_data_set_must_say_what_it_said(said, stopped, data, capfd):
    data.say(**said)
    error = error_of(*stopped[1:], capfd)
    assert "was written with described " in error
    assert error.endswith("a run is resumed with the options, lists and features it began with")


def test_what_decides_nothing_may_change(stopped, data, tmp_path):
    data.file.write_text(f"# a comment\n{data.file.read_text()}")
    data.say(test_crop=3)
    (tmp_path / "checkpoint.pth").symlink_to(stopped[2] / "checkpoint.pth")
    assert stop_at((0, 2), signal.SIGTERM, SCRIPTS["xd"].train, tmp_path, stopped[1]) == 143


def test_events_must_be_what_they_were(stopped, data, capfd):
    events = data.folder / "events.csv"
    events.write_text(events.read_text() + "fire_test_0,0,4,fire\n")
    assert "was written with events " in error_of(*stopped[1:], capfd)
    events.unlink()
    assert ", now it is None: a run is resumed" in error_of(*stopped[1:], capfd)


def test_a_test_set_that_has_gone_is_missed(stopped, data, capfd):
    (data.folder / "list" / "test.csv").unlink()
    assert "was written with test_list " in error_of(*stopped[1:], capfd)


def test_epochs_must_be_as_long_as_they_were(stopped, capfd):
    """10 epochs are the default: but who gives it gets epochs of one pass."""
    error = error_of({**stopped[1], "max-epoch": 10}, stopped[2], capfd)
    assert "was written with adapt True, now it is False" in error


def test_a_checkpoint_knows_what_it_is(stopped):
    weights = Weights.read(stopped[2] / "checkpoint.pth")
    assert weights.dataset.title == "Shop"
    assert weights.options["method"] == "mil"
