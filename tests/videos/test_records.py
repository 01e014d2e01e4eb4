"""What features were made of is known, and nothing is added to what was made otherwise."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import extract_features
from helpers.scripts import one_error
from helpers.videos import write_video
from utils.network.backbone import CLIP_NAME
from utils.network.clip_file import official_url, weights_identity
from utils.system.errors import UserError
from utils.system.files import sha256
from utils.videos.extraction import Extraction
from utils.videos.feature_cache import features_of
from utils.videos.records import Recipe, read_record, record_file

OPTIONS = ["--clip-weights=random", "--device=cpu", "--crops=5", "--pool=middle"]


@pytest.fixture(scope="module")
def extracted(tmp_path_factory):
    """A folder with the videos `in/a/v.mp4` and `in/w.mp4`, and their features in `out`."""
    folder = tmp_path_factory.mktemp("extracted")
    for name in ("a/v", "w"):
        write_video(folder / "in" / f"{name}.mp4", 20)
    extract_features.main([str(folder / "in"), "--out", str(folder / "out"), *OPTIONS])
    return folder


@pytest.fixture
def again(extracted, tmp_path):
    """A copy, times and all, with a video more, and a function that goes on with the extraction."""
    shutil.copytree(extracted, tmp_path, dirs_exist_ok=True)
    write_video(tmp_path / "in" / "new.mp4", 20)

    def run(*more):
        inputs = [str(tmp_path / "in"), "--out", str(tmp_path / "out")]
        extract_features.main([*inputs, *OPTIONS, *more])

    return run


def contents(folder: Path) -> dict:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_record(extracted):
    video = extracted / "in" / "a" / "v.mp4"
    found = video.stat()
    assert json.loads((extracted / "out" / "a" / "v__features.json").read_text()) == {
        "video": {"path": str(video), "bytes": found.st_size, "mtime_ns": found.st_mtime_ns},
        "clip_weights": "random", "pool": "middle", "precision": "fp32", "dtype": "float16",
        "snippet_frames": 16, "crops": [5],
    }  # fmt: skip


@pytest.mark.parametrize(
    "option, said",
    [
        ("--pool=mean", "--pool middle (now mean)"),
        ("--dtype=float32", "--dtype float16 (now float32)"),
        ("--precision=bf16", "--precision fp32 (now bf16)"),
        ("--snippet-frames=8", "--snippet-frames 16 (now 8)"),
        ("--clip-weights=FILE", "--clip-weights random (now sha256 HASH…)"),
    ],
)
@pytest.mark.parametrize("crops", ["5", "0"])
def test_what_was_made_otherwise_is_not_gone_on_with(option, said, crops, again, tmp_path, capsys):
    (tmp_path / "weights").write_bytes(b"weights")
    said = said.replace("HASH", sha256(tmp_path / "weights")[:12])
    before = contents(tmp_path / "out")
    option = option.replace("FILE", str(tmp_path / "weights"))
    # The share of this process is the new video alone.
    for share in ([], ["--shard=1/3"]):
        error = one_error(again, capsys, option, f"--crops={crops}", *share)
        assert error == (
            "error: features of 2 of 3 videos were made otherwise, first "
            f"{tmp_path / 'out' / 'a' / 'v__5.npy'}: {said}: choose another --out, or delete these "
            "features"
        )
    assert contents(tmp_path / "out") == before


def test_a_video_that_changed_is_another_one(again, tmp_path, capsys):
    video = tmp_path / "in" / "w.mp4"
    os.utime(video, (0, 1000))
    error = one_error(again, capsys)
    assert "features of 1 of 3 videos" in error
    assert f"{tmp_path / 'out' / 'w__5.npy'}: a video of {video.stat().st_size:,} bytes" in error
    assert not (tmp_path / "out" / "new__5.npy").exists()
    write_video(video, 50)
    assert f"(now {video.stat().st_size:,} bytes from 20" in one_error(again, capsys)
    (tmp_path / "out" / "w__5.npy").unlink()  # as the message says
    again()
    assert len(np.load(tmp_path / "out" / "w__5.npy")) == 3
    assert "2 videos extracted, 1 before" in capsys.readouterr().out


def test_a_video_that_was_moved_is_the_same(again, tmp_path, capsys):
    (tmp_path / "in" / "new.mp4").unlink()
    (tmp_path / "in").rename(tmp_path / "elsewhere")
    (tmp_path / "in").symlink_to(tmp_path / "elsewhere")
    again()
    assert "0 videos extracted, 2 before" in capsys.readouterr().out


def test_files_without_a_record_are_taken_as_they_are(again, tmp_path, capsys):
    out = tmp_path / "out"
    record_file(out / "w").unlink()
    np.save(out / "new__5.npy", np.ones((1, 512)))
    before = contents(out)
    again()
    printed = capsys.readouterr().out.splitlines()
    note = f"note: 2 feature files in {out} have no record of how they were made"
    assert printed == [
        f"{note}; they are taken as they are",
        "0 videos extracted, 3 before, 0 failed",
    ]
    assert contents(out) == before
    again("--crops=0,5")
    assert np.array_equal(np.load(out / "new__5.npy"), np.ones((1, 512)))
    assert read_record(out / "new")["crops"] == [0]  # the record speaks for no other
    assert read_record(out / "a" / "v")["crops"] == [0, 5]
    assert note in capsys.readouterr().out


def test_a_record_that_cannot_be_read(again, tmp_path, capsys):
    path = record_file(tmp_path / "out" / "w")
    for text in ("", "[]", "3", '{"video": 3}', path.read_text().replace("pool", "pail")):
        path.write_text(text)
        error = one_error(again, capsys)
        assert error.startswith(f"error: {path} cannot be read")


def test_a_record_without_files_says_nothing(again, tmp_path):
    """As a run leaves one that is killed in the wrong moment, or whose files were deleted."""
    for path in (tmp_path / "out").rglob("*.npy"):
        path.unlink()
    again("--dtype=float32", "--crops=1")
    record = read_record(tmp_path / "out" / "w")
    assert (record["dtype"], record["crops"]) == ("float32", [1])


class Ones:
    """In place of CLIP's visual tower."""

    width = 512

    def __call__(self, pictures):
        return torch.ones(len(pictures), self.width)


def test_a_record_is_there_before_its_files(tmp_path, monkeypatch):
    video = write_video(tmp_path / "v.mp4", 20)
    recipe = Recipe("ones", "middle", "fp32", "float32")

    def killed(files):
        raise KeyboardInterrupt

    monkeypatch.setattr("utils.videos.extraction.FeatureFiles.finish", killed)
    extraction = Extraction({video: Path("v")}, tmp_path / "out", [0], recipe)
    with pytest.raises(KeyboardInterrupt):
        extraction.run(Ones(), 4, 1)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["v__features.json"]


def test_predict_makes_anew_what_was_made_otherwise(tmp_path, capsys):
    video = write_video(tmp_path / "v.mp4", 20)
    folder = tmp_path / "features"

    def features(pool="middle", size=16):
        clip = "random", "fp32", torch.device("cpu"), CLIP_NAME
        (found,) = features_of({"a/v": video}, folder, pool, *clip, size)
        assert (found.name, found.clip) == ("a/v", "random")
        return len(found.rows), (folder / "a" / "v__0.npy").stat().st_mtime_ns

    rows, first = features()
    assert rows == 1
    record = read_record(folder / "a" / "v")
    assert (record["clip_weights"], record["dtype"], record["crops"]) == ("random", "float32", [0])
    assert features() == (rows, first)
    rows, second = features(size=5)
    assert rows == 4 and second > first
    assert read_record(folder / "a" / "v")["snippet_frames"] == 5
    changed = {**record, "clip_weights": "f" * 64, "snippet_frames": 5}
    record_file(folder / "a" / "v").write_text(json.dumps(changed))
    third = features(size=5)[1]
    assert third > second
    for foreign in (None, {**changed, "dtype": "float16"}, {**changed, "crops": [0, 5]}):
        np.save(folder / "a" / "v__5.npy", np.ones((4, 512), np.float32))
        record_file(folder / "a" / "v").write_text(json.dumps(foreign))
        with pytest.raises(UserError, match=r"v__0\.npy was not made by predict\.py: name another"):
            features(size=5)
    record_file(folder / "a" / "v").unlink()
    with pytest.raises(UserError, match=r"v__0\.npy was not made by predict\.py: name another"):
        features(size=5)
    assert (folder / "a" / "v__0.npy").stat().st_mtime_ns == third
    video.write_text("no longer a video")
    clip = "random", "fp32", torch.device("cpu"), CLIP_NAME
    failures = []
    assert list(features_of({"v": video}, folder, "middle", *clip, failures=failures)) == []
    assert len(failures) == 1


def test_features_come_one_video_after_another(tmp_path, monkeypatch):
    """And whoever wants no more of them leaves nothing half-written."""
    monkeypatch.setattr("utils.videos.feature_cache.VisualTower", lambda *_: Ones())
    monkeypatch.setattr("utils.videos.feature_cache.PICTURES", 1)
    sources = {name: write_video(tmp_path / f"{name}.mp4", 200) for name in "ab"}
    clip = "random", "fp32", torch.device("cpu"), CLIP_NAME
    found = features_of(sources, tmp_path / "out", "middle", *clip)
    assert next(found).name == "a"
    assert not (tmp_path / "out" / "b__0.npy").exists()
    found.close()
    left = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert left == ["a__0.npy", "a__features.json"]


def test_weights_are_told_apart_by_what_they_are(tmp_path):
    for name in ("x", "y"):
        (tmp_path / name).write_bytes(b"the same")
    assert weights_identity(str(tmp_path / "x")) == weights_identity(str(tmp_path / "y"))
    assert weights_identity(str(tmp_path / "x")) == sha256(tmp_path / "x")
    assert weights_identity("random") == "random"
    assert weights_identity(CLIP_NAME) in official_url(CLIP_NAME)  # and nothing is downloaded
    assert len(weights_identity(CLIP_NAME)) == 64
