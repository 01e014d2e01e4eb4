"""Lists of features, the features themselves, and the clips and segments the model reads.

A snippet is 16 frames; a row of a feature file is a snippet.
"""

import os
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset

from utils.labels import Dataset as DatasetFacts
from utils.network.backbone import WIDTH
from utils.system.errors import UserError
from utils.system.files import load_array

SNIPPET_FRAMES = 16
COLUMNS = ["path", "label"]


class Row(NamedTuple):
    """One row of a list."""

    path: Path
    label: torch.Tensor  # (C,) multi-hot
    place: str = ""  # list and line, for errors

    @property
    def normal(self) -> bool:
        return bool(self.label[0])

    @property
    def video(self) -> str:
        return video_name(self.path)

    def features(self, header_only: bool = False) -> np.ndarray:
        """`read_features`; errors name the row."""
        try:
            return read_features(self.path, header_only)
        except UserError as error:
            raise UserError(f"{self.place}: {error}" if self.place else str(error)) from None


def video_name(path: Path) -> str:
    """Name of the video of a feature file `<video>__<crop>.npy`."""
    return path.stem.rsplit("__", 1)[0]


def read_list(path: str, facts: DatasetFacts, feature_root: str | None = None) -> list[Row]:
    """Read a list `path,label`.

    Args:
        path: of the CSV.
        facts: of the data set, which knows the labels.
        feature_root: folder to find the features in. Of a row's path the longest tail that exists
            under it counts, so the folder that the list was written for does not matter.

    Raises:
        UserError: the list is missing, empty, without the two columns, names an unknown label or a
            feature file that does not exist.
    """
    rows = []
    for line, row in list_rows(path, facts, feature_root):
        if isinstance(row, UserError):
            raise UserError(f"{path}, line {line}: {row}")
        rows.append(row)
    return rows


def list_rows(path: str, facts: DatasetFacts, feature_root: str | None):
    """Line number and row of each row of a list, as for `read_list`; for a row that cannot be used,
    the error instead."""
    encode = cache(facts.encode)
    find = FeatureFinder(feature_root)
    for line, (file, label) in list_lines(path):
        try:
            yield line, Row(find(file), encode(label), f"{path}, line {line}")
        except UserError as error:
            yield line, error


def list_lines(path: str) -> list[tuple[int, tuple[str, str]]]:
    """Line number and text, (path, label), of each row of a list that is not blank.

    Raises:
        UserError: the list is missing, empty, no UTF-8 text or without the two columns.
    """
    try:
        table = pd.read_csv(
            path, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig",
            skip_blank_lines=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise UserError(
            f"list {path} not found: make it with 'python -m utils.make_lists', see list/README.md"
        ) from None
    except UnicodeDecodeError:
        raise UserError(f"list {path} is no UTF-8 text: save it as such") from None
    except (OSError, ValueError) as error:
        raise UserError(f"list {path} cannot be read: {' '.join(str(error).split())}") from None
    header, *lines = table.itertuples(index=False, name=None)
    for column in COLUMNS:
        if (times := header.count(column)) != 1:
            raise UserError(
                f"list {path} has the columns {', '.join(header)}; expected path,label "
                f"({f'{column} twice' if times else f'no {column}'})"
            )
    places = [header.index(column) for column in COLUMNS]
    rows = [(n, tuple(line[i] for i in places)) for n, line in enumerate(lines, start=2)]
    rows = [(n, row) for n, row in rows if any(row)]
    if not rows:
        raise UserError(f"list {path} is empty: expected a row path,label per feature file")
    return rows


class FeatureFinder:
    """Finds the feature files of a list, see `read_list`."""

    def __init__(self, root: str | None):
        self.root = root
        self.depth = 1  # of the last file below the root, where the next one is looked for first

    def __call__(self, file: str) -> Path:
        if not file:
            raise UserError("the path is empty")
        if file.splitlines() != [file]:
            raise UserError(f"the path goes over several lines, '{file[:60]}…': a stray quote?")
        if self.root is None:
            if os.path.isfile(file):  # unlike Path's, false for names that are too long
                return Path(file)
            raise UserError(
                f"feature file {file} not found: if the list was made elsewhere, say with "
                "--feature-root where the features are"
            )
        parts = [part for part in re.split(r"[/\\]", file) if part]
        if ".." not in parts:
            for depth in (self.depth, *range(len(parts), 0, -1)):
                if os.path.isfile(path := Path(self.root, *parts[-depth:])):
                    self.depth = depth
                    return path
        raise UserError(f"feature file {file} not found under --feature-root {self.root}")


def read_features(path: Path, header_only: bool = False) -> np.ndarray:
    """Read a feature file.

    Args:
        path: `.npy`, (T, 512), any floating type.
        header_only: leave the values on disk, where only the shape is wanted.

    Returns:
        (T, 512) float32 (as the file has it with `header_only`).

    Raises:
        UserError: the file is missing, empty, damaged, of another shape or type, or not finite.
    """
    features = load_array(path, "feature file", mmap_mode="r" if header_only else None)
    shape = features.shape
    if len(shape) != 2 or shape[1] != WIDTH or not shape[0]:
        raise UserError(
            f"feature file {path} has shape {shape}; expected (T, {WIDTH}) with a row per "
            f"{SNIPPET_FRAMES} frames: CLIP ViT-B/16 image features"
        )
    if features.dtype.kind != "f":
        raise UserError(
            f"feature file {path} holds {features.dtype}; expected floating point: extract it again"
        )
    if header_only:
        return features
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite: refused below
        features = features.astype(np.float32)
    if not np.isfinite(features).all():
        row = int(np.flatnonzero(~np.isfinite(features).all(axis=1))[0])
        raise UserError(
            f"feature file {path} holds NaN or infinite values, first in row {row}: "
            "extract it again"
        )
    return features


def process_feat(feat: np.ndarray, length: int) -> tuple[np.ndarray, int]:
    """Training clip of a video: padded, or averaged down, to `length` rows.

    Args:
        feat: (T, D).
        length: N.

    Returns:
        (N, D) float32 and the number of valid rows. T ≤ N: zeros behind row T. T > N: row i is the
        mean of the rows r[i]…r[i+1]−1, r = linspace(0, T, N + 1) cut to integers.
    """
    feat = np.asarray(feat, dtype=np.float32)
    if len(feat) <= length:
        return np.pad(feat, ((0, length - len(feat)), (0, 0))), len(feat)
    bounds = np.linspace(0, len(feat), length + 1).astype(int)
    first, count = bounds[:-1], np.diff(bounds)
    total = np.zeros((length, feat.shape[1]), dtype=np.float32)
    with np.errstate(over="ignore"):  # becomes infinite, and the loss says so
        for offset in range(count.max()):  # in order, as np.mean adds: equal to the last bit
            more = count > offset
            total[more] += feat[first[more] + offset]
    return total / count.astype(np.float32)[:, None], length


def process_split(feat: np.ndarray, length: int) -> tuple[np.ndarray, int]:
    """Test segments of a video.

    Args:
        feat: (T, D).
        length: N.

    Returns:
        (S, N, D) float32 and T, with S = ⌊T/N⌋ + 1 and zeros behind row T; where N divides T the
        whole last segment is zeros.
    """
    feat = np.asarray(feat, dtype=np.float32)
    segments = len(feat) // length + 1
    padded = np.pad(feat, ((0, segments * length - len(feat)), (0, 0)))
    return padded.reshape(segments, length, -1), len(feat)


def segment_batches(
    videos: list[torch.Tensor], length: int, size: int
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The test segments of all videos, `size` at a time, without their padding.

    Args:
        videos: features (T, D) of each.
        length: N.
        size: segments of a batch.

    Returns:
        (V, D) snippets one after another and (S,) valid lengths of the segments they fill. A last
        segment that `process_split` fills with zeros alone is left out: no score comes from it.
    """
    lengths = torch.tensor(
        [min(length, len(v) - start) for v in videos for start in range(0, len(v), length)]
    ).split(size)
    snippets = torch.cat(videos).split([int(of_batch.sum()) for of_batch in lengths])
    return list(zip(snippets, lengths, strict=True))


class VideoFeatures(Dataset):
    """The features of a video per row: (T, 512)."""

    def __init__(self, rows: list[Row]):
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int):
        return torch.from_numpy(self.rows[index].features())
