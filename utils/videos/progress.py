"""How far an extraction has come: a bar on a terminal, elsewhere a line now and then."""

import sys
import time

from tqdm import tqdm

from utils.system.console import duration, note

LINE_SECONDS = 30  # between two lines
MEASURED_SECONDS = 3  # of work, before its speed says anything
LONG_SECONDS = 60  # work that is worth saying how it could be quicker


class ExtractionProgress:
    """
    Args:
        videos: to extract.
        advice: said once, after how long it will take, where that is more than a minute.

    Attributes:
        total: frames of all videos, as far as it can be told; 0 where it cannot.
    """

    def __init__(self, videos: int, advice: str | None = None):
        self.videos, self.advice = videos, advice
        self.done = self.frames = self.total = 0
        self.first: float | None = None  # when the first frames were ready
        self.told = time.monotonic()
        self.bar = tqdm(unit="frame", unit_scale=True, smoothing=0.1, disable=None)

    def __enter__(self) -> "ExtractionProgress":
        return self

    def __exit__(self, *_) -> None:
        self.bar.close()

    def expect(self, frames: int) -> None:
        """All videos have about so many."""
        self.total = self.bar.total = frames

    def add(self, frames: int) -> None:
        """So many more are ready."""
        now = time.monotonic()
        # They come in bursts, as batches end. What came before this one took until now, but for the
        # first, which ended when the clock began: so the counts stand for whole batches.
        if self.first is None:
            self.first = now
        passed = now - self.first
        speed = self.frames / passed if passed > MEASURED_SECONDS else 0.0
        if self.advice and speed:
            self._advise(speed)
        if self.bar.disable and speed and now - self.told > LINE_SECONDS:
            self.told = now
            print(self.line(speed), file=sys.stderr, flush=True)
        self.frames += frames
        self.bar.update(frames)

    def end_video(self) -> None:
        """One is done, or cannot be."""
        self.done += 1
        self.bar.set_description(f"{self.done} of {self.videos} videos")

    def line(self, speed: float) -> str:
        """`3 of 8 videos, 12,345 frames, 41.2 frames/s, 5 min left`."""
        done = f"{self.done} of {self.videos} videos, {self.frames:,} frames, {speed:.1f} frames/s"
        left = max(0, self.total - self.frames) / speed
        return f"{done}, {duration(left)} left" if left else done

    def _advise(self, speed: float) -> None:
        left = (self.total - self.frames) / speed
        if left > LONG_SECONDS:
            note(f"about {duration(left)} more at {speed:.1f} frames/s; {self.advice}")
        self.advice = None
