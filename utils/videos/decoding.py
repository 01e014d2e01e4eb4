"""Videos decoded on threads of their own, into snippets of resized frames.

Decoders may be a few snippets ahead of who takes them. None holds more of a video than that,
however long it is.
"""

import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from utils.datasets.features import SNIPPET_FRAMES
from utils.system.errors import UserError
from utils.videos.frames import Video, resize

QUEUED = 8  # snippets that a decoder may be ahead


class Opened(NamedTuple):
    """A video is open."""

    path: Path


class Snippet(NamedTuple):
    """The next snippet of a video, (F, 3, 256, 340) uint8."""

    path: Path
    images: torch.Tensor


class Ended(NamedTuple):
    """A video was decoded to its end; its snippets stand for so many frames."""

    path: Path
    frames: int


class Failed(NamedTuple):
    """A video cannot be read to its end, and why."""

    path: Path
    reason: str


Message = Opened | Snippet | Ended | Failed


def snippets(
    frames: Iterable[np.ndarray], pool: str, size: int = SNIPPET_FRAMES
) -> Iterator[tuple[torch.Tensor, int]]:
    """The frames that the rows of a video are made of, resized, and how many the row stands for.

    Args:
        frames: (H, W, 3) uint8 of the whole video.
        pool: `mean`, all frames of each row; `middle`, one.
        size: frames that a row stands for, N.

    Yields:
        (F, 3, 256, 340) uint8 and N; frames behind the last N are left out, but a video of fewer
        than N is one row.
    """
    held: list[torch.Tensor] = []
    count = 0
    for count, frame in enumerate(frames, start=1):
        place = (count - 1) % size
        # Of the first N all, since they may be all there are.
        if pool == "mean" or place == size // 2 or count <= size:
            held.append(resize(frame))
        if place == size - 1:
            yield _pooled(held, pool), size
            held = []
    if count < size:
        yield _pooled(held, pool), count


def _pooled(held: list[torch.Tensor], pool: str) -> torch.Tensor:
    middle = len(held) // 2
    return torch.stack(held if pool == "mean" else held[middle : middle + 1])


@contextmanager
def decoded(
    videos: Iterable[Path], pool: str, size: int, decoders: int
) -> Iterator[Iterator[Message]]:
    """While this context lasts, videos are being decoded; it gives what there is to tell of them.

    Args:
        videos: in the order in which they are begun.
        pool, size: see `snippets`.
        decoders: videos decoded at once.

    Yields:
        an iterator of messages: of each video Opened, its Snippets and Ended in this order, or
        Failed instead of what is still to come; those of several videos mixed.
    """
    todo = deque(videos)
    told: queue.Queue = queue.Queue(maxsize=QUEUED * decoders)
    stop = threading.Event()
    threads = [
        threading.Thread(target=_decode, args=(todo, pool, size, told, stop), daemon=True)
        for _ in range(min(decoders, len(todo)))
    ]
    for thread in threads:
        thread.start()
    try:
        yield _messages(told, len(threads))
    finally:
        stop.set()
        while any(thread.is_alive() for thread in threads):
            with suppress(queue.Empty):
                told.get(timeout=0.1)  # a thread may wait for room there


def _decode(
    todo: deque[Path], pool: str, size: int, told: queue.Queue, stop: threading.Event
) -> None:
    """A thread: one video after another, and None when there are no more."""
    while not stop.is_set():
        try:
            path = todo.popleft()
        except IndexError:
            break
        try:
            video, frames = Video(path), 0
            told.put(Opened(path))
            for images, of_row in snippets(video.frames(), pool, size):
                if stop.is_set():
                    return
                told.put(Snippet(path, images))
                frames += of_row
            told.put(Ended(path, frames))
        except UserError as error:
            told.put(Failed(path, str(error)))
        except Exception as error:  # whatever a file does to a decoder, the others go on
            told.put(Failed(path, f"video {path} cannot be read: {error!r}"))
    told.put(None)


def _messages(told: queue.Queue, decoders: int) -> Iterator[Message]:
    while decoders:
        message = told.get()
        if message is None:
            decoders -= 1
        else:
            yield message
