from pathlib import Path

import pytest

from helpers.own import described, features, table
from utils.datasets.features import video_and_crop
from utils.datasets.lists import list_lines, read_list
from utils.datasets.video_table import known_lengths, known_videos, read_video_table
from utils.system.errors import UserError


def test_a_table(tmp_path):
    path = table(
        tmp_path / "videos.csv", "note,label, video ,frames,split", "x,Fire, a b ,100,train", "",
        "y,normal,c,,test",
    )  # fmt: skip
    first, second = read_video_table(path, described(tmp_path))
    assert first == ("a b", "Fire", "train", "100", "", f"{path}, line 2")
    assert second == ("c", "normal", "test", "", "", f"{path}, line 4")


def test_known_lengths(tmp_path):
    facts = described(tmp_path, fps=10)
    assert known_lengths(facts) == {}
    table(tmp_path / "videos.csv", "video,label,frames,seconds", "a,fire,100,", "b,fire,,2.04",
          "c,fire,,")  # fmt: skip
    assert known_lengths(facts) == {"a": 100, "b": 20}


def test_known_videos(tmp_path):
    facts = described(tmp_path)
    assert known_videos(facts) == set()
    table(tmp_path / "videos.csv", "video,label", "a,fire")
    (tmp_path / "list").mkdir()
    table(
        tmp_path / "list" / "train.csv", "path,label,video", "b__0.npy,fire,b__0", "c__1.npy,fire,"
    )
    assert known_videos(facts) == {"a", "b__0", "c"}
    table(tmp_path / "list" / "test.csv", "path,label", "d__0.npy,fire")
    table(tmp_path / "other.csv", "path,label", "e__0.npy,fire")
    assert known_videos(facts, str(tmp_path / "other.csv")) == {"a", "b__0", "c", "d", "e"}


@pytest.mark.parametrize(
    "lines, message",
    [
        ([], "is empty: expected the line video,label first"),
        (["video,label"], "names no video"),
        (
            ["video,class", "a,fire"],
            "has the columns video, class; expected video, label and, .*la",
        ),
        (["video,label,label", "a,fire,fire"], "label appears twice"),
        (["video,label,frames,frames", "a,fire,1,2"], "frames appears twice"),
        (["video,label", "a,fire,train"], "Expected 2 fields in line 2, saw 3"),
        (["video,label", "a,fier"], r"line 2: unknown own label 'fier' \(did you mean fire"),
        (["video,label", "a"], "line 2: unknown own label ''"),
        (["video,label", "", "a,fire", ",fire"], "line 4: the video is empty"),
        (["video,label", "a,fire", "b,fire", "a ,normal"], "line 4: video a is in line 2 already"),
        (["video,label,split", "a,fire,Test"], "line 2: split is 'Test': expected train or test"),
        (["video,label,split", "a,fire,test", "b,fire,"], "line 3: split is empty, but other"),
        (["video,label,frames", "a,fire,many"], "line 2: frames is 'many': expected a positive"),
        (["video,label,seconds", "a,fire,9"], "line 2: its times are in seconds and a row is 16"),
    ],
)
def test_bad_tables(tmp_path, lines, message):
    path = table(tmp_path / "videos.csv", *lines)
    with pytest.raises(UserError, match=message) as error:
        read_video_table(path, described(tmp_path))
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_tables_that_are_no_text(tmp_path):
    path = tmp_path / "videos.csv"
    with pytest.raises(UserError, match=r"table of videos .*videos\.csv not found"):
        read_video_table(path, described(tmp_path))
    path.write_bytes(b"video,label\n\xff,fire\n")
    with pytest.raises(UserError, match=r"videos\.csv is not UTF-8 text"):
        read_video_table(path, described(tmp_path))


@pytest.mark.parametrize(
    "file, expected",
    [
        ("a__3.npy", ("a", 3)),
        ("a.npy", ("a", 0)),
        ("cam__2__10.npy", ("cam__2", 10)),
        ("cam__front.npy", ("cam__front", 0)),
        ("cam__front__1.npy", ("cam__front", 1)),
        ("__1.npy", ("__1", 0)),
        ("a_1.npy", ("a_1", 0)),
        ("a__.npy", ("a__", 0)),
        ("b__#1_label_B1-B2-0__0.npy", ("b__#1_label_B1-B2-0", 0)),
    ],
)
def test_names_of_videos(file, expected):
    assert video_and_crop(Path(file).stem) == expected


def test_lists_may_name_videos_and_say_how_long_they_are(tmp_path):
    features(tmp_path, {"x__1": 2, "y__0": 3})
    path = table(
        tmp_path / "l.csv", "frames,video,path,label,seconds",
        f"30,the x,{tmp_path}/x__1.npy,fire,", f",,{tmp_path}/y__0.npy,normal,4.04",
    )  # fmt: skip
    first, second = read_list(str(path), described(tmp_path, fps=10))
    assert (first.video, first.length, first.width) == ("the x", 30, 4)
    assert (second.video, second.length, second.normal) == ("y", 40, True)
    assert list_lines(path)[0] == (2, (f"{tmp_path}/x__1.npy", "fire", "the x", "30", ""))
    assert first.features().shape == (2, 4)


@pytest.mark.parametrize(
    "header, more, message",
    [
        ("frames", "x", "line 2: frames is 'x'"),
        ("seconds", "9", "line 2: its times are in seconds"),
        ("label", "fire", "label twice"),
    ],
)
def test_bad_columns_of_lists(tmp_path, header, more, message):
    features(tmp_path, {"x": 2})
    path = table(tmp_path / "l.csv", f"path,label,{header}", f"{tmp_path}/x.npy,fire,{more}")
    with pytest.raises(UserError, match=message):
        read_list(str(path), described(tmp_path))


def test_features_of_another_width(tmp_path):
    features(tmp_path, {"x": 2}, width=5)
    path = table(tmp_path / "l.csv", "path,label", f"{tmp_path}/x.npy,fire")
    (row,) = read_list(str(path), described(tmp_path))
    with pytest.raises(UserError, match=r"line 2: .*shape \(2, 5\); expected \(T, 4\); the width"):
        row.features()
