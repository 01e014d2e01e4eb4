"""Training clips, cut from the feature files or, with `--cache DIR`, packed into one file first.

<DIR>/<list>_N256_<key>.f32    the clips' valid rows one after another, (R, 512) float32
<DIR>/<list>_N256_<key>.json   {"lengths": rows of each clip in list order}; its presence says that
                               the packing was finished

The key stands for the list's content, N, and path, size and time of every feature file. Where any
of these changes, the key does, and the clips are packed anew.
"""

import hashlib
import json
import sys
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from torch.utils.data import DataLoader
from tqdm import tqdm

from utils.clip_loader import WIDTH
from utils.datasets import Row, TrainingClips, process_feat, read_features
from utils.errors import UserError
from utils.files import whole_file, write_json

ROW_BYTES = WIDTH * np.dtype(np.float32).itemsize


def clip_reader(rows: list[Row], args):
    """What gives the training clips of a list: row -> (≤ N, 512) float32, the valid rows.

    Args:
        rows: all of the list `args.train_list`.
        args: options, of which the list, N, the cache and the number of workers.

    Raises:
        UserError: a feature file cannot be packed, or the cache cannot be written.
    """
    read = FeatureClips(args.visual_length)
    return ClipCache(rows, read, args) if args.cache else read


class FeatureClips:
    """Clips cut from the feature files as they are asked for."""

    def __init__(self, visual_length: int):
        self.visual_length = visual_length

    def __call__(self, row: Row) -> np.ndarray:
        clip, valid = process_feat(read_features(row.path), self.visual_length)
        return clip[:valid]


class ClipCache:
    """Clips read from the cache, which is packed first where it does not exist yet.

    Runs that need the same cache at the same time wait for the first one's packing. What a killed
    run left behind is removed and packed again.
    """

    def __init__(self, rows: list[Row], read: FeatureClips, args):
        name = f"{Path(args.train_list).stem}_N{read.visual_length}"
        stem = Path(args.cache) / f"{name}_{cache_key(rows, read, args.train_list)}"
        self.path, index = stem.with_suffix(".f32"), stem.with_suffix(".json")
        with exclusive(stem.with_suffix(".lock")):
            if (lengths := self._finished(index)) is None:
                lengths = self._pack(rows, read, args.num_workers)
                write_json(index, {"lengths": lengths})
        ends = np.cumsum(lengths)
        self.places = {
            row.path: (end - length, end)
            for row, end, length in zip(rows, ends, lengths, strict=True)
        }

    @cached_property
    def packed(self) -> np.ndarray:
        """(R, 512), opened by each process for itself."""
        return np.memmap(self.path, np.float32, "r").reshape(-1, WIDTH)

    def __call__(self, row: Row) -> np.ndarray:
        start, end = self.places[row.path]
        return self.packed[start:end]

    def _finished(self, index: Path) -> list[int] | None:
        """Rows of each clip, where the cache is whole."""
        try:
            lengths = json.loads(index.read_text(encoding="utf-8"))["lengths"]
            return lengths if self.path.stat().st_size == sum(lengths) * ROW_BYTES else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _pack(self, rows: list[Row], read: FeatureClips, workers: int) -> list[int]:
        for left_behind in self.path.parent.glob(f".{self.path.stem}.*"):
            left_behind.unlink()
        clips = DataLoader(TrainingClips(rows, read), batch_size=None, num_workers=workers)
        lengths = []
        with whole_file(self.path) as partial, partial.open("wb") as file:
            for clip, _, valid in tqdm(clips, desc=f"packing {self.path}", unit="clip"):
                file.write(clip[:valid].numpy().data)
                lengths.append(int(valid))
        return lengths


def cache_key(rows: list[Row], read: FeatureClips, train_list: str) -> str:
    """Changes with all that the clips are made of."""
    files = [(str(row.path), (stat := row.path.stat()).st_size, stat.st_mtime_ns) for row in rows]
    content = Path(train_list).read_bytes() + json.dumps([read.visual_length, files]).encode()
    return hashlib.sha256(content).hexdigest()[:12]


@contextmanager
def exclusive(path: Path):
    """Hold a lock file for a while, first waiting for whoever holds it now."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"waiting for the run that is packing {path.stem}", file=sys.stderr)
            lock.acquire()
    except OSError as error:
        raise UserError(
            f"--cache {path.parent} cannot be written: {error.strerror or error}"
        ) from None
    try:
        yield
    finally:
        lock.release()
