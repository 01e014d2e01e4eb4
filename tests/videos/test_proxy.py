"""Copies of videos for browsers, and small pictures out of videos."""

import io

import av
import numpy as np
import pytest
from matplotlib.image import imread

from helpers.videos import brightness, write_video
from utils.system.errors import UserError
from utils.videos.frames import frame_times
from utils.videos.inputs import find_videos
from utils.videos.proxy import MOST_LINES, unplayed_format, write_proxy
from utils.videos.stills import LINES, stills


def test_a_copy_keeps_the_times_of_frames(tmp_path):
    times = np.cumsum([1 + 3 * (i % 5 == 0) for i in range(40)]).tolist()
    video = write_video(tmp_path / "v.mkv", 40, times=times)
    write_proxy(video, tmp_path / "v.proxy.mp4", frame_times(video))
    assert frame_times(tmp_path / "v.proxy.mp4") == pytest.approx(frame_times(video), abs=1e-4)
    assert unplayed_format(tmp_path / "v.proxy.mp4") is None
    with av.open(str(tmp_path / "v.proxy.mp4")) as container:
        levels = [f.to_ndarray(format="gray").mean() for f in container.decode(video=0)]
    expected = [brightness(i) for i in range(40)]
    assert np.abs(np.array(levels) - expected).max() < 20
    assert find_videos([write_video(tmp_path / "a.mp4", 2).parent]).keys() == {
        video, tmp_path / "a.mp4"
    }  # fmt: skip


def test_a_copy_of_key_frames_alone_has_few(tmp_path):
    video = write_video(tmp_path / "v.avi", 40, codec="mjpeg", pixels="yuvj420p")
    write_proxy(video, tmp_path / "p.mp4", None)
    with av.open(str(tmp_path / "p.mp4")) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    assert len(packets) == 40
    assert sum(packet.is_keyframe for packet in packets) < 5


@pytest.mark.parametrize("size, expected", [((1280, 720), (854, 480)), ((64, 48), (64, 48))])
def test_a_copy_is_small(size, expected, tmp_path):
    write_proxy(write_video(tmp_path / "v.mp4", 3, size=size), tmp_path / "p.mp4", None)
    with av.open(str(tmp_path / "p.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == expected
        assert stream.height <= MOST_LINES and stream.codec_context.pix_fmt == "yuv420p"


def test_a_copy_comes_whole_or_not_at_all(tmp_path):
    video = write_video(tmp_path / "v.avi", 40)
    video.write_bytes(video.read_bytes()[:-2000])
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        write_proxy(write_video(tmp_path / "w.mp4", 3), tmp_path / "file" / "p.mp4", None)
    with pytest.raises(UserError, match=r"after|truncated"):
        write_proxy(video, tmp_path / "p.mp4", None)
    assert not list(tmp_path.glob("*p.mp4"))


def test_what_browsers_play(tmp_path):
    assert unplayed_format(write_video(tmp_path / "v.mp4", 2)) == "mpeg4, .mp4"
    write_proxy(tmp_path / "v.mp4", tmp_path / "p.mp4", None)
    (tmp_path / "p.avi").write_bytes((tmp_path / "p.mp4").read_bytes())
    assert unplayed_format(tmp_path / "p.avi") == "h264, .avi"


def test_stills_are_what_is_shown_then(tmp_path):
    video = write_video(tmp_path / "v.mp4", 100)  # 25 a second; a key frame now and then
    for jpeg, frame in zip(stills(video, [0, 1.21, 3.0]), (0, 30, 75), strict=True):
        picture = imread(io.BytesIO(jpeg), format="jpeg")
        assert picture.shape[0] == min(LINES, 48)
        assert picture.mean() == pytest.approx(brightness(frame), abs=6)
    (tmp_path / "no.mp4").write_text("no")
    assert stills(tmp_path / "no.mp4", [0, 1]) == [None, None]
