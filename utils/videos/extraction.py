"""From videos to feature files: decoded on threads of their own, one network, written row by row.

Decoders put snippets into a short queue; the network takes them in batches that reach over crops
and videos. Neither holds more of a video than that, however long it is.
"""

import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from utils.datasets.features import SNIPPET_FRAMES
from utils.network.backbone import WIDTH
from utils.system.console import say
from utils.system.errors import UserError
from utils.system.files import remove_left_behind, whole_file
from utils.videos.frames import Video, crop, resize

POOLS = ("mean", "middle")
MIDDLE = SNIPPET_FRAMES // 2
QUEUED = 8  # snippets that a decoder may be ahead


class Decoded(NamedTuple):
    """What a decoder has to tell of a video: that it is open, a snippet, its end, or its failure.

    Attributes:
        path: of the video.
        images: (F, 3, 256, 340) uint8 of a snippet.
        expected: frames that its container announces, when it is open.
        frames: of the whole video, at its end.
        failure: why it cannot be read.
    """

    path: Path
    images: torch.Tensor | None = None
    expected: int | None = None
    frames: int | None = None
    failure: str | None = None


def snippets(frames: Iterable[np.ndarray], pool: str) -> Iterator[tuple[torch.Tensor, int]]:
    """The frames that the rows of a video are made of, resized, and how many the row stands for.

    Args:
        frames: (H, W, 3) uint8 of the whole video.
        pool: `mean`, all 16 of each row; `middle`, one.

    Yields:
        (F, 3, 256, 340) uint8 and 16; frames behind the last 16 are left out, but a video of fewer
        than 16 is one row.
    """
    held: list[torch.Tensor] = []
    count = 0
    for count, frame in enumerate(frames, start=1):
        place = (count - 1) % SNIPPET_FRAMES
        # Of the first 16 all, since they may be all there are.
        if pool == "mean" or place == MIDDLE or count <= SNIPPET_FRAMES:
            held.append(resize(frame))
        if place == SNIPPET_FRAMES - 1:
            yield _pooled(held, pool), SNIPPET_FRAMES
            held = []
    if count < SNIPPET_FRAMES:
        yield _pooled(held, pool), count


def _pooled(held: list[torch.Tensor], pool: str) -> torch.Tensor:
    middle = len(held) // 2
    return torch.stack(held if pool == "mean" else held[middle : middle + 1])


class FeatureFiles:
    """The files of one video, a crop each, that grow row by row and come whole or not at all."""

    def __init__(self, paths: list[Path], dtype: str):
        self.rows = 0
        self.dtype = np.dtype(dtype)
        self.stack = ExitStack()
        partial = [self.stack.enter_context(whole_file(path)) for path in paths]
        self.files = [self.stack.enter_context(path.open("wb")) for path in partial]
        self._write_headers()

    def _write_headers(self) -> None:
        shape = {"descr": self.dtype.str, "fortran_order": False, "shape": (self.rows, WIDTH)}
        for file in self.files:
            np.lib.format.write_array_header_1_0(file, shape)  # with room for any number of rows

    def add(self, features: torch.Tensor) -> None:
        """A row of each crop, (K, 512)."""
        self.rows += 1
        for file, row in zip(self.files, features.numpy().astype(self.dtype), strict=True):
            file.write(row.tobytes())

    def finish(self) -> None:
        for file in self.files:
            file.seek(0)
        self._write_headers()
        self.stack.close()

    def discard(self) -> None:
        error = UserError("discarded")
        self.stack.__exit__(UserError, error, None)


class Extraction:
    """Videos to extract, without those that are done.

    Args:
        videos: files and their paths without suffix below `out`.
        out: folder of the features.
        crops: which of the ten.
        pool, dtype: see extract_features.py.

    Attributes:
        waiting: videos to extract.
        skipped, written: how many were there before, and are new.
        failures: what could not be extracted and why.
    """

    def __init__(
        self, videos: dict[Path, Path], out: Path, crops: list[int], pool: str, dtype: str
    ):
        self.crops = crops
        self.pool = pool
        self.dtype = dtype
        self.paths = {
            file: [out / place.with_name(f"{place.name}__{k}.npy") for k in crops]
            for file, place in videos.items()
        }
        self.waiting = [
            file for file, paths in self.paths.items() if not all(p.is_file() for p in paths)
        ]
        self.skipped = len(videos) - len(self.waiting)
        self.written = 0
        self.failures: list[str] = []

    def run(self, tower, batch_size: int, decoders: int) -> None:
        """Extract the videos that wait.

        Args:
            tower: function of (B, 3, 224, 224) uint8 pictures, -> (B, 512) features.
            batch_size: pictures it sees at once.
            decoders: videos decoded at once.
        """
        todo = deque(self.waiting)
        found: queue.Queue = queue.Queue(maxsize=QUEUED * decoders)
        stop = threading.Event()
        threads = [
            threading.Thread(target=self._decode, args=(todo, found, stop), daemon=True)
            for _ in range(min(decoders, len(todo)))
        ]
        for thread in threads:
            thread.start()
        try:
            with tqdm(unit="frame", unit_scale=True, smoothing=0.1, disable=None) as bar:
                self._encode(found, len(threads), tower, batch_size, bar)
        finally:
            stop.set()
            while any(thread.is_alive() for thread in threads):
                with suppress(queue.Empty):
                    found.get(timeout=0.1)

    def _decode(self, todo: deque, found: queue.Queue, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                path = todo.popleft()
            except IndexError:
                break
            try:
                video, frames = Video(path), 0
                found.put(Decoded(path, expected=video.expected))
                for images, of_row in snippets(video.frames(), self.pool):
                    if stop.is_set():
                        return
                    found.put(Decoded(path, images=images))
                    frames += of_row
                found.put(Decoded(path, frames=frames))
            except UserError as error:
                found.put(Decoded(path, failure=str(error)))
            except Exception as error:  # whatever a file does to a decoder, the others go on
                found.put(Decoded(path, failure=f"video {path} cannot be read: {error!r}"))
        found.put(None)

    def _encode(self, found: queue.Queue, decoders: int, tower, batch_size: int, bar) -> None:
        """Everything of the main thread: batches, rows, files."""
        files: dict[Path, FeatureFiles] = {}
        expected: dict[Path, int] = {}
        told: deque[Decoded] = deque()  # in order, not yet dealt with
        pictures = Buffer()
        features = Buffer()
        try:
            while decoders or told:
                item = found.get() if decoders else None
                if item is None:
                    decoders = max(0, decoders - 1)
                else:
                    told.append(item)
                    if item.images is not None:
                        pictures.add(torch.cat([crop(item.images, k) for k in self.crops]))
                while len(pictures) >= batch_size or (not decoders and len(pictures)):
                    features.add(tower(pictures.take(batch_size)).cpu())
                while told and (
                    told[0].images is None or len(features) >= len(told[0].images) * len(self.crops)
                ):
                    self._deal_with(told.popleft(), features, files, expected, bar)
        finally:
            for of_video in files.values():
                of_video.discard()

    def _deal_with(self, item: Decoded, features: "Buffer", files: dict, expected: dict, bar):
        path = item.path
        if item.expected is not None:
            for target in self.paths[path]:
                remove_left_behind(target)
            files[path] = FeatureFiles(self.paths[path], self.dtype)
            expected[path] = item.expected
            bar.total = round(sum(expected.values()) / len(expected) * len(self.waiting))
        elif item.images is not None:
            rows = features.take(len(item.images) * len(self.crops))
            files[path].add(rows.unflatten(0, (len(self.crops), -1)).mean(dim=1))
            bar.update(SNIPPET_FRAMES)
        elif item.failure is not None:
            if path in files:
                files.pop(path).discard()
            self.failures.append(item.failure)
        else:
            files.pop(path).finish()
            self.written += 1
            if item.frames < SNIPPET_FRAMES:
                say(f"{path} has {item.frames} frames, fewer than {SNIPPET_FRAMES}: one row")


class Buffer:
    """Tensors (n, …) that come and go in other portions, first in, first out."""

    def __init__(self):
        self.parts: list[torch.Tensor] = []

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def add(self, part: torch.Tensor) -> None:
        self.parts.append(part)

    def take(self, n: int) -> torch.Tensor:
        """The first n, or all where there are fewer."""
        joined = torch.cat(self.parts)
        self.parts = [joined[n:]] if len(joined) > n else []
        return joined[:n]
