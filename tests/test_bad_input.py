"""Whatever is wrong: one line that names it, exit code 2, nothing written."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import ucf_test
import ucf_train
import xd_test
from model import build_model
from test_end_to_end import make_data, run
from ucf_option import parser
from utils.labels import UCF_CRIME


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("ucf"), "ucf", train_videos=3, test_videos=4)


@pytest.fixture(scope="module")
def weights(data, tmp_path_factory):
    """Weights that fit the small model."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "w.pth"
    args = parser.parse_args([f"--{name}={value}" for name, value in data.items()])
    torch.save(build_model(args, UCF_CRIME).state_dict(), path)
    return path


def error_of(main, folder, options, capsys, **more) -> str:
    """The one line that the command ends with."""
    folder.mkdir(exist_ok=True)
    before = sorted(folder.rglob("*"))
    with pytest.raises(SystemExit) as end:
        run(main, folder, options, **more)
    assert end.value.code == 2
    assert sorted(folder.rglob("*")) == before
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if "text weights are RANDOM" not in line]
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("error: ")
    return lines[0]


SCRIPTS = pytest.mark.parametrize("main", [ucf_train.main, ucf_test.main], ids=["train", "test"])


@SCRIPTS
@pytest.mark.parametrize(
    "option, message",
    [
        ("test-list", "list nowhere not found"),
        ("gt-path", "ground truth nowhere not found"),
        ("gt-segment-path", "ground truth nowhere not found"),
        ("gt-label-path", "ground truth nowhere not found"),
        ("feature-root", "line 2: feature file"),
    ],
)
def test_a_missing_file(main, option, message, data, tmp_path, capsys):
    assert message in error_of(main, tmp_path / "out", {**data, option: "nowhere"}, capsys)


@SCRIPTS
@pytest.mark.parametrize(
    "option, value, message",
    [
        ("classes-num", 7, "UCF-Crime has 14 classes"),
        ("visual-width", 256, "512 wide"),
        ("visual-length", 0, "--visual-length"),
        ("device", "cuda:99", "--device cuda:99 is not available"),
        ("device", "abacus", "--device abacus is not available"),
    ],
)
def test_an_option_that_cannot_be(main, option, value, message, data, weights, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.pth").symlink_to(weights)
    assert message in error_of(main, tmp_path / "out", {**data, option: value}, capsys)


def edited_list(data, tmp_path, edit):
    """The test list with its lines edited, as an option."""
    lines = Path(data["test-list"]).read_text().splitlines()
    path = tmp_path / "edited.csv"
    path.write_text("\n".join(edit(lines)) + "\n")
    return {**data, "test-list": path}


@SCRIPTS
@pytest.mark.parametrize(
    "edit, message",
    [
        (lambda lines: ["file,class", *lines[1:]], "expected path,label"),
        (lambda lines: lines[:1], "is empty"),
        (
            lambda lines: [*lines[:2], lines[2].rsplit(",", 1)[0] + ",Party"],
            "line 3: unknown UCF-Crime label 'Party': allowed are Normal, Abuse",
        ),
        (lambda lines: lines[:-1], "makes predictions for"),
        (lambda lines: [lines[0], *lines[:0:-1]], "same videos in the same order"),
    ],
)
def test_a_list_that_does_not_fit(main, edit, message, data, tmp_path, capsys):
    options = edited_list(data, tmp_path, edit)
    assert message in error_of(main, tmp_path / "out", options, capsys)


def with_feature(data, tmp_path, change):
    """The first test video's features replaced by a changed copy, as an option."""
    first = Path(Path(data["test-list"]).read_text().splitlines()[1].rsplit(",", 1)[0])
    copy = tmp_path / first.name
    change(copy, np.load(first))
    return edited_list(data, tmp_path, lambda lines: [lines[0], f"{copy},Abuse", *lines[2:]])


def cut(path, array):
    np.save(path, array)
    path.write_bytes(path.read_bytes()[:-7])


def with_nan(path, array):
    array[2, 5] = np.nan
    np.save(path, array)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda path, array: path.write_bytes(b""), "damaged"),
        (cut, "damaged"),
        (lambda path, array: np.save(path, array[0]), "has shape (512,)"),
        (lambda path, array: np.save(path, array.T), "expected (T, 512)"),
        (lambda path, array: np.save(path, array[:, :256]), "expected (T, 512)"),
        (lambda path, array: np.save(path, array.astype(int)), "expected floating point"),
        (with_nan, "NaN or infinite values, first in row 2"),
    ],
)
def test_features_that_are_none(change, message, data, weights, tmp_path, capsys):
    options = with_feature(data, tmp_path, change)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.pth").symlink_to(weights)
    error = error_of(ucf_test.main, tmp_path / "out", options, capsys)
    assert message in error
    assert "Abuse501_x264__5.npy" in error


def test_a_reading_process_passes_its_error_on(data, weights, tmp_path, capsys):
    options = with_feature(data, tmp_path, with_nan)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.pth").symlink_to(weights)
    error = error_of(ucf_test.main, tmp_path / "out", options, capsys, num_workers=2)
    assert error.startswith("error: feature file ")
    assert "NaN" in error


def test_training_features_that_are_none(data, tmp_path, capsys):
    header, *rows = Path(data["train-list"]).read_text().splitlines()
    bad = tmp_path / "Abuse001_x264__0.npy"
    bad.write_bytes(b"")
    normal = [row for row in rows if row.endswith(",Normal")]
    (tmp_path / "train.csv").write_text("\n".join([header, *normal, *[f"{bad},Abuse"] * 9]) + "\n")
    options = {**data, "train-list": tmp_path / "train.csv"}
    error = error_of(ucf_train.main, tmp_path / "out", options, capsys)
    assert f"feature file {bad} is damaged" in error


def test_an_older_run_is_left_alone_until_the_first_step(data, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "log.jsonl").write_text("old")
    error_of(ucf_train.main, out, {**data, "classes-num": 7}, capsys)
    assert (out / "log.jsonl").read_text() == "old"


@pytest.mark.parametrize("option", ["model-path", "checkpoint-path"])
def test_places_that_cannot_be_written_are_found_before_training(option, data, tmp_path, capsys):
    for place in (tmp_path, data["test-list"] + "/w.pth", ""):
        with pytest.raises(SystemExit) as end:
            ucf_train.main([f"--{k}={v}" for k, v in {**data, option: place}.items()])
        assert end.value.code == 2
        assert "cannot be written" in capsys.readouterr().err


def test_a_batch_that_the_data_cannot_fill(data, tmp_path, capsys):
    error = error_of(ucf_train.main, tmp_path / "out", {**data, "batch-size": 64}, capsys)
    assert "fewer than one batch of 64" in error


def test_weights(data, weights, tmp_path, capsys):
    out = tmp_path / "out"
    assert "model.pth not found" in error_of(ucf_test.main, out, data, capsys)
    (out / "model.pth").write_bytes(b"junk")
    assert "damaged" in error_of(ucf_test.main, out, data, capsys)
    (out / "model.pth").unlink()
    (out / "model.pth").symlink_to(weights)
    error = error_of(ucf_test.main, out, {**data, "decoder_depth": 3}, capsys)
    assert "--decoder_depth is 1 in the file and 3 here" in error
    error = error_of(ucf_test.main, out, {**data, "visual-layers": 2}, capsys)
    assert "other data set" in error


def test_weights_of_the_other_data_set(weights, tmp_path, tmp_path_factory, capsys):
    xd = make_data(tmp_path_factory.mktemp("xd"), "xd", train_videos=3, test_videos=4)
    capsys.readouterr()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.pth").symlink_to(weights)
    error = error_of(xd_test.main, tmp_path / "out", xd, capsys)
    assert "--text_adapt_until is 3 in the file and 1 here" in error


def test_random_clip_cannot_stand_in_for_missing_text_weights(data, weights, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    state = torch.load(weights, weights_only=True)
    bare = {name: value for name, value in state.items() if not name.startswith("clipmodel.")}
    torch.save(bare, out / "model.pth")
    assert "has no CLIP text weights" in error_of(ucf_test.main, out, data, capsys)
    # With them, `random` is not even looked at.
    (out / "model.pth").unlink()
    (out / "model.pth").symlink_to(weights)
    run(ucf_test.main, out, data)
    assert "auc1" in json.loads((out / "results.json").read_text())
    assert "RANDOM" not in capsys.readouterr().err


def test_a_checkpoint_that_is_not_there(data, tmp_path, capsys):
    error = error_of(ucf_train.main, tmp_path / "out", data, capsys, use_checkpoint=True)
    assert "checkpoint.pth not found: leave out --use-checkpoint" in error


def test_a_resumed_run_keeps_its_options(data, tmp_path, capsys):
    run(ucf_train.main, tmp_path / "out", data, max_epoch=1)
    capsys.readouterr()
    more = {"use_checkpoint": True, "max_epoch": 2}
    error = error_of(ucf_train.main, tmp_path / "out", data, capsys, **more)
    assert "was written with max_epoch 1, now it is 2" in error


def test_a_folder_that_cannot_be_written(data, weights, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    options = {**data, "predictions": tmp_path / "file" / "p.npz"}
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.pth").symlink_to(weights)
    assert "cannot be written" in error_of(ucf_test.main, tmp_path / "out", options, capsys)


def test_non_finite_scores_are_not_reported_as_results(data, weights, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    state = torch.load(weights, weights_only=True)
    state["linear.bias"][0] = float("nan")
    torch.save(state, out / "model.pth")
    assert "are not finite" in error_of(ucf_test.main, out, data, capsys)
