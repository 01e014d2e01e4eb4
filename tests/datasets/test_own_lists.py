"""make_lists --dataset."""

import os
from collections import Counter

import pandas as pd
import pytest

from helpers.own import describe, features, table
from helpers.scripts import one_error
from utils.datasets.split import drawn
from utils.make_lists import main

VIDEOS = {"a": 4, "b": 3, "c": 5, "n": 4, "m": 2, "k": 3}
TABLE = ("a,fire", "b,fire", "c,hit-and-run", "n,normal", "m,normal", "k,normal")
SPLITS = ("train", "test", "train", "train", "train", "test")


@pytest.fixture
def own(tmp_path):
    """Its folder: a table of videos with a split, and their features."""
    lines = [f"{line},{split}" for line, split in zip(TABLE, SPLITS, strict=True)]
    table(tmp_path / "videos.csv", "video,label,split", *lines)
    features(tmp_path / "features", VIDEOS)
    describe(tmp_path)
    return tmp_path


def make(folder, *options):
    main(["--dataset", str(folder / "own.yml"), *options])


def listed(folder, name="train"):
    return pd.read_csv(folder / "list" / f"{name}.csv", dtype=str).fillna("")


def error_of(folder, capsys, *options):
    """Of a command that writes nothing."""
    before = sorted(folder.rglob("*"))
    error = one_error(main, capsys, ["--dataset", str(folder / "own.yml"), *options])
    assert sorted(folder.rglob("*")) == before
    return error


def test_a_table_with_a_split(own, capsys):
    make(own)
    train, test = listed(own), listed(own, "test")
    assert list(train) == list(test) == ["path", "label", "video"]
    assert list(train.video) == ["a", "c", "n", "m"]
    assert list(train.label) == ["fire", "hit-and-run", "normal", "normal"]
    assert list(train.path) == [f"{own}/features/{name}.npy" for name in "acnm"]
    assert list(test.video) == ["b", "k"]
    assert not (own / "list" / "split.csv").exists()
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].endswith("train.csv: 4 videos in 4 rows, 2 normal, 1 fire, 1 hit-and-run")
    assert printed[1].endswith("test.csv: 2 videos in 2 rows, 1 normal, 1 fire")


def test_crops_and_lengths(own):
    lines = ["a,fire,train,60,", "b,fire,test,,4.8", "n,normal,train,64,", "k,normal,test,,"]
    table(own / "videos.csv", "video,label,split,frames,seconds", *lines)
    features(
        own / "features" / "more", {f"{v}__{i}": VIDEOS[v] for v in "abnk" for i in (1, 10, 2)}
    )
    describe(own, fps=10, test_crop=2)
    make(own)
    train, test = listed(own), listed(own, "test")
    files = [path.rsplit("/", 1)[1] for path in train.path]
    assert files == ["a.npy", "a__1.npy", "a__2.npy", "a__10.npy",
                     "n.npy", "n__1.npy", "n__2.npy", "n__10.npy"]  # fmt: skip
    assert list(train) == ["path", "label", "video", "frames"]  # none has seconds
    assert list(train.frames) == ["60"] * 4 + ["64"] * 4
    assert [path.rsplit("/", 1)[1] for path in test.path] == ["b__2.npy", "k__2.npy"]
    assert list(test.seconds) == ["4.8", ""]


def test_the_only_crop_is_tested_on_whichever_it_is(own):
    for name in "bk":
        (own / "features" / f"{name}.npy").rename(own / "features" / f"{name}__7.npy")
    make(own)
    assert list(listed(own, "test").video) == ["b", "k"]


def test_names_with_underscores(own):
    """A name of the table may end as crops do."""
    names = ["cam__1", "cam__2", "cam__front", "cam"]
    labels = ["fire", "normal", "fire", "normal"]
    lines = [f"{n},{c},train" for n, c in zip(names, labels, strict=True)]
    table(own / "videos.csv", "video,label,split", *lines)
    features(own / "features", {"cam__1": 2, "cam__2__0": 2, "cam__front": 2, "cam__front__1": 2,
                                "cam": 2, "cam__3": 2})  # fmt: skip
    make(own, "--test-share=0")
    train = listed(own)
    files = {v: [p.rsplit("/", 1)[1][:-4] for p in rows.path] for v, rows in train.groupby("video")}
    assert files == {
        "cam__1": ["cam__1"], "cam__2": ["cam__2__0"],
        "cam__front": ["cam__front", "cam__front__1"], "cam": ["cam", "cam__3"],
    }  # fmt: skip


def test_class_folders_instead_of_a_table(own, capsys):
    (own / "videos.csv").unlink()
    (own / "features").rename(own / "aside")
    labels = ("Fire", "hit-and-run", "NORMAL")
    features(own / "features", {f"x/{c}/{c[0]}{i}__{k}": 2 for c in labels for i in range(4)
                                for k in (0, 1)})  # fmt: skip
    make(own)
    train, test = listed(own), listed(own, "test")
    assert set(train.label) | set(test.label) == set(labels)
    assert len(train) == 2 * (12 - len(test))
    assert set(train.video) | set(test.video) == {f"{c[0]}{i}" for c in labels for i in range(4)}
    assert not set(train.video) & set(test.video)
    split = listed(own, "split")
    assert {v for v, s in zip(split.video, split.split, strict=True) if s == "test"} == {
        *test.video
    }
    assert "split.csv: the split that was drawn with --seed 0" in capsys.readouterr().out


def test_a_drawn_split_is_repeated_and_can_be_given(own):
    labels = {f"v{i}": ("normal", "fire", "hit-and-run")[i % 3] for i in range(30)}
    lines = [f"{v},{c},{30 + i}" for i, (v, c) in enumerate(labels.items())]
    table(own / "videos.csv", "video,label,frames", *lines)
    features(own / "features", {v: -(-(30 + i) // 16) for i, v in enumerate(labels)})
    chosen = []
    for seed in ("0", "0", "1"):
        make(own, "--seed", seed)
        chosen.append(list(listed(own, "test").video))
    assert chosen[0] == chosen[1] != chosen[2]
    assert Counter(labels[v] for v in chosen[0]) == {"normal": 3, "fire": 3, "hit-and-run": 3}
    before = (own / "list" / "train.csv").read_bytes(), (own / "list" / "test.csv").read_bytes()
    split = listed(own, "split")
    assert list(split) == ["video", "label", "split", "frames"]
    assert list(split.frames) == [str(30 + i) for i in range(30)]
    (own / "list" / "split.csv").rename(own / "videos.csv")
    make(own, "--seed", "5")  # which is then of no matter
    assert before == ((own / "list" / "train.csv").read_bytes(),
                      (own / "list" / "test.csv").read_bytes())  # fmt: skip
    assert not (own / "list" / "split.csv").exists()


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_every_class_has_its_share_of_a_draw(share):
    kinds = [(0,)] * 40 + [(1,)] * 30 + [(2,)] * 20 + [(1, 2)] * 10
    held = drawn(kinds, [0 in kind for kind in kinds], share, seed=3)
    counts = Counter(kinds[i] for i in held)
    for kind, whole in Counter(kinds).items():
        assert abs(counts[kind] - share * whole) <= 1, kind
    assert len(held) == round(share * 40) + round(share * 60)


def test_a_draw_leaves_the_only_one_of_a_kind():
    assert drawn([(0,), (1,), (1,)], [True, False, False], 0.9, 0) < {1, 2}
    assert len(drawn([(0,), (1,), (1,)], [True, False, False], 0.01, 0)) == 1
    assert drawn([(1,), (1,)], [False, False], 0.5, 1) in ({0}, {1})


def test_one_normal_video_stays_to_be_trained_on(own, capsys):
    table(own / "videos.csv", "video,label", *(line for line in TABLE if line[0] not in "mk"))
    make(own)
    assert "n" in set(listed(own).video)
    assert "all test videos are anomalous" in capsys.readouterr().err


def test_no_videos_to_test_on(own, capsys):
    table(own / "videos.csv", "video,label", *TABLE)
    make(own, "--test-share=0")
    assert len(listed(own)) == 6
    assert not (own / "list" / "test.csv").exists()
    assert capsys.readouterr().err == ""
    make(own)
    make(own, "--test-share=0")
    assert "test.csv is older than the other list" in capsys.readouterr().err


def test_features_of_no_video_are_said(own, capsys):
    features(own / "features", {"others/z__1": 2})
    make(own)
    note = "1 feature file of no video in"
    assert note in (said := capsys.readouterr().err) and said.rstrip().endswith("others/z__1.npy")


def test_names_that_look_like_crops_are_said(own, capsys):
    lines = [f"{line},train" for line in (*TABLE, "z__100,fire")]
    table(own / "videos.csv", "video,label,split", *lines)
    features(own / "features", {"z__100": 2, "a__10": 4})
    make(own, "--test-share=0")
    path = own / "features" / "z__100.npy"
    assert capsys.readouterr().err == (
        f"note: 1 feature file with more than two digits behind '__', first {path}: taken for "
        "videos, not for crops\n"
    )
    assert Counter(listed(own).video) == Counter("aabcnmk") + Counter(["z__100"])


def test_other_folders(own):
    (own / "features").rename(own / "elsewhere")
    make(own, "--features", str(own / "elsewhere"), "--out", str(own / "there"))
    assert (own / "there" / "train.csv").is_file() and not (own / "list").exists()


def test_events_are_checked_before_anything_is_written(own, capsys):
    events = own / "events.csv"
    table(events, "video,start,end,class", "b,8,24,fire", "a,1,2,fire")
    make(own)
    assert "events.csv: 1 event in test videos, 16.7 % of their time" in capsys.readouterr().out
    table(events, "video,start,end,class", "b,8,240,fire")
    for path in (own / "list").iterdir():
        path.unlink()
    error = error_of(own, capsys)
    assert "events.csv, line 2: the event is from 8 to 240, but b has 48 frames" in error


def test_events_of_training_videos_without_a_table(own, capsys):
    """Their names are known although no training list was ever written."""
    (own / "videos.csv").unlink()
    (own / "features").rename(own / "aside")
    names = [f"{c}/{c}{i}" for c in ("fire", "normal") for i in range(4)]
    features(own / "features", dict.fromkeys(names, 2))
    table(own / "events.csv", "video,start,end,class", *(f"fire{i},1,2,fire" for i in range(4)))
    make(own)
    assert set(listed(own).label) == {"fire", "normal"}
    for path in (own / "list").iterdir():
        path.unlink()
    table(own / "events.csv", "video,start,end,class", "fire9,1,2,fire")
    assert "line 2: fire9 is in no list of own" in error_of(own, capsys)


def spoil(own, what):
    videos = own / "videos.csv"
    if what == "no features":
        (own / "features").rename(own / "aside")
    elif what == "missing":
        (own / "features" / "c.npy").unlink()
    elif what == "two files":
        features(own / "features" / "more", {"a": 4})
    elif what == "two names":
        features(own / "features", {"a__0": 4})
    elif what == "widths":
        features(own / "features", {"m": 2}, width=5)
    elif what == "damaged":
        (own / "features" / "m.npy").write_bytes(b"")
    elif what == "no table":
        videos.unlink()
    elif what == "folders":
        videos.unlink()
        (own / "features").rename(own / "aside")
        features(own / "features", {"fire/a": 2, "normal/a": 2})
    elif what == "length":
        table(videos, "video,label,split,frames", "n,normal,train,64", "a,fire,train,640")
    elif what == "no training":
        videos.write_text(videos.read_text().replace("train", "test"))
    elif what == "no testing":
        videos.write_text(videos.read_text().replace("test", "train"))
    elif what == "no normal":
        table(videos, "video,label,split", *(f"{line},train" for line in TABLE[:3]))
    elif what == "alone":
        table(videos, "video,label", "a,fire", "n,normal")
    elif what == "crop":
        (own / "features" / "b.npy").rename(own / "features" / "b__1.npy")
        features(own / "features", {"b__3": 3})


@pytest.mark.parametrize(
    "what, message",
    [
        ("no features", "features holds no features: expected files <video>.npy in it"),
        ("missing", "videos.csv, line 4: c has no features in {own}/features (1 of 6 videos)"),
        ("two files", "more/a.npy and {own}/features/a.npy are features of one video and crop"),
        ("two names", "a__0.npy and {own}/features/a.npy are features of one video and crop"),
        ("widths", "features/m.npy has shape (2, 5); expected (T, 4)"),
        ("damaged", "features/m.npy is damaged"),
        (
            "no table",
            "there is no table {own}/videos.csv, so its folder should say its class: unkn",
        ),
        ("folders", "normal/a.npy: video a is in the folder fire, too"),
        (
            "length",
            "videos.csv, line 3: video a: it has 4 rows of 16 frames, which stand for 64 fr",
        ),
        ("no training", "the split leaves no normal videos to train on, and both kinds are needed"),
        ("no testing", "the split leaves no videos to test on: see {own}/videos.csv, or give"),
        ("no normal", "the split leaves no normal videos to train on"),
        ("alone", "the split leaves no videos to test on"),
        ("crop", "videos.csv, line 3: test video b has the crops [1, 3], and not 0: name another"),
    ],
)
def test_bad_input_writes_nothing(own, what, message, capsys):
    spoil(own, what)
    assert message.format(own=own) in error_of(own, capsys)


@pytest.mark.parametrize("name", [b"a\nb.npy", b"\xff.npy"])
def test_names_that_no_list_can_hold(own, name, capsys):
    with open(os.fsencode(own / "features") + b"/" + name, "wb"):
        pass
    error = error_of(own, capsys)
    assert "is not UTF-8 text of one line, which lists are made of: rename it" in error


@pytest.mark.parametrize(
    "tokens, message",
    [
        ([], "name one data set: ucf, xd, or --dataset FILE.yml"),
        (["ucf", "--dataset=own.yml"], "name one data set"),
        (["--dataset=none.yml"], "data set none.yml cannot be read: No such file"),
        (["--dataset=own.yml", "--annotations=a.txt"], "the file of --dataset says where"),
        (["--dataset=own.yml", "--test-crop=3"], "are for ucf and xd"),
        (["--dataset=own.yml", "--test-share=1"], "--test-share"),
        (["--dataset=own.yml", "--out=videos.csv/x"], "cannot be written"),
    ],
)
def test_bad_commands(own, tokens, message, capsys, monkeypatch):
    monkeypatch.chdir(own)
    assert message in one_error(main, capsys, tokens)
    assert not (own / "list").exists()


def test_shares_need_lengths_where_there_are_events(own, capsys):
    describe(own, row="share")
    make(own)
    table(own / "events.csv", "video,start,end,class", "b,8,24,fire")
    (own / "list" / "train.csv").unlink()
    (own / "list" / "test.csv").unlink()
    error = error_of(own, capsys)
    assert "video b: its rows are equal shares of it, and its length is not known" in error
    lengths = [f"{line},{s},50" for line, s in zip(TABLE, SPLITS, strict=True)]
    table(own / "videos.csv", "video,label,split,frames", *lengths)
    make(own)
    assert list(listed(own, "test").frames) == ["50", "50"]
