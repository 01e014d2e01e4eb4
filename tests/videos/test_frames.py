"""Frames of videos: turned upright, resized, cropped."""

from pathlib import Path

import av
import numpy as np
import pytest
import torch
from matplotlib import image

from helpers.videos import write_video
from utils.system.errors import UserError
from utils.videos.frames import CORNERS, Video, crop, resize


def plain_resize(frame: np.ndarray) -> np.ndarray:
    """Bilinear at half-pixel centres, written out: (H, W, 3) -> (256, 340, 3) float."""
    picture = frame.astype(float)
    for axis, size in ((0, 256), (1, 340)):
        n = picture.shape[axis]
        at = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, n - 1)
        low = at.astype(int)
        high = np.minimum(low + 1, n - 1)
        share = (at - low).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        picture = picture.take(low, axis) * (1 - share) + picture.take(high, axis) * share
    return picture


@pytest.mark.parametrize("height, width", [(480, 852), (240, 320), (1080, 608), (77, 101), (1, 2)])
def test_resizing_agrees_with_the_formula_to_one_grey_level(height, width, rng):
    frame = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    found = resize(frame).permute(1, 2, 0).numpy()
    assert found.shape == (256, 340, 3)
    assert np.abs(found - plain_resize(frame)).max() <= 1


def test_crops_are_the_ten_of_the_field_bit_for_bit():
    image = torch.arange(256 * 340).view(1, 256, 340)
    places = {0: (16, 58), 1: (0, 0), 2: (0, 116), 3: (32, 0), 4: (32, 116)}
    assert places == dict(enumerate(CORNERS))
    for k, (top, left) in places.items():
        expected = image[:, top : top + 224, left : left + 224]
        assert torch.equal(crop(image, k), expected)
        assert torch.equal(crop(image, k + 5), expected[:, :, torch.arange(223, -1, -1)])


def rotate(path: Path) -> None:
    """Have players turn the video by 90° clockwise, as phones do, by the track header's matrix."""
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40
    matrix = [0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30]
    content[at : at + 36] = np.array(matrix, dtype=">i4").tobytes()
    path.write_bytes(content)


def test_a_phones_video_is_turned_upright(tmp_path):
    path = tmp_path / "v.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        picture = np.zeros((32, 64, 3), np.uint8)
        picture[:, :32] = 200  # bright on the left: on top when turned clockwise
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    rotate(path)
    (frame,) = Video(path).frames()
    assert frame.shape == (64, 32, 3)
    assert frame[:28].mean() > 180
    assert frame[36:].mean() < 20


def test_frames_that_were_left_out_of_an_avi(tmp_path):
    """It announces them all the same."""
    times = [*range(4), *range(9, 20)]
    video = Video(write_video(tmp_path / "v.avi", len(times), times=times))
    assert video.expected == 20
    assert len(list(video.frames())) == 15


def test_a_picture_is_no_video(tmp_path):
    image.imsave(tmp_path / "x.png", np.zeros((32, 32, 3)))
    with pytest.raises(UserError, match=r"x\.png is a picture: expected a video"):
        Video(tmp_path / "x.png")


def test_a_video_without_frames(tmp_path):
    path = tmp_path / "v.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 64, 48
        container.start_encoding()
    with pytest.raises(UserError, match=rf"^video {path} holds no frame$"):
        list(Video(path).frames())
