"""Training clips packed into one file, as `--cache DIR` has them:

<DIR>/<list>_N256_<key>.f32    the clips' valid rows one after another, (R, D) float32
<DIR>/<list>_N256_<key>.json   {"lengths": rows of each clip in list order, "checksums": CRC-32 of
                               each}; its presence says that the packing was finished

The key stands for the list's content, N, and path, size and time of every feature file. Where any
of these changes, the key does, and the clips are packed anew; what an older key names is left for
whoever may be reading it, and can be deleted by hand.

A clip is held against its checksum when it is first read. One that is damaged comes from its
feature file instead, and the next run packs the clips anew.
"""

import hashlib
import json
import sys
import zlib
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout
from tqdm import tqdm

from utils.datasets.clips import FeatureClips
from utils.datasets.reading import reader
from utils.system.console import note
from utils.system.errors import UserError
from utils.system.files import remove_left_behind, whole_file, write_json

VALUE_BYTES = np.dtype(np.float32).itemsize
CACHE_VERSION = 2  # another one wherever clips are cut or packed in another way


class CachedClips:
    """The clips of FeatureClips, from the cache, which is packed first where it does not exist yet.

    Runs that need one cache at the same time wait for the first of them to pack it. What a run
    killed while packing left behind is removed when the cache is packed again.

    Args:
        clips: cut from the feature files.
        train_list: path of their list.
        folder: of caches.
        workers: processes that read features.

    Raises:
        UserError: a feature file cannot be read, or the cache cannot be written.
    """

    def __init__(self, clips: FeatureClips, train_list: str, folder: str, workers: int):
        self.clips = clips
        self.rows = clips.rows
        self.width = clips.width
        key = cache_key(clips, train_list)
        name = f"{Path(train_list).stem}_N{clips.visual_length}_{key}"
        self.path, self.index = Path(folder, f"{name}.f32"), Path(folder, f"{name}.json")
        if (finished := self._finished()) is None:
            with exclusive(Path(folder, f"{name}.lock")):
                finished = self._finished() or self._pack(workers)
        lengths, self.unchecked = finished
        self.bounds = np.cumsum([0, *lengths])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[np.ndarray, torch.Tensor]:
        start, end = self.bounds[index : index + 2]
        clip = self._packed[start:end]
        if self.unchecked[index] is not None:
            if zlib.crc32(clip) != self.unchecked[index]:
                self._give_up()
                return self.clips[index]
            self.unchecked[index] = None
        return clip, self.rows[index].label

    def _give_up(self) -> None:
        """Let the next run pack the clips anew."""
        try:
            self.index.unlink()
            note(
                f"{self.path} is damaged: what differs is read from the feature files, and the "
                "next run packs it anew"
            )
        except OSError:  # said before; or it stays, and will be found again
            pass

    @cached_property
    def _packed(self) -> np.ndarray:
        """(R, D), opened by each process for itself."""
        return np.memmap(self.path, np.float32, "r").reshape(-1, self.width)

    def _finished(self) -> tuple[list[int], list[int]] | None:
        """Rows and checksum of each clip, where the cache is whole."""
        try:
            index = json.loads(self.index.read_text(encoding="utf-8"))
            lengths, checksums = index["lengths"], index["checksums"]
            size = self.path.stat().st_size
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        whole = (
            _are_whole(lengths, len(self), 1, self.clips.visual_length)
            and _are_whole(checksums, len(self), 0, 2**32)
            and size == sum(lengths) * self.width * VALUE_BYTES
        )
        return (lengths, checksums) if whole else None

    def _pack(self, workers: int) -> tuple[list[int], list[int]]:
        remove_left_behind(self.path)
        remove_left_behind(self.index)
        loader = reader(self.clips, workers, batch_size=None)
        lengths, checksums = [], []
        with whole_file(self.path) as partial, partial.open("wb") as file:
            for clip, _ in tqdm(loader, desc=f"packing {self.path}", unit="clip", disable=None):
                file.write(clip.numpy().data)
                lengths.append(len(clip))
                checksums.append(zlib.crc32(clip.numpy()))
        write_json(self.index, {"lengths": lengths, "checksums": checksums})
        return lengths, checksums


def _are_whole(values, count: int, least: int, most: int) -> bool:
    """Whether these are so many whole numbers in this range."""
    known = isinstance(values, list) and len(values) == count
    return known and all(type(value) is int and least <= value <= most for value in values)


def cache_key(clips: FeatureClips, train_list: str) -> str:
    """Changes with all that the clips are made of."""
    files = []
    for row in clips.rows:
        try:
            stat = row.path.stat()
        except OSError as error:
            raise UserError(f"feature file {row.path} cannot be read: {error.strerror}") from None
        files.append((str(row.path), stat.st_size, stat.st_mtime_ns))
    made_of = json.dumps([CACHE_VERSION, clips.visual_length, files]).encode()
    return hashlib.sha256(Path(train_list).read_bytes() + made_of).hexdigest()[:12]


@contextmanager
def exclusive(path: Path):
    """Hold a lock file for a while, first waiting for whoever holds it now."""
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"waiting for the run that is packing {path.stem}", file=sys.stderr)
            lock.acquire()
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"--cache {path.parent} cannot be written: {reason}") from None
    try:
        yield
    finally:
        lock.release()
