"""What predict.py is asked about."""

import os
import sys
from pathlib import Path

import pytest

from utils.events.sources import find_sources, require_apart
from utils.system.errors import UserError


def test_sources_have_names_videos_first(tmp_path):
    for name in ("walk.npy", "in/a/x.mp4", "in/y.avi"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    walk = tmp_path / "walk.npy"
    sources = find_sources([walk, tmp_path / "in", walk])
    assert list(sources.items()) == [
        ("a/x", tmp_path / "in/a/x.mp4"), ("y", tmp_path / "in/y.avi"), ("walk", walk),
    ]  # fmt: skip
    with pytest.raises(UserError, match=r"gone\.npy not found"):
        find_sources([tmp_path / "gone.npy"])


def test_a_folder_of_features_alone_is_taken(tmp_path):
    for name in ("f/a.npy", "f/sub/b__0.npy", "v/c.mp4", "v/c__0.npy"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    names = find_sources([tmp_path / "f", tmp_path / "v"])
    assert list(names) == ["c", "a", "sub/b__0"]  # beside videos, features are not asked about


@pytest.mark.skipif(sys.platform == "darwin", reason="there are no such names")
def test_names_that_no_page_can_hold(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\xff.npy"))
    path.touch()
    with pytest.raises(UserError, match=r"^the name 'a\\udcff' is not UTF-8: rename the file$"):
        find_sources([path])
    os.rename(path, tmp_path / "ä.npy")
    assert list(find_sources([tmp_path / "ä.npy"])) == ["ä"]


def test_the_truth_is_not_written_over(tmp_path):
    sources = {"v": tmp_path / "v.npy"}
    require_apart(tmp_path, sources, tmp_path / "truth.csv")
    with pytest.raises(UserError, match="would be written over"):
        require_apart(tmp_path, sources, tmp_path / "a" / ".." / "v.csv")
