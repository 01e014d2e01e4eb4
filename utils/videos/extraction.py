"""From videos to feature files: many decoders, one network, files written row by row.

The network takes pictures in batches that reach over crops, snippets and videos. Memory holds some
snippets and a batch, however long the videos are.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import numpy as np
import torch

from utils.system.console import say
from utils.system.errors import UserError
from utils.system.files import remove_left_behind, whole_file
from utils.videos.decoding import Ended, Failed, Message, Opened, Snippet, decoded
from utils.videos.frames import Video, crop
from utils.videos.progress import ExtractionProgress
from utils.videos.records import Recipe, feature_file, made_of, write_record


def encoded(
    messages: Iterable[Message], tower, batch_size: int, crops: dict[Path, list[int]]
) -> Iterator[tuple[Message, list[torch.Tensor]]]:
    """Put the pictures of snippets through the network.

    Args:
        messages: of decoders.
        tower: function of (B, 3, 224, 224) uint8 pictures, -> (B, D) features.
        batch_size: pictures it sees at once; the last time there may be fewer.
        crops: which of the ten are made of the images of each video.

    Yields:
        every message in its order, with the features of a Snippet's pictures, (D,) each, crop by
        crop; a list that is empty for the others.
    """
    told: deque[tuple[Message, list]] = deque()  # still without some features, or behind such
    pictures: deque[tuple[torch.Tensor, list]] = deque()  # with the list that waits for each
    for message in chain(messages, [None]):
        features: list[torch.Tensor] = []
        if message is not None:
            told.append((message, features))
        if isinstance(message, Snippet):
            parts = (crop(message.images, k) for k in crops[message.path])
            pictures.extend((picture, features) for part in parts for picture in part)
        while len(pictures) >= batch_size or (message is None and pictures):
            batch = [pictures.popleft() for _ in range(min(batch_size, len(pictures)))]
            made = tower(torch.stack([picture for picture, _ in batch])).cpu()
            for (_, of_snippet), feature in zip(batch, made, strict=True):
                of_snippet.append(feature)
        waiting = pictures[0][1] if pictures else None
        while told and told[0][1] is not waiting:
            yield told.popleft()


class FeatureFiles:
    """The files of one video, a crop each, that grow row by row and come whole or not at all.

    Args:
        paths: of the K files.
        dtype: of their values.
        width: D, values of a row.
    """

    def __init__(self, paths: list[Path], dtype: str, width: int):
        self.width = width
        self.rows = 0
        self.dtype = np.dtype(dtype)
        self.stack = ExitStack()
        for path in paths:
            remove_left_behind(path)
        partial = [self.stack.enter_context(whole_file(path)) for path in paths]
        self.files = [self.stack.enter_context(path.open("wb")) for path in partial]
        self._write_headers()

    def _write_headers(self) -> None:
        shape = {"descr": self.dtype.str, "fortran_order": False, "shape": (self.rows, self.width)}
        for file in self.files:
            np.lib.format.write_array_header_1_0(file, shape)  # with room for any number of rows

    def add(self, features: torch.Tensor) -> None:
        """A row of each crop, (K, D)."""
        self.rows += 1
        for file, row in zip(self.files, features.numpy().astype(self.dtype), strict=True):
            file.write(row.tobytes())

    def finish(self) -> None:
        for file in self.files:
            file.seek(0)
        self._write_headers()
        self.stack.close()

    def discard(self) -> None:
        """Leave nothing behind; what is finished stays."""
        error = UserError("discarded")
        self.stack.__exit__(UserError, error, None)


class Extraction:
    """Videos to extract, without those that are done.

    Args:
        videos: files and their paths without suffix below `out`.
        out: folder of the features.
        crops: which of the ten. Those of a video that have a file already are left alone.
        recipe: how they are made; what the network is, it only records.
        failures: list that those of this extraction are added to.

    Attributes:
        waiting: videos to extract.
        skipped, written: how many were there before, and are new.
        failures: what could not be extracted and why.
    """

    def __init__(
        self,
        videos: dict[Path, Path],
        out: Path,
        crops: list[int],
        recipe: Recipe,
        failures: list[str] | None = None,
    ):
        self.recipe = recipe
        self.places = {file: out / place for file, place in videos.items()}
        self.crops = {
            file: [k for k in crops if not feature_file(place, k).is_file()]
            for file, place in self.places.items()
        }
        self.waiting = [file for file, missing in self.crops.items() if missing]
        self.skipped = len(videos) - len(self.waiting)
        self.written = 0
        self.failures: list[str] = [] if failures is None else failures

    def run(self, tower, batch_size: int, decoders: int) -> None:
        """Extract the videos that wait, see `each`."""
        for _ in self.each(tower, batch_size, decoders):
            pass

    def each(
        self, tower, batch_size: int, decoders: int, advice: str | None = None
    ) -> Iterator[Path]:
        """Extract the videos that wait.

        Args:
            tower, batch_size: the network, and the pictures it sees at once, see `encoded`;
                `tower.width` is D.
            decoders: videos decoded at once.
            advice: to those for whom it takes long, see `ExtractionProgress`.

        Yields:
            a video as soon as its files are there.
        """
        pool, size = self.recipe.pool, self.recipe.snippet_frames
        with (
            decoded(self.waiting, pool, size, decoders) as messages,
            ExtractionProgress(len(self.waiting), advice) as progress,
        ):
            progress.expect(sum(map(Video.frames_about, self.waiting)))
            told = encoded(messages, tower, batch_size, self.crops)
            yield from self._write(told, tower.width, progress)

    def _write(
        self,
        told: Iterable[tuple[Message, list[torch.Tensor]]],
        width: int,
        progress: ExtractionProgress,
    ) -> Iterator[Path]:
        files: dict[Path, FeatureFiles] = {}
        made: dict[Path, dict] = {}  # for the records
        size = self.recipe.snippet_frames
        with ExitStack() as unfinished:
            for message, features in told:
                match message:
                    case Opened(path):
                        made[path] = made_of(path, self.recipe)
                        paths = [feature_file(self.places[path], k) for k in self.crops[path]]
                        files[path] = FeatureFiles(paths, self.recipe.dtype, width)
                        unfinished.callback(files[path].discard)
                    case Snippet(path):
                        # [K·F, D] -> [K, F, D] -> [K, D]
                        rows = torch.stack(features).unflatten(0, (len(self.crops[path]), -1))
                        files[path].add(rows.mean(dim=1))
                        progress.add(size)
                    case Ended(path, frames):
                        write_record(self.places[path], made[path], self.crops[path])
                        files[path].finish()
                        self.written += 1
                        progress.end_video()
                        if frames < size:
                            say(f"{path} has {frames} frames, fewer than {size}: one row")
                        yield path
                    case Failed(path, reason):
                        if path in files:
                            files[path].discard()
                        self.failures.append(reason)
                        progress.end_video()
