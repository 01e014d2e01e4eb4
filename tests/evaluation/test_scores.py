"""Scores from elsewhere, in every form, and what is wrong with them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers import golden
from helpers.own import describe, features, table
from helpers.scripts import one_error
from utils import evaluate
from utils.evaluation.metrics import Evaluation
from utils.evaluation.predictions import load_scored

COUNTS = {"a": 6, "b": 9, "c": 5}
CODES = ("normal", "fire", "hit-and-run")


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A data set of three test videos, whose features are not there, and scores of it."""
    monkeypatch.chdir(tmp_path)
    describe(tmp_path, lists="list", fps=25)
    (tmp_path / "list").mkdir()
    lines = [f"x/{n}__0.npy,{label},{n},{16 * COUNTS[n]}" for n, label in
             zip("abc", ("fire", "hit-and-run", "normal"), strict=True)]  # fmt: skip
    table(tmp_path / "list" / "test.csv", "path,label,video,frames", *lines)
    table(tmp_path / "events.csv", "video,start,end,class", "a,10,50,fire", "b,16,80,hit-and-run")
    rng = np.random.default_rng(0)
    return {n: rng.random(t).round(3) for n, t in COUNTS.items()}


def evaluated(scores="s", *options) -> dict:
    evaluate.main(["own.yml", "--scores", str(scores), "--out", "out", "--bootstrap=100", *options])
    return json.loads(Path("out/results.json").read_text())


def save_npz(scores: dict, **more) -> None:
    lengths = [len(s) for s in scores.values()]
    values = np.concatenate([*scores.values()])
    np.savez("s.npz", videos=[*scores], lengths=lengths, scores=values, **more)


def save_csv(scores: dict, **classes) -> None:
    parts = [pd.DataFrame({"video": n, "score": s, **classes}) for n, s in scores.items()]
    pd.concat(parts).to_csv("s.csv", index=False)


def save_folder(scores: dict) -> None:
    Path("s").mkdir(exist_ok=True)
    for name, values in scores.items():
        np.save(f"s/{name}.npy", values)


@pytest.mark.parametrize("per", ["snippet", "frame"])
@pytest.mark.parametrize("form", ["npz", "csv", "folder"])
def test_every_form_gives_the_same_figures(own, form, per):
    save_npz(own)
    expected = evaluated("s.npz")
    scores = {n: np.repeat(s, 16) for n, s in own.items()} if per == "frame" else own
    {"npz": save_npz, "csv": save_csv, "folder": save_folder}[form](scores)
    found = evaluated("s" if form == "folder" else f"s.{form}")
    assert found.pop("scores") and expected.pop("scores")
    assert found["auc1"] == expected["auc1"] > 0
    assert found["deployment"] == expected["deployment"]
    assert found["intervals"]["auc1"] == expected["intervals"]["auc1"]


@pytest.mark.parametrize(
    "save, file", [(save_npz, "s.npz"), (save_csv, "s.csv"), (save_folder, "s")]
)
def test_names_with_dots_and_crops(own, save, file):
    save_npz(own)
    expected = evaluated("s.npz")
    names = {"a": "Bad.Boys__#01-11_label_B2", "b": "Bad.Boys__#02-22_label_G", "c": "cam__1"}
    for path in (Path("list/test.csv"), Path("events.csv")):
        lines = path.read_text().splitlines()
        column = lines[0].split(",").index("video")
        cells = [line.split(",") for line in lines[1:]]
        for row in cells:
            row[column] = names[row[column]]
        path.write_text("\n".join([lines[0], *map(",".join, cells), ""]))
    as_files = {names["a"] + "__0": own["a"], names["b"]: own["b"], names["c"]: own["c"]}
    save(as_files)
    assert evaluated(file)["deployment"] == expected["deployment"]


def test_the_data_set_may_be_named_by_its_option(own):
    save_npz(own)
    expected = evaluated("s.npz")
    evaluate.main(["--dataset=own.yml", "--scores=s.npz", "--bootstrap=0", "--out=by_option"])
    found = json.loads(Path("by_option/results.json").read_text())
    assert found["auc1"] == expected["auc1"]


def test_class_probabilities_in_another_order(own, rng):
    probabilities = rng.random((sum(COUNTS.values()), 3))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    save_npz(own, probabilities=probabilities, classes=[*CODES])
    expected = evaluated("s.npz")
    assert expected["average_map"] is not None
    turned = [2, 0, 1]
    save_npz(own, probabilities=probabilities[:, turned], classes=[CODES[i] for i in turned])
    assert evaluated("s.npz")["per_class_ap"] == expected["per_class_ap"]
    ends = np.cumsum([*COUNTS.values()])[:-1]
    in_files = zip(own, np.split(probabilities, ends), strict=True)
    save_folder({n: np.column_stack([own[n], p]) for n, p in in_files})
    assert evaluated("s")["per_class_ap"] == expected["per_class_ap"]


def test_classes_without_names_are_in_the_data_sets_order(own, rng, capsys):
    probabilities = rng.random((sum(COUNTS.values()), 3))
    save_npz(own, probabilities=probabilities, classes=[*CODES])
    expected = evaluated("s.npz")
    assert "names no classes" not in capsys.readouterr().err
    save_npz(own, probabilities=probabilities)
    assert evaluated("s.npz")["per_class_ap"] == expected["per_class_ap"]
    told = "note: s.npz names no classes: they are taken in the order of own\n"
    assert told in capsys.readouterr().err


def test_features_that_are_there_tell_the_lengths(own, tmp_path, capsys):
    features(tmp_path / "x", {f"{n}__0": t for n, t in COUNTS.items()})
    save_npz(own)
    assert evaluated("s.npz", "--feature-root", ".")["auc1"] is not None
    assert "note" not in capsys.readouterr().err


def test_what_is_kept_is_a_test_runs_file(own):
    save_npz(own)
    evaluated("s.npz")
    scored = load_scored("out/predictions.npz")
    assert [row.video for row in scored.rows] == ["a", "b", "c"]
    assert scored.truth.spans == [[(10, 50)], [(16, 80)], []]
    assert scored.facts.classes == CODES


def test_a_snippet_more_or_less_is_taken_and_said(own, capsys):
    save_npz(own | {"a": own["a"][:-1], "c": np.append(own["c"], 0.5)})
    assert evaluated("s.npz")["auc1"] is not None
    said = capsys.readouterr().err
    assert "2 videos up to 16 frames longer or shorter than in the data set, first a" in said
    edges = load_scored("out/predictions.npz").truth.edges
    assert [of_video[-1] for of_video in edges] == [80, 144, 96]


def test_further_videos_are_left_out(own, capsys):
    save_npz(own | {"z": np.array([0.5])})
    assert evaluated("s.npz")["auc1"] is not None
    assert "1 further videos" in capsys.readouterr().err


def test_names_may_have_the_suffix_of_a_crop(own):
    save_npz({f"{n}__0": s for n, s in own.items()})
    assert evaluated("s.npz")["auc1"] is not None


def test_frame_scores_that_were_kept_are_read_again(own):
    save_npz({n: np.repeat(s, 16) for n, s in own.items()})
    expected = evaluated("s.npz")
    Path("out/predictions.npz").rename("kept.npz")
    found = evaluated("kept.npz")
    assert found["auc1"] == expected["auc1"]
    assert found["deployment"] == expected["deployment"]


def test_whole_numbers_are_scores_too(own):
    numbers = {n: (200 * s).astype(np.uint8) for n, s in own.items()}
    save_folder(numbers)
    found = evaluated("s")
    save_folder({n: s.astype(float) for n, s in numbers.items()})
    assert evaluated("s")["deployment"] == found["deployment"]
    assert found["deployment"]["recall_at_5_by_class"]["fire"] is not None


@pytest.mark.parametrize("lengths", [True, False])
def test_without_events_frame_scores_keep_their_frames(own, lengths):
    Path("events.csv").unlink()
    if not lengths:
        list_of = Path("list/test.csv").read_text().splitlines()
        table(Path("list/test.csv"), *(line.rpartition(",")[0] for line in list_of))
    frames = np.zeros(80)
    frames[-3:] = 0.9
    save_npz({n: np.repeat(s, 16) for n, s in own.items()} | {"c": frames})
    found = evaluated("s.npz", "--per", "frame")["deployment"]
    assert found["false_alarm_rate"] == pytest.approx(3 / 80)
    assert found["false_alarms_per_hour"] == pytest.approx(1 / (80 / 25 / 3600))
    kept = Evaluation(load_scored("out/predictions.npz")).metrics()["deployment"]
    assert kept == found


def test_what_a_score_is_of_is_said_where_nothing_tells_it(own, capsys):
    lines = Path("list/test.csv").read_text().splitlines()
    table(Path("list/test.csv"), *(line.rpartition(",")[0] for line in lines))
    save_npz(own)
    assert one_error(evaluated, capsys, "s.npz") == (
        "error: s.npz: nothing says how long the videos are, so whether a score is of a snippet or "
        "of a frame cannot be told: say it with --per, or give --feature-root"
    )
    found = evaluated("s.npz", "--per", "snippet")
    told = "nothing says how long 3 of the videos are, first a: as long as their scores"
    assert told in capsys.readouterr().err
    save_npz({n: np.repeat(s, 16) for n, s in own.items()})
    assert evaluated("s.npz", "--per", "frame")["auc1"] == found["auc1"]


def test_shares_of_videos_whose_length_nothing_says(own, capsys):
    describe(Path(), lists="list", row="share")
    lines = Path("list/test.csv").read_text().splitlines()
    table(Path("list/test.csv"), *(line.rpartition(",")[0] for line in lines))
    save_npz(own)
    error = one_error(evaluated, capsys, "s.npz")
    assert error.startswith("error: list/test.csv, line 2: video a: its rows are equal shares")
    Path("events.csv").unlink()
    features(Path("x"), {f"{n}__0": t for n, t in COUNTS.items()})
    found = evaluated("s.npz", "--feature-root=.")
    assert found["video_auc"] is not None and "hours" not in found["test_set"]


@golden.needs_real_data
def test_a_video_whose_length_nothing_says_is_checked_with_all_the_others(tmp_path, capsys):
    lists = golden.REAL / "lists"
    with np.load(golden.REAL / "published_scores.npz") as file:
        arrays = {name: file[name] for name in ("videos", "lengths", "scores")}
    first = arrays["lengths"][0]
    arrays["scores"] = np.insert(arrays["scores"], first, np.full(9000, 0.9))
    arrays["lengths"][0] += 9000
    np.savez(tmp_path / "long.npz", **arrays)
    np.save(tmp_path / "gt.npy", np.zeros(1_109_888, np.float32))
    options = [
        "ucf", "--scores", str(tmp_path / "long.npz"), "--out", str(tmp_path / "out"),
        f"--test-list={lists / 'ucf_CLIP_rgbtest.csv'}", f"--gt-path={tmp_path / 'gt.npy'}",
        f"--gt-segment-path={lists / 'gt_segment_ucf.npy'}",
        f"--gt-label-path={lists / 'gt_label_ucf.npy'}",
    ]  # fmt: skip
    with pytest.raises(SystemExit) as end:
        evaluate.main(options)
    assert end.value.code == 2
    assert "gt.npy has 1109888: some are not those of their video" in capsys.readouterr().err
    (tmp_path / "gt.npy").unlink()
    evaluate.main(options)
    said = capsys.readouterr().err
    assert "nothing says how long 140 of the videos are, first Abuse028_x264" in said


WRONG = {
    "missing": (lambda s: save_npz({"a": s["a"]}), "s.npz", "no scores of 2 of the 3 test videos"),
    "too long": (lambda s: save_npz(s | {"b": np.tile(s["b"], 2)}), "s.npz",
        "1 of 3 videos are of another length: b has 18 scores of snippets, which last 288 frames"),
    "not finite": (lambda s: save_npz(s | {"b": s["b"] * np.nan}), "s.npz",
        "scores are not finite"),
    "no column": (lambda s: pd.DataFrame({"video": ["a"], "x": [1]}).to_csv("s.csv"), "s.csv",
        "expected video, score"),
    "empty cell": (lambda s: Path("s.csv").write_text("video,score\na,1\nb,\n"), "s.csv",
        "s.csv, line 3: expected video,score, found b,"),
    "some classes": (lambda s: save_csv(s, fire=0.5), "s.csv",
        "line 2: expected video,score,normal,fire,hit-and-run"),
    "other classes": (lambda s: save_npz(s, probabilities=np.ones((20, 2)), classes=["x", "y"]),
        "s.npz", "has 2 probabilities a score, of x, y; expected 3, of normal, fire"),
    "header only": (lambda s: Path("s.csv").write_text("video,score\n"), "s.csv", "no scores"),
    "other columns": (lambda s: save_folder(s | {"b": np.ones((9, 3))}), "s",
        "b.npy has shape (9, 3); expected (n,), or (n, 4)"),
    "some with classes": (lambda s: save_folder(s | {"b": np.ones((9, 4))}), "s",
        "some videos have class probabilities"),
    "texts": (lambda s: save_folder(s | {"b": np.array(["x"])}), "s",
        "not all scores are finite numbers"),
    "crops": (lambda s: save_npz(s | {"a__1": s["a"], "a__0": s["a"]}), "s.npz",
        "several crops of a"),
    "twice": (lambda s: np.savez("s.npz", videos=["a", "a"], lengths=[1, 1], scores=[0, 1]),
        "s.npz", "a video appears twice"),
    "names": (lambda s: np.savez("s.npz", videos=[1], lengths=[1], scores=[0]), "s.npz",
        "videos are not names"),
    "lengths": (lambda s: np.savez("s.npz", videos=["a"], lengths=[2], scores=[0]), "s.npz",
        "lengths are not those of scores"),
    "a class twice": (lambda s: save_npz(s, probabilities=np.ones((20, 3)),
        classes=["fire", "fire", "normal"]), "s.npz", "a class appears twice"),
    "mixed lines": (lambda s: Path("s.csv").write_text("video,score\na,1\nb,1\na,1\n"), "s.csv",
        "line 4: a begins anew"),
    "no scores": (lambda s: np.savez("s.npz", videos=["a"], lengths=[1]), "s.npz",
        "there is no array scores"),
    "no file": (lambda s: None, "s.npz", "--scores s.npz not found"),
    "empty folder": (lambda s: save_folder({}), "s", "holds no .npy"),
    "junk": (lambda s: Path("s.npz").write_text("junk"), "s.npz", "it is not a .npz archive"),
    "classes from the second line on": (
        lambda s: table(Path("s.csv"), "video,score,normal,fire,hit-and-run", "a,0.1,,,",
                        "a,0.1,0.2,0.3,0.5"),
        "s.csv", "line 2: expected video,score,normal,fire,hit-and-run, found a,0.1,,,",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_in_one_line(own, capsys, case):
    spoil, name, message = WRONG[case]
    spoil(own)
    with pytest.raises(SystemExit) as end:
        evaluated(name)
    assert end.value.code == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error
    assert not Path("out").exists()


@pytest.mark.parametrize(
    "option", ["--predictions=p.npz", "--model-path=m.pth", "--validation=0.1", "--method=mil"]
)
def test_options_that_mean_nothing_are_refused(own, option, capsys):
    save_npz(own)
    with pytest.raises(SystemExit, match=r"^2$"):
        evaluated("s.npz", option)
    assert "means nothing here" in capsys.readouterr().err


@pytest.mark.parametrize("row", ["share", "0.64 seconds"])
def test_a_score_per_frame_needs_rows_of_frames(own, row, capsys):
    """Shares are shares, however many there are; seconds are no frames."""
    describe(Path(), lists="list", fps=25, row=row, event_unit="frames")
    save_npz({n: np.repeat(s, 16) for n, s in own.items()})
    if row == "share":
        assert evaluated("s.npz", "--per", "frame")["auc1"] is not None
        return
    with pytest.raises(SystemExit, match=r"^2$"):
        evaluated("s.npz", "--per", "frame")
    assert "are counted in seconds" in capsys.readouterr().err


def test_an_event_has_no_alarm_in_the_row_before_it(own, tmp_path):
    describe(tmp_path, lists="list", row="0.1 seconds", event_unit="seconds")
    text = (tmp_path / "list" / "test.csv").read_text().replace("frames", "seconds")
    lengths = {n: 16 * t for n, t in COUNTS.items()}
    for name, frames in lengths.items():
        text = text.replace(f",{name},{frames}", f",{name},{COUNTS[name] / 10}")
    (tmp_path / "list" / "test.csv").write_text(text)
    table(tmp_path / "events.csv", "video,start,end,class", "a,0.3,0.6,fire", "b,,,")
    own["a"][:] = [0, 0, 0.9, 0.1, 0.1, 0.1]
    own["b"][:] = own["c"][:] = 0
    save_npz(own)
    found = evaluated("s.npz")["deployment"]
    assert found["found_at_1"] == 0
    assert found["median_delay_at_1"] is None


def test_scores_are_not_overwritten(own, capsys):
    Path("out").mkdir()
    save_npz(own)
    scores = Path("s.npz").rename("out/predictions.npz")
    before = scores.read_bytes()
    with pytest.raises(SystemExit, match=r"^2$"):
        evaluated(scores)
    assert "--scores and --out are one file, out/predictions.npz" in capsys.readouterr().err
    assert scores.read_bytes() == before


def test_one_video_has_no_intervals(own, tmp_path):
    (tmp_path / "events.csv").unlink()
    lines = (tmp_path / "list" / "test.csv").read_text().splitlines()
    table(tmp_path / "list" / "test.csv", *lines[:2])
    save_npz(own)
    assert evaluated("s.npz")["intervals"] is None


def test_arrays_that_nobody_asked_about_do_no_harm(own):
    save_npz(own, dataset="ucf", extra=np.array([{}], dtype=object))
    assert evaluated("s.npz")["auc1"] is not None


@pytest.mark.parametrize("row, lengths, counts", [
    ("4 frames", (97, 101, 59), (25, 26, 15)), ("3 frames", (97, 101, 59), (97, 101, 59)),
    ("16 frames", (3, 80, 90), (1, 5, 6)), ("0.1 seconds", (0.3, 0.7, 0.6), (4, 8, 7)),
])  # fmt: skip
def test_rows_of_other_lengths(own, tmp_path, rng, row, lengths, counts):
    """An unfinished last row ends with its video; one row more is taken."""
    unit = row.split()[1]
    describe(tmp_path, lists="list", fps=10, row=row, event_unit=unit)
    lines = [f"x/{n}.npy,{label},{n},{length}" for n, label, length in
             zip("abc", ("fire", "hit-and-run", "normal"), lengths, strict=True)]  # fmt: skip
    table(tmp_path / "list" / "test.csv", f"path,label,video,{unit}", *lines)
    end = lengths[1] / 2
    table(tmp_path / "events.csv", "video,start,end,class", f"b,{end / 2},{end},hit-and-run")
    save_npz({n: rng.random(count) for n, count in zip("abc", counts, strict=True)})
    assert evaluated("s.npz")["auc1"] is not None
    ends = [float(e[-1]) for e in load_scored("out/predictions.npz").edges]
    assert all(abs(e - length) < 0.1001 for e, length in zip(ends, lengths, strict=True))
