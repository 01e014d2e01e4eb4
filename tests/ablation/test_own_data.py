"""Tables of experiments on a data set of one's own."""

import csv

import pytest

import ablate
from helpers.grids import ROWS, write
from helpers.own_set import TWO, own_set
from helpers.scripts import one_error
from utils.ablation.grid import read_grid

BEST = '{"auc1": 0.9, "average_map": None}'
OF_VIDEOS = '{"auc1": None, "average_map": None, "video_auc": 0.75, "video_ap": 0.5}'


@pytest.fixture
def scripts(stand_in, monkeypatch):
    """Recipes whose training script was asked for."""
    asked = []
    monkeypatch.setattr(ablate, "script_of", lambda recipe: asked.append(recipe) or stand_in)
    return asked


def table_of(folder) -> list[dict]:
    with (folder / "table.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_table_of_a_data_set_of_ones_own(scripts, tmp_path, capsys):
    """The paper's figures are not of it."""
    data = own_set(tmp_path / "shop")
    command = [write(tmp_path, ROWS), "--out", str(tmp_path / "out"), f"--dataset={data.file}"]
    ablate.main(command)
    printed = capsys.readouterr().out
    assert scripts == ["ucf"]
    assert "6 runs, 0 of them finished before" in printed
    assert [line["metric"] for line in table_of(tmp_path / "out")] == ["auc1", "average_map"] * 2
    text = (tmp_path / "out" / "table.md").read_text()
    assert text.startswith("| T, Shop ")
    assert "paper" not in text
    assert "90.00 ± 0.00" in text

    ablate.main([*command, "--recipe=ucf"])
    assert "6 runs, 6 of them finished before" in capsys.readouterr().out
    error = one_error(ablate.main, capsys, [*command, "--recipe=xd"])
    assert "was run with " in error and "name another --out" in error
    data.say(classes=TWO | {"fire": "x", "theft": "y"})
    error = one_error(ablate.main, capsys, command)
    assert " was run with " in error


def test_a_published_set_is_named_by_either_option(scripts, lists, tmp_path, capsys):
    command = [write(tmp_path, {**ROWS, "seeds": [1]}), "--out", str(tmp_path / "out")]
    for name, other in (("xd", "ucf"), ("ucf", "xd")):
        error = one_error(ablate.main, capsys, [*command, f"--dataset={name}", f"--recipe={other}"])
        assert error == f"error: --dataset {name} and --recipe {other}: leave one out"
    assert not (tmp_path / "out").exists()
    ablate.main([*command, *lists, "--dataset=xd", "--recipe=xd"])
    assert scripts == ["xd"]  # and not the file's
    text = (tmp_path / "out" / "table.md").read_text()
    assert text.startswith("| T, XD-Violence ")
    ablate.main([*command, *lists, "--dataset=xd"])
    assert "2 runs, 2 of them finished before" in capsys.readouterr().out


def test_metrics_of_whole_videos_need_no_events(tmp_path):
    data = own_set(tmp_path / "shop", events=False)
    for wanted, kept in (
        (["class_accuracy", "unseen_video_auc", "ap1"], ["class_accuracy", "unseen_video_auc"]),
        (["ap1"], ["video_auc", "video_ap"]),
    ):
        path = write(tmp_path, {**ROWS, "metrics": wanted})
        options = ["--leave-out", "fire", f"--dataset={data.file}"]
        assert read_grid(path, "ucf", None, options).metrics == kept


def test_what_is_described_decides_results(scripts, tmp_path, capsys):
    data = own_set(tmp_path / "shop")
    command = [write(tmp_path, ROWS), "--out", str(tmp_path / "out"), f"--dataset={data.file}"]
    ablate.main(command)
    data.say(fps=8)
    assert "was run with described " in one_error(ablate.main, capsys, command)
    data.say(fps=None)
    events = data.folder / "events.csv"
    events.write_text(events.read_text() + "fire_test_0,0,4,fire\n")
    assert "was run with events " in one_error(ablate.main, capsys, command)


def test_without_events(scripts, stand_in, tmp_path, capsys):
    """Other metrics than the file's are asked for."""
    stand_in.write_text(stand_in.read_text().replace(BEST, OF_VIDEOS))
    data = own_set(tmp_path / "shop", events=False)
    grid = {name: value for name, value in ROWS.items() if name != "metrics"}
    command = [write(tmp_path, grid), "--out", str(tmp_path / "out"), f"--dataset={data.file}"]
    ablate.main([*command, "--recipe=xd", "--seeds", "1"])
    assert scripts == ["xd"]
    assert [line["metric"] for line in table_of(tmp_path / "out")] == ["video_auc", "video_ap"] * 2
    assert "best video AUC" in (tmp_path / "out" / "table.md").read_text()
    ablate.main([*command, "--recipe=xd", "--seeds", "1", "--metrics", "video_ap"])
    (line, _) = table_of(tmp_path / "out")
    assert (line["metric"], float(line["mean"])) == ("video_ap", 50)


def test_without_a_test_set_the_table_is_of_the_validation_videos(scripts, stand_in, tmp_path):
    of_run = f'{{"epoch": 1, "step": 2, "validation": {OF_VIDEOS}}}'
    stand_in.write_text(stand_in.read_text().replace(BEST, of_run))
    data = own_set(tmp_path / "shop", events=False)
    command = [write(tmp_path, ROWS), "--out", str(tmp_path / "out"), f"--dataset={data.file}"]
    ablate.main([*command, "--validation=0.2", "--seeds", "1", "--metrics", "video_auc"])
    assert [float(line["mean"]) for line in table_of(tmp_path / "out")] == [75, 75]
    for kind in ("md", "tex"):
        text = (tmp_path / "out" / f"table.{kind}").read_text()
        assert "There is no test set: all of this is of the validation videos." in text


def test_rows_that_hold_videos_out(scripts, tmp_path):
    data = own_set(tmp_path / "shop")
    grid = {**ROWS, "seeds": [1], "rows": {"held out": {"options": {"validation": 0.2}}}}
    command = [write(tmp_path, grid), "--out", str(tmp_path / "out"), f"--dataset={data.file}"]
    ablate.main(command)
    text = (tmp_path / "out" / "table.md").read_text()
    assert "best video AUC (validation)" in text
    assert "chosen on the test set" not in text


@pytest.mark.parametrize(
    "options, message",
    [
        (["--dataset=nowhere.yml"], "data set nowhere.yml cannot be read"),
        (["--dataset={file}", "--recipe=ucx"], "argument --recipe: invalid choice"),
        (["--dataset={file}", "--metrics", "auc"], "argument --metrics: invalid choice"),
        (["--dataset={file}", "--select-by=auc1"], "--select-by auc1 needs events"),
    ],
)
def test_what_cannot_be_run(options, message, scripts, tmp_path, capsys):
    data = own_set(tmp_path / "shop", events=False, train_videos=1)
    given = [option.replace("{file}", str(data.file)) for option in options]
    command = [write(tmp_path, ROWS), "--out", str(tmp_path / "out"), *given]
    assert message in one_error(ablate.main, capsys, command)
    assert not (tmp_path / "out").exists()


def test_lists_that_are_not_made(scripts, tmp_path, capsys):
    data = own_set(tmp_path / "shop", lists=False)
    command = [write(tmp_path, ROWS), "--out", str(tmp_path / "out"), f"--dataset={data.file}"]
    error = one_error(ablate.main, capsys, command)
    assert "row 'MIL': " in error
    assert "train.csv cannot be read: No such file" in error
