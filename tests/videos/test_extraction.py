"""extract_features.py on small videos that the tests make; every frame carries its number."""

import os
import sys
import threading
from pathlib import Path

import av
import numpy as np
import pytest
import torch

import extract_features
from helpers.scripts import one_error
from helpers.videos import brightness, levels, write_video
from utils.network.clip_visual import MEAN, STD, VisualTower
from utils.system import group
from utils.videos.decoding import Ended, Failed, Opened, Snippet, snippets
from utils.videos.extraction import Extraction, encoded
from utils.videos.frames import Video, crop, resize
from utils.videos.records import Recipe


class Means:
    """A network that says how bright a picture is."""

    width = 512

    def __init__(self):
        self.batches = []

    def __call__(self, pictures):
        self.batches.append(len(pictures))
        x = pictures.float()
        features = torch.zeros(len(x), 512)
        features[:, 0] = x.mean(dim=(1, 2, 3))
        return features


def extract(videos, out, crops=(0,), pool="mean", batch_size=7, decoders=2, size=16):
    recipe = Recipe("the means", pool, "fp32", "float32", size)
    extraction = Extraction(videos, out, list(crops), recipe)
    network = Means()
    extraction.run(network, batch_size, decoders)
    return extraction, network


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_a_row_stands_for_its_sixteen_frames(suffix, tmp_path):
    video = write_video(tmp_path / f"v.{suffix}", 16 * 3 + 5)
    parts = list(snippets(Video(video).frames(), "mean"))
    assert [count for _, count in parts] == [16, 16, 16]
    for t, (images, _) in enumerate(parts):
        expected = [brightness(i) for i in range(16 * t, 16 * t + 16)]
        assert np.abs(np.array(levels(images)) - expected).max() < 4
    middle = [levels(images) for images, _ in snippets(Video(video).frames(), "middle")]
    assert np.abs(np.array(middle)[:, 0] - [brightness(16 * t + 8) for t in range(3)]).max() < 4


def test_a_row_may_stand_for_another_number_of_frames(tmp_path, capsys):
    """Ten frames differ by 10 each; the middle one of N is the one with N // 2 before it."""
    videos = {write_video(tmp_path / f"{n}.mp4", n): Path(f"{n}") for n in (3, 10)}
    for size, means, middles in ((4, [35, 75], [40, 80]), (5, [40, 90], [40, 90]), (1, None, None)):
        means, middles = (found or [brightness(i) for i in range(10)] for found in (means, middles))
        for pool, expected in (("mean", means), ("middle", middles)):
            extract(videos, tmp_path / f"{pool}{size}", pool=pool, size=size)
            found = np.load(tmp_path / f"{pool}{size}" / "10__0.npy")[:, 0]
            assert found == pytest.approx(expected, abs=4)
            short = f"3.mp4 has 3 frames, fewer than {size}: one row"
            assert (short in capsys.readouterr().out) == (size > 3)
            assert len(np.load(tmp_path / f"{pool}{size}" / "3__0.npy")) == max(1, 3 // size)


def test_files_have_a_row_per_snippet_and_a_file_per_crop(tmp_path):
    lengths = {"a": 16 * 4, "b": 16 * 2 + 15, "c": 16}
    videos = {
        write_video(tmp_path / f"{name}.mp4", n): Path("sub") / name for name, n in lengths.items()
    }
    extraction, network = extract(videos, tmp_path / "out", crops=(0, 5))
    assert (extraction.written, extraction.failures) == (3, [])
    assert {*network.batches[:-1]} == {7}  # batches reach over snippets, crops and videos
    for name, n in lengths.items():
        for k in (0, 5):
            features = np.load(tmp_path / "out" / "sub" / f"{name}__{k}.npy")
            assert features.shape == (n // 16, 512)
            assert features.dtype == np.float32
            expected = [
                np.mean([brightness(i) for i in range(16 * t, 16 * t + 16)]) for t in range(n // 16)
            ]
            assert np.abs(features[:, 0] - expected).max() < 4
    assert sorted(p.name for p in (tmp_path / "out").rglob("*") if p.is_file()) == [
        f"{name}__{rest}" for name in lengths for rest in ("0.npy", "5.npy", "features.json")
    ]


def test_messages_keep_their_order_and_wait_for_their_features():
    a, b = Path("a"), Path("b")
    images = [torch.full((2 + 2 * (i > 0), 3, 256, 340), i, dtype=torch.uint8) for i in range(3)]
    messages = [
        Opened(a), Snippet(a, images[0]), Opened(b), Snippet(b, images[1]), Ended(a, 16),
        Snippet(b, images[2]), Failed(b, "damaged"),
    ]  # fmt: skip
    read = 0

    def one_by_one():
        nonlocal read
        for read, message in enumerate(messages, start=1):  # noqa: B007
            yield message

    network = Means()
    told = [(m, [f[0] for f in features], read) for m, features in
            encoded(one_by_one(), network, 5, {a: [0, 9], b: [9]})]  # fmt: skip
    assert network.batches == [5, 5, 2]
    assert [message for message, _, _ in told] == messages
    assert [features for _, features, _ in told] == [[], [0] * 4, [], [1] * 4, [], [2] * 4, []]
    # Pictures 1 to 5 are there with message 4, 6 to 10 with message 6, the rest at the end.
    assert [behind for _, _, behind in told] == [1, 4, 4, 6, 6, 7, 7]


@pytest.mark.parametrize("batch_size, decoders", [(1, 1), (1000, 3)])
def test_batches_and_decoders_change_no_feature(batch_size, decoders, tmp_path):
    videos = {write_video(tmp_path / f"{n}.mp4", n): Path(f"{n}") for n in (5, 20, 50, 70)}
    videos[tmp_path / "none.mp4"] = Path("none")
    for out, sizes in (("a", (7, 2)), ("b", (batch_size, decoders))):
        extraction, _ = extract(videos, tmp_path / out, (0, 5), "mean", *sizes)
        assert (extraction.written, len(extraction.failures)) == (4, 1)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "b").iterdir())
    assert len(files) == 8 + 4
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_short_video_is_one_row(tmp_path, capsys):
    video = write_video(tmp_path / "v.mp4", 5)
    extract({video: Path("v")}, tmp_path / "mean")
    assert "has 5 frames, fewer than 16: one row" in capsys.readouterr().out
    assert np.load(tmp_path / "mean" / "v__0.npy")[:, 0] == pytest.approx([40], abs=4)
    extract({video: Path("v")}, tmp_path / "middle", pool="middle")
    assert np.load(tmp_path / "middle" / "v__0.npy")[:, 0] == pytest.approx([brightness(2)], abs=4)


def test_what_is_done_is_left_alone_and_a_bad_video_stops_no_other(tmp_path):
    good = write_video(tmp_path / "good.mp4", 40)
    text, sound, cut, empty = (tmp_path / f"{n}.mp4" for n in ("text", "sound", "cut", "empty"))
    text.write_text("not a video")
    empty.write_bytes(b"")
    cut.write_bytes(good.read_bytes()[:-900])
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    videos = {path: Path(path.stem) for path in (text, sound, cut, empty, good)}
    out = tmp_path / "out"
    extraction, _ = extract(videos, out)
    assert extraction.written == 1
    assert len(extraction.failures) == 4
    told = "\n".join(sorted(extraction.failures))
    assert f"{sound} has no video stream" in told
    for path in (text, empty):
        assert f"video {path} cannot be opened" in told
    assert str(cut) in told
    files = sorted(p.name for p in out.rglob("*") if p.is_file())
    assert files == ["good__0.npy", "good__features.json"]

    before = (out / "good__0.npy").stat().st_mtime_ns
    (out / ".good__0.4711.npy").write_bytes(b"left by a kill")
    again = extract({good: Path("good")}, out)[0]
    assert (again.waiting, again.skipped) == ([], 1)
    more = extract({good: Path("good")}, out, crops=(0, 1))[0]  # a crop is missing: that one alone
    assert more.written == 1
    assert (out / "good__0.npy").stat().st_mtime_ns == before
    assert np.load(out / "good__1.npy").shape == np.load(out / "good__0.npy").shape
    (out / "good__0.npy").unlink()
    extract({good: Path("good")}, out)
    assert not list(out.glob(".*"))


def test_a_truncated_video_leaves_nothing(tmp_path):
    video = write_video(tmp_path / "v.avi", 64, size=(320, 240))
    content = video.read_bytes()
    video.write_bytes(content[: len(content) // 2])
    extraction, _ = extract({video: Path("v")}, tmp_path / "out")
    (failure,) = extraction.failures
    assert "truncated?" in failure or "cannot be decoded after" in failure
    assert not list((tmp_path / "out").glob("*"))


def test_a_network_that_fails_leaves_no_thread_and_no_file(tmp_path):
    video = write_video(tmp_path / "v.mp4", 16 * 40)

    def broken(pictures):
        raise RuntimeError("out of memory")

    broken.width = 512
    before = threading.active_count()
    recipe = Recipe("broken", "mean", "fp32", "float32")
    extraction = Extraction({video: Path("v")}, tmp_path / "out", [0], recipe)
    with pytest.raises(RuntimeError, match="out of memory"):
        extraction.run(broken, 64, 2)
    assert threading.active_count() == before
    assert not [p for p in (tmp_path / "out").rglob("*") if p.is_file()]


def test_variable_frame_rate_changes_no_row(tmp_path):
    times = np.cumsum([1 + 3 * (i % 5 == 0) for i in range(48)]).tolist()
    video = write_video(tmp_path / "v.mkv", 48, times=times)
    assert len(list(snippets(Video(video).frames(), "mean"))) == 3


def test_the_script(tmp_path, capsys, monkeypatch):
    videos = [write_video(tmp_path / "in" / "Abuse" / f"v{i}.mp4", 20) for i in range(2)]
    (tmp_path / "in" / "bad.mp4").write_text("no")
    out = tmp_path / "out"
    options = ["--clip-weights=random", "--device=cpu", "--pool=middle", "--crops=0,5"]
    command = [str(tmp_path / "in"), "--out", str(out), *options]
    with pytest.raises(SystemExit) as end:
        extract_features.main(command)
    printed = capsys.readouterr()
    assert end.value.code == 1
    assert "2 videos extracted, 0 before, 1 failed" in printed.out
    assert f"failed: video {tmp_path / 'in' / 'bad.mp4'} cannot be opened" in printed.err
    features = np.load(out / "Abuse" / "v0__5.npy")
    assert (features.shape, features.dtype) == ((1, 512), np.float16)

    # What the network is fed with, and that it is CLIP's own: mean and spread in 0…1.
    tower = VisualTower("random", torch.device("cpu"), "fp32")
    frame = list(Video(videos[0]).frames())[8]
    picture = crop(resize(frame), 5).float() / 255
    x = (picture - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    with torch.no_grad():
        expected = tower.tower(x[None])[0]
    np.testing.assert_allclose(features[0], expected, rtol=2e-3, atol=0.02)

    (tmp_path / "in" / "bad.mp4").unlink()
    extract_features.main(command)
    assert "0 videos extracted, 2 before, 0 failed" in capsys.readouterr().out
    shares = []
    for index in range(2):
        share = f"--shard={index}/2"
        extract_features.main([*command[:2], str(tmp_path / f"s{index}"), *options, share])
        shares += [p.name for p in (tmp_path / f"s{index}").rglob("*__0.npy")]
    assert sorted(shares) == ["v0__0.npy", "v1__0.npy"]


def test_rows_are_as_wide_as_the_backbones_features(tmp_path):
    video = write_video(tmp_path / "v.mp4", 20)
    for backbone, width in (("ViT-B/32", 512), ("ViT-L/14", 768)):
        out = tmp_path / str(width)
        options = ["--clip-weights=random", f"--backbone={backbone}", "--device=cpu"]
        extract_features.main(
            [str(video), "--out", str(out), *options, "--crops=0", "--pool=middle"]
        )
        assert np.load(out / "v__0.npy").shape == (1, width)


@pytest.mark.parametrize(
    "option, message",
    [("--crops=0,10", "list of crops"), ("--crops=1,1", "list of crops"), ("--shard=2/2", "share"),
     ("--crops=a", "list of crops"), ("--shard=1", "share"), ("--batch-size=0", "is not in 1…")],
)  # fmt: skip
def test_bad_options(option, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        extract_features.main([str(tmp_path), "--out", str(tmp_path / "o"), option])
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_torchrun_gives_the_shares(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(group, "_group", group.Group(count=2))
    monkeypatch.setattr(os, "_exit", sys.exit)
    command = [str(tmp_path), "--out", str(tmp_path / "o"), "--shard=0/2"]
    assert one_error(extract_features.main, capsys, command) == (
        "error: --shard is for processes started one by one: under torchrun leave it out"
    )
    assert not (tmp_path / "o").exists()


def test_a_file_where_the_folder_should_be(tmp_path, capsys):
    video = write_video(tmp_path / "v.mp4", 20)
    (tmp_path / "o").touch()
    with pytest.raises(SystemExit, match=r"^2$"):
        extract_features.main([str(video), "--out", str(tmp_path / "o")])
    assert "cannot be written: it must be a file in a folder" in capsys.readouterr().err
