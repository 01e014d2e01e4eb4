"""Snippets of a live source, a URL, a camera or standard input, as they come.

A thread reads and resizes frames into a short queue. Where the network is slower than a camera or a
URL, snippets are left out, so that neither memory nor delay grows; standard input waits instead. A
source that breaks off is opened again, after 1, 2, 4 … 60 seconds.
"""

import queue
import sys
import threading
import time
from contextlib import suppress
from typing import NamedTuple

import numpy as np
import torch

from utils.datasets.features import SNIPPET_FRAMES
from utils.system.errors import UserError
from utils.videos.decoding import QUEUED, snippets
from utils.videos.frames import Video
from utils.videos.inputs import STDIN, shown

TIMEOUT = 10  # seconds without anything from a URL, after which it counts as broken off
PATIENCE = 2  # seconds for the thread to end
FIRST_WAIT, LONGEST_WAIT = 1, 60  # seconds before it is opened again
USUAL_RATE = 25  # frames a second where the source tells no times
CAMERAS = {"linux": ("v4l2", "/dev/video{}"), "darwin": ("avfoundation", "{}")}


class TimedSnippet(NamedTuple):
    """Attributes:
    images: (F, 3, 256, 340) uint8.
    start, end: seconds since the source was first opened.
    """

    images: torch.Tensor
    start: float
    end: float


class Lost(NamedTuple):
    """The source broke off, and why; it will be opened again after so many seconds."""

    reason: str
    wait: float


def open_source(source: str) -> Video:
    """
    Raises:
        UserError: it cannot be opened.
    """
    if source == STDIN:
        return Video("pipe:0", name=f"{shown(source)} (an MP4 must be given by name)")
    if source.isdecimal():
        if sys.platform not in CAMERAS:
            raise UserError(f"camera {source}: cameras are read on Linux and macOS; name a URL")
        kind, path = CAMERAS[sys.platform]
        return Video(path.format(source), name=shown(source), format=kind)
    options = {"rtsp_flags": "prefer_tcp"} if source.startswith("rtsp") else {}
    return Video(source, name=shown(source), options=options, timeout=TIMEOUT)


class Live:
    """A live source, being read.

    Args:
        source: a URL, the number of a camera, or `-`.
        pool: see extract_features.py.
        size: frames of a snippet.

    Attributes:
        name: what it is called in messages.
        left_out: snippets that came too quickly.
    """

    def __init__(self, source: str, pool: str, size: int = SNIPPET_FRAMES):
        self.source = source
        self.name = shown(source)
        self.pool = pool
        self.size = size
        self.left_out = 0
        self.stop = threading.Event()
        self.found: queue.Queue = queue.Queue(maxsize=QUEUED)
        self.began = time.monotonic()
        # A file, even one that is read from a server, ends once and for all, and can wait. So does
        # what was never opened: a wrong name, most likely.
        self.waits = True
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def __iter__(self):
        """Yields a TimedSnippet, or Lost; ends where the source does.

        Raises:
            UserError: it cannot be opened the first time; standard input, or a file, cannot be read
                to its end.
        """
        while (item := self.found.get()) is not None:
            if isinstance(item, UserError):
                raise item
            yield item

    def close(self) -> None:
        """Let the thread end, since Python cannot end well while it decodes. One that waits for its
        source may go on waiting."""
        self.stop.set()
        deadline = time.monotonic() + PATIENCE
        while self.thread.is_alive() and time.monotonic() < deadline:
            with suppress(queue.Empty):
                self.found.get(timeout=0.1)  # it may wait for room there

    def _read(self) -> None:
        """The thread: hands over snippets until the source ends, or nobody wants them."""
        wait, offset, end = 0, 0.0, 0.0
        while not self.stop.is_set():
            try:
                video = open_source(self.source)
                self.waits = self.source == STDIN or bool(video.container.duration)
                parts = timed_snippets(video, offset, self.pool, self.size, not self.waits)
                for snippet in parts:
                    if self.stop.is_set():
                        return
                    wait, end = 0, snippet.end
                    self._hand_over(snippet)
                error = UserError(f"{self.name} ended")
                if self.waits:
                    return self.found.put(None)
            except Exception as failure:  # whatever a source does to a decoder
                known = isinstance(failure, UserError)
                error = failure if known else UserError(f"{self.name} cannot be read: {failure!r}")
                if self.waits:
                    return self.found.put(error)
            wait = min(max(2 * wait, FIRST_WAIT), LONGEST_WAIT)
            self.found.put(Lost(str(error), wait))
            self.stop.wait(wait)
            offset = max(time.monotonic() - self.began, end)  # its own clock may be ahead

    def _hand_over(self, snippet: TimedSnippet) -> None:
        if self.waits:
            self.found.put(snippet)
            return
        try:
            self.found.put_nowait(snippet)
        except queue.Full:
            self.left_out += 1


def timed_snippets(
    video: Video, offset: float, pool: str, size: int = SNIPPET_FRAMES, as_it_happens: bool = False
):
    """Snippets of a source that was opened `offset` seconds after the first time; `pool` and `size`
    as for `Live`. Of one that sends pictures as they happen, this machine's clock says how long a
    gap lasts."""
    times: list[float] = []  # of the snippet's frames
    opened = time.monotonic()

    def frames():
        shift = last = None
        for picture in video.frames():
            at = video.time
            # The source's clock may start anew, or leap, or not be there.
            if last is None or at is None or not 0 < at + shift - last < TIMEOUT:
                next_one = offset if last is None else last + 1 / USUAL_RATE
                if as_it_happens and None not in (last, at) and at + shift > last:
                    next_one = max(next_one, offset + time.monotonic() - opened)
                shift = next_one - (at or 0.0)
                last = next_one
            else:
                last = at + shift
            times.append(last)
            yield picture

    for images, _ in snippets(frames(), pool, size):
        period = float(np.median(np.diff(times))) if len(times) > 1 else 1 / USUAL_RATE
        yield TimedSnippet(images, times[0], times[-1] + period)
        times.clear()
