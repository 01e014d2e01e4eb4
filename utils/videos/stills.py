"""Single frames of a video as small JPEGs."""

from fractions import Fraction
from pathlib import Path

import av

from utils.system.errors import UserError
from utils.videos.frames import UNREADABLE, Video, as_shown, shown_size

LINES = 90  # height of a still, in pixels
QUALITY = 5  # as FFmpeg's -q:v: 2 is best, 31 worst


def stills(path: Path, seconds: list[float]) -> list[bytes | None]:
    """JPEGs of what a player shows at these seconds; None for what cannot be read.

    The frames are sought, not waited for: it does not matter how long the video is.
    """
    try:
        video = Video(path)
    except UserError:
        return [None] * len(seconds)
    with video.container:
        return [_still(video, second) for second in seconds]


def _still(video: Video, second: float) -> bytes | None:
    stream, found = video.stream, None
    moment = second + (video.container.start_time or 0) / av.time_base
    try:
        video.container.seek(int(moment / stream.time_base), stream=stream)
        for frame in video.container.decode(stream):
            if found is not None and frame.time is not None and frame.time > moment:
                break
            found = frame
        return found and _jpeg(as_shown(found, shown_size(found, stream, LINES)))
    except UNREADABLE:
        return None


def _jpeg(frame: av.VideoFrame) -> bytes:
    codec = av.CodecContext.create("mjpeg", "w")
    codec.width, codec.height, codec.pix_fmt = frame.width, frame.height, "yuvj420p"
    codec.time_base = Fraction(1, 25)
    codec.qmin = codec.qmax = QUALITY
    whole_range = frame.reformat(format=codec.pix_fmt)  # of brightness, as JPEG has it
    return b"".join(bytes(packet) for packet in [*codec.encode(whole_range), *codec.encode(None)])
