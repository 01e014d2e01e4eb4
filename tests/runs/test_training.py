"""What a training run does with what lay there, and how it ends before its time."""

import json
import os
import re
import signal

import pytest

from helpers.own import table
from helpers.own_set import own_set
from helpers.scripts import SCRIPTS, exit_code, one_error, options_of, run
from utils.datasets.lists import Row
from utils.runs.weights import Weights

MIL = {"method": "mil", "max-steps": 2}


@pytest.fixture
def data(tmp_path):
    """A data set without a test set."""
    return own_set(tmp_path / "shop", test=False, train_videos=2)


def test_older_weights_are_kept(data, tmp_path, capsys):
    path, older = tmp_path / "run" / "model.pth", tmp_path / "run" / "model.older.pth"
    path.parent.mkdir()
    path.write_bytes(b"a week's work")
    run(SCRIPTS["xd"].train, path.parent, {**data.options, **MIL, "select": "last"})
    assert f"the weights that were at {path} are now {older}\n" in capsys.readouterr().out
    assert older.read_bytes() == b"a week's work"
    assert Weights.read(path).dataset.title == "Shop"


def test_without_a_test_set_nothing_is_evaluated(data, tmp_path, capsys):
    run(SCRIPTS["xd"].train, tmp_path / "run", {**data.options, **MIL, "select": "last"})
    path = data.folder / "list" / "test.csv"
    told = f"note: there is no {path}: nothing is evaluated, the last step's are kept\n"
    assert told in capsys.readouterr().err
    assert "metrics" not in (tmp_path / "run" / "log.jsonl").read_text()


@pytest.mark.parametrize("events", [True, False])
def test_videos_of_one_kind_select_no_weights(events, tmp_path, capsys):
    data = own_set(tmp_path / "shop", train_videos=2, events=events)
    path = data.folder / "list" / "test.csv"
    lines = path.read_text().splitlines()
    table(path, *(line for line in lines if not re.search(",(fire|theft),", line)))
    if events:  # all of them in other videos then
        table(data.folder / "events.csv", "video,start,end,class")
    folder, options = tmp_path / "run", {**data.options, **MIL}
    error = one_error(SCRIPTS["xd"].train, capsys, options_of(folder, options))
    metric, what = ("ap1", "frame") if events else ("video_auc", "video")
    assert error == (
        f"error: weights cannot be selected by {metric}: the test set has only one kind of {what}; "
        "give --validation 0.1 or --select last"
    )
    assert not (folder / "model.pth").exists()
    run(SCRIPTS["xd"].train, folder, {**options, "select": "last"})
    assert (folder / "model.pth").is_file()


@pytest.mark.parametrize("every, go_on", [
    (0, "no checkpoint was due yet"),
    (1, "to go on after 0 epochs and 1 step, give the same command and --resume"),
])  # fmt: skip
def test_a_signal_while_features_are_read(every, go_on, data, tmp_path, monkeypatch, capsys):
    """It may end the processes that read, too: PyTorch then raises this error."""
    read, whole = [], Row.features

    def features(row):
        read.append(row)
        if len(read) > 4:  # those of the first step
            os.kill(os.getpid(), signal.SIGTERM)
            raise RuntimeError("DataLoader worker (pid(s) 1) exited unexpectedly")
        return whole(row)

    monkeypatch.setattr(Row, "features", features)
    options = {**data.options, **MIL, "select": "last", "batch-size": 4, "checkpoint-every": every}
    assert exit_code(run, SCRIPTS["xd"].train, tmp_path / "run", options) == 143
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1] == f"stopped within a step; {go_on}"
    assert "Traceback" not in printed.err
    assert (tmp_path / "run" / "checkpoint.pth").exists() == bool(every)
    monkeypatch.undo()
    if every:
        run(SCRIPTS["xd"].train, tmp_path / "run", {**options, "resume": True})
        assert (tmp_path / "run" / "model.pth").is_file()


def test_the_last_step_of_an_epoch_is_evaluated_once(tmp_path):
    data = own_set(tmp_path / "shop", train_videos=2)
    more = {"select": "last", "eval-every": 1, "max-epoch": 2, "max-steps": None}
    run(SCRIPTS["xd"].train, tmp_path / "run", {**data.options, **MIL, **more})
    lines = map(json.loads, (tmp_path / "run" / "log.jsonl").read_text().splitlines())
    evaluated = [(line["epoch"], line["step"]) for line in lines if "metrics" in line]
    assert len(evaluated) > 1
    assert len(evaluated) == len({*evaluated})
