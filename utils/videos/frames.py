"""Frames of a video as CLIP's visual tower is fed with them: decoded, resized, cropped.

Every frame is resized to 340×256 whatever its aspect, bilinearly and without antialiasing (as
OpenCV does). Of that come ten crops of 224×224: 0 the centre, 1–4 the corners (top-left, top-right,
bottom-left, bottom-right), 5–9 the same mirrored.
"""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import av
import numpy as np
import torch
from av.stream import Disposition
from torch.nn import functional as F

from utils.network.backbone import PICTURE_SIZE
from utils.system.errors import UserError

FRAME_SIZE = (256, 340)  # height, width
CORNERS = ((16, 58), (0, 0), (0, 116), (32, 0), (32, 116))  # top and left edge of crops 0…4
CENTRE = 0  # of the ten crops
MOST_WIDTH = 1920  # of pictures for people, in pixels
NEW_CLOCK = 0.5  # seconds that the clock of a video falls back where it begins anew
UNREADABLE = (av.FFmpegError, OSError, ValueError)  # what PyAV raises


class Video:
    """A video file, opened.

    Args:
        path: of any container that PyAV reads, or a URL.
        name: what it is called in messages, if not by its path.
        how: further arguments of `av.open`.

    Attributes:
        expected: frames that the container announces; 0 where it does not say.
        about: the same, or what its length and rate let expect.
        time: of the last frame that was decoded, in seconds; None where it tells none.

    Raises:
        UserError: it cannot be opened, has no pictures, or is one.
    """

    def __init__(self, path: Path | str, name: str | None = None, **how):
        self.name = name or f"video {path}"
        try:
            # Whole, since `12:30.mp4` alone would be a URL.
            self.container = av.open(
                str(path.absolute() if isinstance(path, Path) else path), **how
            )
        except UNREADABLE as error:
            raise UserError(f"{self.name} cannot be opened: {_reason(error)}") from None
        streams = [
            s for s in self.container.streams.video if not s.disposition & Disposition.attached_pic
        ]
        if not streams:
            self.container.close()
            raise UserError(f"{self.name} has no video stream: audio or subtitles only?")
        if self.container.format.name.endswith("_pipe") or self.container.format.name == "image2":
            self.container.close()
            raise UserError(f"{self.name} is a picture: expected a video")
        self.stream = streams[0]
        self.stream.thread_type = "AUTO"
        self.expected = self.stream.frames
        self.about = self.expected or self._frames_by_length()
        self.time: float | None = None

    @classmethod
    def frames_about(cls, path: Path) -> int:
        """About how many a video has; 0 where it does not say, or cannot be opened."""
        try:
            video = cls(path)
        except UserError:
            return 0
        video.container.close()
        return video.about

    def _frames_by_length(self) -> int:
        seconds = (self.container.duration or 0) / av.time_base
        return round(seconds * (self.stream.average_rate or 0))

    def _frames_between(self, first: int, last: int) -> int:
        """Frames from one packet's time to another's, with both, by the rate."""
        return round((last - first) * self.stream.time_base * (self.stream.average_rate or 0)) + 1

    def frames(self) -> Iterator[np.ndarray]:
        """Its frames in order, upright: (H, W, 3) uint8, RGB. Raises as `decoded`."""
        return map(upright, self.decoded())

    def decoded(self) -> Iterator[av.VideoFrame]:
        """Its frames in order, as they lie in the file.

        Raises:
            UserError: it cannot be decoded to its end, or holds no frame.
        """
        count = unseen = 0
        first = last = self.stream.start_time or 0
        try:
            with self.container:
                for packet in self.container.demux(self.stream):
                    unseen += packet.is_discard  # cut away, but still in the file
                    last = last if packet.dts is None else max(last, packet.dts)
                    for frame in packet.decode():
                        self.time = frame.time
                        yield frame
                        count += 1
                reached = self._frames_between(first, last)
        except UNREADABLE as error:
            raise UserError(
                f"{self.name} cannot be decoded after {count} frames: {_reason(error)}"
            ) from None
        if not count:
            raise UserError(f"{self.name} holds no frame")
        # An AVI counts frames that were left out, too. The times of the rest show that it is whole.
        if max(count + unseen, reached) < self.expected:
            raise UserError(
                f"{self.name} ends after {count} of {self.expected - unseen} frames: truncated?"
            )


def upright(frame: av.VideoFrame) -> np.ndarray:
    """(H, W, 3) uint8, RGB, as a player turns it: the display matrix of a phone's video."""
    return np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)


def shown_size(frame: av.VideoFrame, stream, most: int) -> tuple[int, int]:
    """Width and height of a frame as a player shows it, upright and of square pixels, at most so
    many lines high and `MOST_WIDTH` wide. Both are even: H.264 and JPEG have whole squares of four
    pixels alone."""
    width, height = frame.width * float(stream.sample_aspect_ratio or 1), frame.height
    if frame.rotation % 180:
        width, height = height, width
    scale = min(1, most / height, MOST_WIDTH / width)
    return max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2))


def as_shown(frame: av.VideoFrame, size: tuple[int, int]) -> av.VideoFrame:
    """A frame as a player shows it, in YUV 4:2:0, of this width and height."""
    if frame.rotation:
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(upright(frame)), format="rgb24")
    return frame.reformat(*size, "yuv420p")


def frame_times(path: Path, decode: bool = False) -> np.ndarray | None:
    """(F,) seconds at which a player shows the frames of a video, in order; None where it says
    neither that nor how many frames a second has. Where the clock of a video begins anew, as in
    recordings that were joined, it goes on.

    Args:
        path: of the video.
        decode: ask its frames, which takes long. Its packets know the same, as long as each is a
            frame: not so before the first key frame, or where frames are two fields.

    Raises:
        UserError: as Video and, with `decode`, as `decoded`.
    """
    video = Video(path)
    base = video.stream.time_base
    with video.container as container:
        begin, rate = container.start_time, video.stream.guessed_rate  # of pictures or sound
        if decode:
            found = [(f.pts, f.dts, f.duration) for f in video.decoded()]
        else:
            packets = (p for p in container.demux(video.stream) if p.size)
            first = next(packets, None)
            if first and not first.is_keyframe:
                return frame_times(path, decode=True)
            shown = (p for p in chain(filter(None, [first]), packets) if not p.is_discard)
            found = [(p.pts, p.dts, p.duration) for p in shown]
    stamps = _on_one_clock(found, NEW_CLOCK / base)
    if len(set(stamps)) < min(2, len(stamps)) or not stamps:
        return np.arange(len(found)) / float(rate) if rate else None
    times = np.sort(np.array(stamps) * float(base))
    return times - (times[0] if begin is None else min(begin / av.time_base, times[0]))


def _on_one_clock(packets: list[tuple], leap: float) -> list[int]:
    """When packets are shown, from their times of being shown and decoded, and how long they last.
    Where the latter fall by more than `leap`, the clock has begun anew."""
    stamps: list[int] = []
    shift, last, before = 0, 0, None
    for shown_at, decoded_at, lasts in packets:
        if shown_at is None:
            continue
        if decoded_at is not None:
            if before is not None and before - decoded_at > leap:
                shift = last + (lasts or 1) - shown_at
            before = decoded_at
        stamps.append(shown_at + shift)
        last = max(last, stamps[-1])
    return stamps


def _reason(error: Exception) -> str:
    return " ".join((getattr(error, "strerror", None) or str(error)).split())


def resize(frame: np.ndarray) -> torch.Tensor:
    """(H, W, 3) uint8 -> (3, 256, 340) uint8."""
    image = torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1)[None].float()
    image = F.interpolate(image, FRAME_SIZE, mode="bilinear", align_corners=False)[0]
    return image.round().to(torch.uint8)


def crop(images: torch.Tensor, index: int) -> torch.Tensor:
    """(..., 256, 340) -> (..., 224, 224), crop 0…9."""
    top, left = CORNERS[index % len(CORNERS)]
    part = images[..., top : top + PICTURE_SIZE, left : left + PICTURE_SIZE]
    return part.flip(-1) if index >= len(CORNERS) else part
