"""The table across data sets."""

import csv
import json
from pathlib import Path

import pytest
import yaml

from helpers.own import described
from helpers.scripts import make_data
from utils import across
from utils.evaluation.across import SHARED, TransferTable, read_same, shared_classes
from utils.labels import UCF_CRIME, XD_VIOLENCE
from utils.system.errors import UserError


def test_classes_are_matched_by_what_they_mean(tmp_path):
    same = read_same()
    both = [UCF_CRIME, XD_VIOLENCE]
    pairs = {(a, b) for (a,), (b,) in shared_classes(both, same)}
    assert pairs == {
        ("Abuse", "B5"), ("Explosion", "G"), ("Fighting", "B1"), ("RoadAccidents", "B6"),
        ("Shooting", "B2"),
    }  # fmt: skip
    own = described(tmp_path, classes={"normal": "x", "crash": "a car accident", "fire": "flames"})
    assert shared_classes([*both, own], same) == []
    own = described(
        tmp_path, classes={"normal": "x", "crash": ["Car-Accident"], "bump": "traffic  accident"}
    )
    assert shared_classes([*both, own], same) == [(("RoadAccidents",), ("B6",), ("crash", "bump"))]


def test_a_damaged_file_of_classes(tmp_path):
    path = tmp_path / "same.yml"
    path.write_text("- fire\n")
    with pytest.raises(UserError, match="expected lists of texts"):
        read_same(path)


def metrics(auc: float, ap: float) -> dict:
    of_classes = {code: {"0.1": ap, "0.5": 0} for code in UCF_CRIME.classes}
    return {"auc1": auc, "ap1": None, "per_class_ap": of_classes}


def test_the_table():
    results = {
        ("ucf", "ucf"): metrics(0.9, 20) | {"intervals": {"auc1": [0.8, 0.95]}},
        ("ucf", "xd"): {**metrics(0.8, 0), "per_class_ap": None},
        ("xd", "ucf"): metrics(0.7, 10), ("xd", "xd"): metrics(0.6, 5),
    }  # fmt: skip
    table = TransferTable([UCF_CRIME, XD_VIOLENCE], results, read_same())
    assert table.values["ucf", "ucf"][SHARED] == 10  # over classes and IoUs
    lines = [[c.strip() for c in line.strip("| ").split("|")]
             for line in table.markdown().splitlines()]  # fmt: skip
    assert lines[0][:3] == ["trained on", "UCF-Crime: AUC1 (%)", "UCF-Crime: AP1 (%)"]
    assert lines[2] == ["UCF-Crime", "90.00 [80.00, 95.00]", "n/a", "10.00", "80.00", "n/a", "n/a"]
    assert lines[3][:2] == ["XD-Violence", "70.00"]
    assert "- UCF-Crime Fighting (fighting); XD-Violence B1 (fighting)\n" in table.markdown()
    assert table.csv().splitlines()[1].startswith("ucf,ucf,90.0,,")


@pytest.mark.parametrize(
    "options, message",
    [
        (["ucf"], "the data sets are ucf: name two or more"),
        (["ucf", "ucf"], "name two or more different ones"),
        (["ucf", "xd", "--weights", "falls=x"], "--weights falls=…: there are ucf, xd"),
        (["ucf", "xd", "--weights", "model.pth"], "--weights model.pth: expected NAME=PATH"),
        (["ucf", "xd", "--weights", "ucf=none.pth"], "--weights ucf=none.pth: not found"),
        (["ucf", "gone.yml"], "gone.yml"),
        (["ucf", "xd", "--leave-out", "Explosion"], "XD-Violence has no such anomaly class"),
    ],
)
def test_bad_options_end_in_one_line(options, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        across.main([*options, "--out", str(tmp_path / "out")])
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_training_and_testing_across(tmp_path, capsys, monkeypatch):
    """MIL ranking, which needs no texts, from one set to the other and back; a second call trains
    nothing."""
    monkeypatch.chdir(tmp_path)
    arguments = ["ucf", "xd", "--out", "out", "--method", "mil", "--max-epoch", "1", "--config"]
    for name in ("ucf", "xd"):
        options = make_data(tmp_path / name, name, train_videos=3, test_videos=6)
        Path(f"{name}.yml").write_text(yaml.safe_dump(options))
        arguments.append(f"{name}={name}.yml")
    across.main(arguments)
    said = capsys.readouterr().out
    assert said.count("training on") == 4  # it begins, and ends
    for pair in ("ucf on xd", "xd on ucf", "ucf on ucf", "xd on xd"):
        assert f"{pair}: tested" in said
    tested = json.loads(Path("out/ucf_on_xd/results.json").read_text())
    assert tested["provenance"]["trained_on"] == "UCF-Crime"
    with open("out/table.csv") as file:
        rows = {(r["trained on"], r["tested on"]): r for r in csv.DictReader(file)}
    assert float(rows["ucf", "xd"]["AUC1 (%)"]) == pytest.approx(100 * tested["auc1"])
    assert rows["ucf", "xd"][SHARED] == ""

    across.main(arguments)
    assert "training on" not in capsys.readouterr().out
    Path("out/xd/model.pth").write_bytes(b"junk")
    with pytest.raises(SystemExit, match=r"^2$"):
        across.main(arguments)
    assert "error: xd on ucf: " in capsys.readouterr().err
