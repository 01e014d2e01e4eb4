from dataclasses import fields
from pathlib import Path

import pytest

from helpers.own import CLASSES, describe, described
from helpers.scripts import one_error
from utils import PROJECT, make_lists
from utils.labels import UCF_CRIME, XD_VIOLENCE, Dataset, read_dataset
from utils.row_time import RowTime
from utils.system.errors import UserError

UCF = {
    "name": "ucf", "title": "UCF-Crime",
    "classes": (
        "Normal", "Abuse", "Arrest", "Arson", "Assault", "Burglary", "Explosion", "Fighting",
        "RoadAccidents", "Robbery", "Shooting", "Shoplifting", "Stealing", "Vandalism",
    ),
    "names": (
        "normal", "abuse", "arrest", "arson", "assault", "burglary", "explosion", "fighting",
        "road accident", "robbery", "shooting", "shoplifting", "stealing", "vandalism",
    ),
    "texts": (
        ("normal",), ("abuse",), ("arrest",), ("arson",), ("assault",), ("burglary",),
        ("explosion",), ("fighting",), ("roadaccidents",), ("robbery",), ("shooting",),
        ("shoplifting",), ("stealing",), ("vandalism",),
    ),
    "fps": 30,
    "train_list": "ucf_CLIP_rgb.csv", "test_list": "ucf_CLIP_rgbtest.csv", "test_crop": 5,
    "gt": "gt_ucf.npy", "gt_segment": "gt_segment_ucf", "gt_label": "gt_label_ucf",
}  # fmt: skip
XD = {
    "name": "xd", "title": "XD-Violence",
    "classes": ("A", "B1", "B2", "B4", "B5", "B6", "G"),
    "names": ("normal", "fighting", "shooting", "riot", "abuse", "car accident", "explosion"),
    "texts": (
        ("normal",), ("fighting",), ("shooting",), ("riot",), ("abuse",), ("car accident",),
        ("explosion",),
    ),
    "fps": 24, "train_list": "xd_CLIP_rgb.csv", "test_list": "xd_CLIP_rgbtest.csv", "test_crop": 0,
    "gt": "gt.npy", "gt_segment": "gt_segment", "gt_label": "gt_label",
}  # fmt: skip
BOTH = {"row": RowTime("frames", 16), "ground_truth_normal": "A", "events": None}


@pytest.mark.parametrize("facts, expected", [(UCF_CRIME, UCF), (XD_VIOLENCE, XD)])
def test_the_published_data_sets_are_what_they_always_were(facts, expected):
    for name, value in {**BOTH, **expected}.items():
        assert getattr(facts, name) == value, name
    assert facts.lists.resolve() == PROJECT / "list"
    assert facts.has_events and not facts.is_own


def test_the_least_that_a_file_says(tmp_path):
    path = tmp_path / "yard.yml"
    path.write_text("classes: {fire: flames, Normal: a quiet day}\n")
    facts = read_dataset(path)
    assert (facts.name, facts.title) == ("yard", "yard")
    assert facts.classes == ("Normal", "fire")  # the normal one first
    assert facts.names == ("Normal", "fire")
    assert facts.texts == (("a quiet day",), ("flames",))
    assert facts.row == RowTime("frames", 16)
    assert (facts.width, facts.fps, facts.event_unit, facts.test_crop) == (None, None, "frames", 0)
    assert facts.features == tmp_path / "features"
    assert facts.videos == tmp_path / "videos.csv"
    assert facts.lists == tmp_path / "list"
    assert (facts.train_list, facts.test_list) == ("train.csv", "test.csv")
    assert facts.is_own and not facts.has_events
    (tmp_path / "events.csv").touch()
    assert read_dataset(path).events == tmp_path / "events.csv"


def test_all_that_a_file_can_say(tmp_path):
    path = tmp_path / "x.yml"
    path.write_text("""
name: yard
title: Our yard
normal: quiet
classes:
  fire: {name: a fire, texts: [flames, smoke]}
  fall: >
    a person
    falls
  quiet: {name: nothing}
  "on": {}
row: 0.5 seconds
event-unit: seconds
width: 768
fps: 29.97
features: f
videos: v.csv
events: e.csv
lists: /l
train-list: a.csv
test-list: b.csv
test-crop: 3
""")
    facts = read_dataset(path)
    assert (facts.name, facts.title) == ("yard", "Our yard")
    assert facts.classes == ("quiet", "fire", "fall", "on")
    assert facts.names == ("nothing", "a fire", "fall", "on")
    assert facts.texts == (("nothing",), ("flames", "smoke"), ("a person falls",), ("on",))
    assert facts.row == RowTime("seconds", 0.5)
    assert (facts.event_unit, facts.width, facts.fps, facts.test_crop) == ("seconds", 768, 29.97, 3)
    places = (facts.features, facts.videos, facts.events, facts.lists)
    assert places == (tmp_path / "f", tmp_path / "v.csv", tmp_path / "e.csv", Path("/l"))
    assert (facts.train_list, facts.test_list) == ("a.csv", "b.csv")


@pytest.mark.parametrize("row", ["16 frames", "1 frame", "54321 frames", "0.5333333333 seconds",
                                 "0.00001 seconds", "1 second", "share"])  # fmt: skip
def test_what_weights_carry_is_the_same_data_set(tmp_path, row):
    facts = described(
        tmp_path, name="n", title="t", normal="fire", row=row, fps=29.97, event_unit="seconds"
    )
    again = Dataset.of(facts.described())
    of_places = {"file", "lists", "features", "videos", "events"}
    for name in {field.name for field in fields(Dataset)} - of_places:
        assert getattr(again, name) == getattr(facts, name), name
    assert again.described() == facts.described()
    assert again.features is None and not again.has_events


def test_of_the_published_ones_too():
    for facts in (UCF_CRIME, XD_VIOLENCE):
        again = Dataset.of(facts.described())
        for name in ("name", "title", "classes", "names", "texts", "row", "is_own"):
            assert getattr(again, name) == getattr(facts, name), name


LABELS = {
    "fire": {1}, "FIRE": {1}, "hit-and-run": {2}, "Hit - and-run": {2}, "fire-hit-and-run": {1, 2},
    "hit-and-run-0-fire": {1, 2}, "fire-0-0": {1}, "normal": {0}, "a b - c": {3},
    "a b-c-fire": {1, 3},
}  # fmt: skip


@pytest.mark.parametrize("label", LABELS)
def test_codes_may_hold_hyphens(tmp_path, label):
    facts = described(tmp_path, classes={**CLASSES, "a b - c": "x"})
    assert facts.indices(label) == LABELS[label]
    assert facts.encode(label).tolist() == [float(c in LABELS[label]) for c in range(4)]


def test_the_longest_code_counts(tmp_path):
    classes = {"normal": "n", "hit": "a", "run": "b", "hit-run": "c"}
    facts = described(tmp_path, classes=classes)
    assert facts.indices("hit-run") == {3}
    assert facts.indices("run-hit") == {1, 2}


def test_a_class_may_be_called_0(tmp_path):
    facts = described(tmp_path, classes={"0": "quiet", "1": "fight"}, normal="0")
    assert facts.indices("0") == {0}
    assert facts.indices("1") == {1}


@pytest.mark.parametrize(
    "label, message",
    [
        (
            "fier",
            r"unknown own label 'fier' \(did you mean fire\?\): allowed are normal, fire",
        ),
        ("hit-and-rum", r"did you mean hit-and-run\?"),
        ("Normall", r"did you mean normal\?"),
        ("fire-hit", "unknown own label 'fire-hit'"),
        ("and-run", "unknown own label"),
        ("", "unknown own label ''"),
        ("0-0", "unknown own label '0-0'"),
        ("party", "label 'party': allowed"),
        ("normal-fire", "both normal and anomalous"),
    ],
)
def test_bad_labels(tmp_path, label, message):
    with pytest.raises(UserError, match=message):
        described(tmp_path).indices(label)


TWO = "classes: {normal: a, fire: b}\n"
BAD = [
    ("", "expected lines 'key: value', of which classes is one"),
    ("- normal\n- fire\n", "expected lines 'key: value'"),
    ("normal", "expected lines 'key: value'"),
    ("classes: [", "cannot be read: while parsing"),
    ("classes: {normal: !!python/object:os.x {}}", "cannot be read: could not determine"),
    ("\t- a", "cannot be read"),
    ("? [a]\n: b\n", "cannot be read"),
    ("title: x\n", "classes is missing or empty"),
    ("classes:\n", "classes is missing or empty"),
    ("classes: []\n", "classes is missing or empty"),
    ("clases: {normal: a, fire: b}\n", "unknown key 'clases': did you mean classes?"),
    (TWO + "train_list: x\n", "unknown key 'train_list': did you mean train-list?"),
    (TWO + "Row: 16 frames\n", "unknown key 'Row': did you mean row?"),
    (TWO + "zzz: 1\n", "unknown key 'zzz': allowed are name, title, classes"),
    (TWO + "1: 1\n", "unknown key '1'"),
    (TWO + "row: 8 frames\nrow: 16 frames\n", "'row' appears twice"),
    ("classes: [normal, fire]\n", "classes: expected two or more lines 'code: text'"),
    ("classes: {normal: a}\n", "classes: expected two or more lines"),
    ("classes: {normal: a, fire: b, fire: c}\n", "'fire' appears twice"),
    (f"classes: {{normal: a, fire: {['b'] * 101}}}\n", "class 'fire': 101 texts; at most 100 are "),
    ("classes: {normal: a, fire: b, FIRE: c}\n", "class 'FIRE' appears twice"),
    ("classes: {normal: a, a-b: b, 'a - B': c}\n", "class 'a - B' appears twice"),
    ("classes: {normal: a, 1: b}\n", "a class is 1, not text: put it in quotes"),
    ("classes: {normal: a, yes: b}\n", "a class is True, not text: put it in quotes"),
    ("classes: {normal: a, No: b}\n", "a class is False, not text: put it in quotes"),
    ("classes: {normal: a, null: b}\n", "a class is empty"),
    ("classes: {normal: a, 2001-01-01: b}\n", "a class is 2001-01-01, not text: put it in quotes"),
    ("classes: {normal: a, ' ': b}\n", "a class is empty"),
    ("classes: {normal: a, fire: 3}\n", "class 'fire': its text is 3, not text: put it in quotes"),
    ("classes: {normal: a, fire: true}\n", "class 'fire': its text is True"),
    ("classes: {normal: a, fire: }\n", "class 'fire': its text is empty"),
    ("classes: {normal: a, fire: []}\n", "class 'fire': its text is [], not text"),
    ("classes: {normal: a, fire: [b, '']}\n", "class 'fire': its text is empty"),
    ("classes: {normal: a, fire: {name: 1}}\n", "class 'fire', name, is 1, not text"),
    ("classes: {normal: a, fire: {text: b}}\n", "class 'fire' has the key 'text': allowed are"),
    ("classes: {normal: a, Score: b}\n", "class 'Score' is the name of a column"),
    ("classes: {normal: a, start: b}\n", "class 'start' is the name of a column"),
    ('classes: {normal: a, "b\\a": c}\n', r"a class holds the control character '\x07'"),
    ("classes: {normal: a, fire: |\n", "cannot be read"),
    ('classes: {normal: a, fire: "b\\nc"}\n', r"class 'fire': its text holds the control"),
    ("classes: {quiet: a, fire: b}\n", "no class is called normal: say which is, 'normal: quiet'"),
    (TWO + "normal: quiet\n", "normal is 'quiet', no class: there are normal, fire"),
    (TWO + "normal: 0\n", "normal is 0, not text: put it in quotes"),
    (TWO + "name: a/b\n", "name 'a/b' becomes part of files' names"),
    (TWO + "name: 'a\\b'\n", "becomes part of files' names"),
    (TWO + "name: ..\n", "name '..' becomes part of files' names"),
    (TWO + "name: ''\n", "name is empty"),
    (TWO + "name: ucf\n", "the name 'ucf' is taken by ucf_train.py: say another"),
    (TWO + "name: xd\n", "the name 'xd' is taken"),
    (TWO + 'title: "a\\0b"\n', r"title holds the control character '\x00'"),
    (TWO + "row: 16\n", "row is '16': expected what a row of features stands for, '16 frames'"),
    (TWO + "row: 0.5 frames\n", "row is '0.5 frames'"),
    (TWO + "row: 0 seconds\n", "row is '0 seconds'"),
    (TWO + "row: -1 seconds\n", "row is '-1 seconds'"),
    (TWO + "row: 1 minute\n", "row is '1 minute'"),
    (TWO + f"row: {'9' * 400} seconds\n", "row is '999"),
    (TWO + "event-unit: minutes\n", "event-unit is 'minutes': expected frames or seconds"),
    (TWO + "width: 0\n", "width is 0: expected a positive number"),
    (TWO + "width: 51.2\n", "width is 51.2: expected a whole number"),
    (TWO + "width: '512'\n", "width is '512': expected a whole number"),
    (TWO + "width: 99999999\n", "width is 99999999: expected a whole number below"),
    (TWO + "width: true\n", "width is True: expected a whole number"),
    (TWO + "fps: .nan\n", "fps is nan: expected a positive number"),
    (TWO + "fps: -25\n", "fps is -25: expected a positive number"),
    (TWO + "fps: 25 fps\n", "fps is '25 fps': expected a positive number"),
    ("classes: {normal: a, video: b}\n", "'video'"),
    (TWO + "test-crop: -1\n", "test-crop is -1: expected a whole number"),
    (TWO + "lists: 3\n", "lists is 3, not text"),
    (TWO + "ground-truth: gt.npy\n", "ground-truth is 'gt.npy': expected frames, segments, labels"),
    (TWO + "ground-truth: {frames: a}\n", "ground-truth needs frames, segments and labels"),
    (TWO + "ground-truth: {frames: a, segments: b, labels: 1}\n", "ground-truth, labels is 1"),
    (TWO + "ground-truth: {frames: a, segments: b, labels: c}\nrow: 1 second\n",
        "ground-truth has frames, but a row is 1 second, in seconds"),
    (TWO + "ground-truth: {frames: a, segments: b, labels: c}\nevents: e.csv\n",
        "events and ground-truth both say when something happens"),
]  # fmt: skip


@pytest.mark.parametrize("text, message", BAD, ids=[message[:50] for _, message in BAD])
def test_bad_files(tmp_path, text, message):
    path = tmp_path / "bad.yml"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        read_dataset(path)
    assert str(error.value).startswith(f"data set {path}")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_whose_name_no_result_could_have(tmp_path):
    path = tmp_path / "falls 12:30.yml"
    path.write_text(TWO)
    with pytest.raises(UserError, match=r"name 'falls 12:30' becomes part of files' names"):
        read_dataset(path)
    path.write_text(TWO + "name: falls\n")
    assert read_dataset(path).name == "falls"


def test_places_may_lie_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    own = described(tmp_path, lists="~/lists", features="~/f", videos="~/v.csv", events="~/e.csv")
    assert {own.lists.parent, own.features.parent, own.videos.parent, own.events.parent} == {
        tmp_path / "home"
    }


def test_letters_with_marks_are_the_same_in_both_spellings(tmp_path):
    own = described(tmp_path, classes={"normal": "a", "st\u00fcrzen": "b"})
    assert own.indices("stu\u0308rzen") == {1}  # as a Mac names folders


def test_files_that_are_no_text(tmp_path):
    for content in (b"\xff\xfe\x00", b"classes: \x00"):
        (tmp_path / "bad.yml").write_bytes(content)
        with pytest.raises(UserError, match=r"data set .*bad\.yml cannot be read"):
            read_dataset(tmp_path / "bad.yml")
    for path in (tmp_path, tmp_path / "none.yml"):
        with pytest.raises(UserError, match=f"data set {path} cannot be read"):
            read_dataset(path)


def test_a_copy_of_a_published_file_wants_a_name(tmp_path):
    path = tmp_path / "ucf.yml"
    path.write_text(TWO)  # its name is that of the file
    with pytest.raises(UserError, match="the name 'ucf' is taken"):
        read_dataset(path)


def test_a_command_ends_with_one_line(tmp_path, capsys):
    path = describe(tmp_path, row="16")
    error = one_error(make_lists.main, capsys, ["--dataset", str(path)])
    assert error.startswith(f"error: data set {path}: row is '16'")


@pytest.mark.parametrize(
    "row, fps, frames, seconds, expected",
    [
        ("16 frames", None, "100", "", 100),
        ("16 frames", 10, "", "10.02", 100),  # whole frames
        ("16 frames", 10, "", "0.01", 1),
        ("16 frames", None, "", "", None),
        ("0.5 seconds", None, "", "10.02", 10.02),
        ("0.5 seconds", 10, "105", "", 10.5),
        ("0.5 seconds", 10, "105", "99", 10.5),  # frames count, where both are there
        ("share", 10, "", "10.02", 100),
    ],
)
def test_lengths(tmp_path, row, fps, frames, seconds, expected):
    facts = described(tmp_path, row=row, **({"fps": fps} if fps else {}))
    length = facts.length_of(frames, seconds)
    assert length == (expected if expected is None else pytest.approx(expected, abs=1e-12))
    assert not (facts.row.unit == "frames" and isinstance(length, float))


@pytest.mark.parametrize(
    "frames, seconds, message",
    [
        ("ten", "", "frames is 'ten': expected a positive whole number"),
        ("0", "", "frames is '0'"),
        ("-3", "", "frames is '-3'"),
        ("2.5", "", "frames is '2.5'"),
        ("nan", "", "frames is 'nan'"),
        ("inf", "", "frames is 'inf'"),
        ("9" * 30, "", "frames is '999"),
        ("", "0", "seconds is '0': expected a positive number"),
        ("", "1:30", "seconds is '1:30'"),
        ("", "10", "its times are in seconds and a row is 16 frames.*'fps: 25' for example"),
    ],
)
def test_bad_lengths(tmp_path, frames, seconds, message):
    with pytest.raises(UserError, match=message):
        described(tmp_path).length_of(frames, seconds)


def test_frames_of_a_row_of_a_video_that_is_there(tmp_path):
    assert described(tmp_path, row="8 frames").frames_per_row() == 8
    assert described(tmp_path, row="0.5 seconds", fps=29.97).frames_per_row() == 15
    assert described(tmp_path, row="0.001 seconds", fps=10).frames_per_row() == 1
    for said, message in (({"row": "share"}, "a row is a share"), ({"row": "1 second"}, "'fps'")):
        with pytest.raises(UserError, match=f"features of videos cannot be made.*{message}"):
            described(tmp_path, **said).frames_per_row()
