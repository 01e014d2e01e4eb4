"""What can be asked for."""

from pathlib import Path

import pytest

from utils.system.errors import UserError
from utils.videos.frames import CORNERS
from utils.videos.inputs import CROPS, find_videos, is_features, is_live, shown


def test_there_are_as_many_crops_as_places_and_their_mirror_images():
    assert 2 * len(CORNERS) == CROPS


def test_videos_are_found(tmp_path):
    for name in ("a/x.mp4", "a/y.MKV", "b/x.avi"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a" / "notes.txt").touch()
    places = find_videos([tmp_path])
    assert [str(p) for p in places.values()] == ["a/x", "a/y", "b/x"]
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "c").symlink_to(tmp_path / "a")
    assert [str(p) for p in find_videos([linked]).values()] == ["c/x", "c/y"]
    listed = tmp_path / "list.txt"
    listed.write_text(f"{tmp_path / 'b/x.avi'}\n\n")
    assert list(find_videos([listed]).values()) == [Path("x")]
    with pytest.raises(UserError, match=r"would both be written to x\.\*"):
        find_videos([tmp_path / "a" / "x.mp4", tmp_path / "b" / "x.avi"])
    with pytest.raises(UserError, match="not found"):
        find_videos([tmp_path / "c.mp4"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no videos"):
        find_videos([tmp_path / "empty"])
    listed.write_text("nowhere.mp4")
    with pytest.raises(UserError, match=r"list\.txt: video nowhere\.mp4 not found"):
        find_videos([listed])


def test_lists_and_features_are_known_in_other_spellings(tmp_path):
    (tmp_path / "x.mp4").touch()
    listed = tmp_path / "LIST.TXT"
    listed.write_text(f"{tmp_path / 'x.mp4'}\n", encoding="utf-8-sig")  # as Notepad does
    assert list(find_videos([listed])) == [tmp_path / "x.mp4"]
    assert is_features(tmp_path / "X.NPY")


def test_which_inputs_are_live(tmp_path, monkeypatch):
    assert all(map(is_live, ("-", "0", "rtsp://host/path", "http://host")))
    assert not any(map(is_live, ("0.mp4", "./0", "a-b.mp4", "videos")))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "2024").mkdir()
    assert not is_live("2024")
    assert shown("rtsp://me:p%40ss@host:554/a?b=c") == "rtsp://host:554/a?b=c"
    assert shown("-") == "standard input"
    assert shown("1") == "camera 1"
