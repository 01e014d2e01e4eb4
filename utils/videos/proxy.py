"""A copy of a video that every browser plays: H.264, small, silent, its frames at their times."""

from collections.abc import Iterable
from fractions import Fraction
from itertools import count
from pathlib import Path

import av
from av.video.frame import PictureType

from utils.system.errors import UserError
from utils.system.files import whole_file
from utils.videos.frames import UNREADABLE, Video, as_shown, shown_size

ENCODER = "libx264"
MOST_LINES = 480  # height of a copy, in pixels
USUAL_RATE = 25  # frames a second, where nothing is said
TICKS = 90_000  # of its clock, a second
# The quickest that is not much larger; without frames that wait for later ones, so that each is
# shown at its time; a place to seek to every two seconds at 25 frames a second.
OPTIONS = {"preset": "veryfast", "crf": "26", "bf": "0", "g": "50"}
# What browsers play, by the names of FFmpeg: codecs in 8 bits, and containers.
PLAYED_CODECS = ("h264", "vp8", "vp9", "av1")
PLAYED_PIXELS = ("yuv420p", "yuvj420p")
PLAYED_SUFFIXES = (".mp4", ".m4v", ".mov", ".webm")


def unplayed_format(path: Path) -> str | None:
    """`hevc, .mp4`: of a video that browsers probably do not play; None where they do.

    Raises:
        UserError: as Video.
    """
    video = Video(path)
    with video.container:
        codec = video.stream.codec_context
        played = (
            codec.codec.canonical_name in PLAYED_CODECS
            and codec.pix_fmt in (*PLAYED_PIXELS, None)
            and path.suffix.lower() in PLAYED_SUFFIXES
        )
        return None if played else f"{codec.codec.canonical_name}, {path.suffix.lower()}"


def require_encoder() -> None:
    """
    Raises:
        UserError: PyAV cannot write H.264.
    """
    try:
        av.Codec(ENCODER, "w")
    except ValueError:
        raise UserError(
            f"--proxy: this PyAV has no encoder {ENCODER}: install the one of "
            "requirements.txt, which has it"
        ) from None


def write_proxy(source: Path, target: Path, times: Iterable[float] | None) -> None:
    """An MP4, whole or not at all.

    Args:
        source, target: of the video and its copy.
        times: seconds at which the frames are shown, as `frame_times` gives them.

    Raises:
        UserError: the source cannot be decoded, or the target not be written.
    """
    video = Video(source)
    if times is None:
        times = (i / USUAL_RATE for i in count())
    try:
        with whole_file(target) as partial:
            _write(video, times, partial)
    except UserError:
        raise
    except UNREADABLE as error:
        raise UserError(f"no copy of {source} could be written: {error}") from None


def _write(video: Video, times: Iterable[float], path: Path) -> None:
    how = {"format": "mp4", "options": {"movflags": "+faststart"}}
    with av.open(str(path.absolute()), "w", **how) as container:
        stream, last = None, -1
        for frame, time in zip(video.decoded(), times, strict=False):
            if stream is None:
                stream = _stream(container, shown_size(frame, video.stream, MOST_LINES))
            shown = as_shown(frame, (stream.width, stream.height))
            shown.pict_type = PictureType.NONE  # a key frame where the encoder wants one
            tick = round(time * TICKS)
            # The first from the beginning on: a player that finds nothing there would begin with
            # it, and be early ever after.
            for shown.pts in (0, tick) if last < 0 else (tick,):
                if shown.pts > last:
                    shown.time_base, last = Fraction(1, TICKS), shown.pts
                    container.mux(stream.encode(shown))
        container.mux(stream.encode(None))


def _stream(container, size: tuple[int, int]):
    stream = container.add_stream(ENCODER, rate=USUAL_RATE, options=OPTIONS)
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    stream.time_base = stream.codec_context.time_base = Fraction(1, TICKS)
    return stream
