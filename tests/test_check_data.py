"""Everything that is wrong with a data set, in one table."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import ucf_option
from helpers.scripts import SCRIPTS, make_data, options_of
from model import build_model
from utils import check_data
from utils.labels import UCF_CRIME


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("ucf"), "ucf", train_videos=3, test_videos=4)


def check(options, folder, capsys) -> tuple[int, list[str]]:
    """Exit code and lines of the command."""
    capsys.readouterr()
    try:
        check_data.main(["ucf", *options_of(folder, options)])
        code = 0
    except SystemExit as end:
        code = end.code
    return code, capsys.readouterr().out.splitlines()


@pytest.fixture
def broken(sound, tmp_path):
    """A copy of the data, its training list as lines, and a function that writes them back."""
    lists, options = tmp_path / "list", dict(sound)
    shutil.copytree(Path(sound["train-list"]).parent, lists)
    shutil.copytree(Path(sound["train-list"]).parent.parent / "features", tmp_path / "features")
    for option in ("train-list", "test-list", "gt-path", "gt-segment-path", "gt-label-path"):
        options[option] = str(lists / Path(sound[option]).name)
    return {**options, "feature-root": str(tmp_path / "features")}


def edit(path, change) -> None:
    lines = Path(path).read_text().splitlines()
    change(lines)
    Path(path).write_text("\n".join(lines) + "\n")


def feature(options, line: str) -> Path:
    """The feature file of a line of a list."""
    path = Path(line.rsplit(",", 1)[0])
    return Path(options["feature-root"], path.parent.name, path.name)


@pytest.mark.parametrize("workers", [0, 3])
def test_sound_data(sound, workers, tmp_path, capsys):
    code, lines = check({**sound, "num-workers": workers}, tmp_path, capsys)
    assert (code, lines) == (0, ["34 files read, no problems"])


def test_every_problem_is_in_the_table(broken, tmp_path, capsys):
    train = Path(broken["train-list"]).read_text().splitlines()
    files = [None, *(feature(broken, line) for line in train[1:])]
    files[1].unlink()
    files[2].write_bytes(files[2].read_bytes()[:-7])
    array = np.load(files[3])
    np.save(files[3], array[:, :256])
    array[4, 5] = np.nan
    np.save(files[4], array)
    array[4:6] = 0
    np.save(files[5], array)
    np.save(files[6], array[:0])

    def change(lines):
        lines[7] = lines[7].rsplit(",", 1)[0] + ",Party"
        lines[8] = lines[9]

    edit(broken["train-list"], change)
    test = Path(broken["test-list"]).read_text().splitlines()
    edit(broken["train-list"], lambda lines: lines.append(test[1]))

    code, lines = check(broken, tmp_path, capsys)
    assert code == 1
    expected = [
        ("line 2 ", f"feature file {train[1].rsplit(',', 1)[0]} not found under"),
        ("line 3 ", f"feature file {files[2]} is damaged"),
        ("line 4 ", f"feature file {files[3]} has shape "),
        ("line 5 ", "holds NaN or infinite values, first in row 4"),
        ("line 6 ", "rows of zeros, first row 4"),
        ("line 7 ", "has shape (0, 512)"),
        ("line 8 ", "unknown UCF-Crime label 'Party'"),
        ("line 10 ", "is in line 9 already"),
        ("line 2 ", "is also in "),
    ]
    assert len(lines) == len(expected) + 1, lines
    for line, (place, what) in zip(lines, expected, strict=False):
        assert place in line
        assert what in line
    assert lines[-1] == "33 files read, 9 problems"
    assert lines[-2].startswith(f"{broken['test-list']}, line 2 ")


def test_normalised_features_are_a_warning(broken, tmp_path, capsys):
    """CLIP's norms are near 10: rows of norm 1 are no mistake that a single row would prove."""
    train = Path(broken["train-list"]).read_text().splitlines()
    files = [feature(broken, line) for line in train[1:]]
    for path, change in {
        files[3]: lambda rows, norms: rows / norms,
        files[5]: lambda rows, norms: rows / norms * (np.arange(len(rows)) > 0)[:, None] + 1e-4,
        files[6]: lambda rows, norms: rows / norms * 1.02,
        files[7]: lambda rows, norms: np.where(np.arange(len(rows))[:, None], rows, rows / norms),
    }.items():
        rows = np.load(path).astype(np.float32)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        np.save(path, change(rows, norms).astype(np.float16))
    code, lines = check(broken, tmp_path, capsys)
    assert code == 0
    assert lines[0] == "warnings:"
    assert lines[1].startswith(
        f"{broken['train-list']}  2 of 30 feature files have rows of norm 1, first {files[3]} in "
        "line 5: they seem normalised"
    )
    assert lines[2:] == ["34 files read, no problems, 1 warning"]
    files[0].unlink()
    code, lines = check(broken, tmp_path, capsys)
    assert code == 1
    assert "not found" in lines[0] and lines[1] == "warnings:"
    assert lines[-1] == "33 files read, 1 problem, 1 warning"


def test_ground_truth_that_does_not_fit(broken, tmp_path, capsys):
    np.save(broken["gt-path"], np.zeros(16))
    code, lines = check(broken, tmp_path, capsys)
    assert code == 1
    assert "makes predictions for" in lines[0]
    assert lines[1] == "34 files read, 1 problem"


@pytest.mark.parametrize("script", ["train", "test"])
def test_as_a_flag_of_the_scripts(script, broken, tmp_path, capsys):
    line = Path(broken["test-list"]).read_text().splitlines()[1]
    feature(broken, line).write_bytes(b"")
    options = [*options_of(tmp_path / "out", broken), f"--model-path={tmp_path / 'model.pth'}"]
    if script == "test":
        model = build_model(ucf_option.parser.parse_args(options), UCF_CRIME)
        torch.save(model.state_dict(), tmp_path / "model.pth")
    with pytest.raises(SystemExit) as end:
        getattr(SCRIPTS["ucf"], script)([*options, "--check-data"])
    assert end.value.code == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1].endswith("files read, 1 problem")
    assert "is damaged" in printed[-2]
    assert not (tmp_path / "out").exists()


def test_a_list_that_is_not_there(broken, tmp_path, capsys):
    Path(broken["test-list"]).unlink()
    assert check(broken, tmp_path, capsys)[0] == 2
