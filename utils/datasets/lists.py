"""Lists `path,label` of feature files. Two further columns may follow: `video`, its name, and
`frames` or `seconds`, its length."""

import os
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from utils.datasets.csv_table import read_cells
from utils.datasets.features import read_features, video_name
from utils.labels import Dataset
from utils.network.backbone import WIDTH
from utils.row_time import UNITS
from utils.system.errors import UserError
from utils.system.files import composed

if TYPE_CHECKING:  # lists are read without PyTorch
    import torch

COLUMNS = ["path", "label"]


class Row(NamedTuple):
    """One row of a list."""

    path: Path
    label: "torch.Tensor"  # (C,) multi-hot
    place: str = ""  # list and line, for errors
    width: int = WIDTH  # of the features
    name: str = ""  # of the video, where the list says it
    length: float | None = None  # of the video, in the data set's unit, where the list says it

    @property
    def normal(self) -> bool:
        return bool(self.label[0])

    @property
    def video(self) -> str:
        return self.name or video_name(self.path)

    def features(self, header_only: bool = False) -> np.ndarray:
        """`read_features`; errors name the row."""
        try:
            return read_features(self.path, header_only, self.width)
        except UserError as error:
            raise UserError(f"{self.place}: {error}" if self.place else str(error)) from None


def crops_of_videos(rows: list[Row]) -> list[list[int]]:
    """Indices of the rows of each video, in the order of its first one."""
    videos: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        videos.setdefault(row.video, []).append(i)
    return list(videos.values())


def read_list(
    path: str, facts: Dataset, feature_root: str | None = None, absent: bool = False
) -> list[Row]:
    """Read a list `path,label`.

    Args:
        path: of the CSV.
        facts: of the data set, which knows the labels.
        feature_root: folder to find the features in. Of a row's path the longest tail that exists
            under it counts, so the folder that the list was written for does not matter.
        absent: whether feature files need not be there.

    Raises:
        UserError: the list is missing, empty, without the two columns, names an unknown label or a
            feature file that does not exist.
    """
    rows = []
    for line, row in list_rows(path, facts, feature_root, absent):
        if isinstance(row, UserError):
            raise UserError(f"{path}, line {line}: {row}")
        rows.append(row)
    return rows


def list_rows(path: str, facts: Dataset, feature_root: str | None, absent: bool = False):
    """Line number and row of each row of a list, as for `read_list`; for a row that cannot be used,
    the error instead."""
    encode = cache(facts.encode)
    find = FeatureFinder(feature_root, absent)
    width = facts.width or WIDTH
    for line, (file, label, *more) in list_lines(path):
        place = f"{path}, line {line}"
        try:
            length = facts.length_of(*more[1:])
            yield line, Row(find(file), encode(label), place, width, composed(more[0]), length)
        except UserError as error:
            yield line, error


def list_lines(path: str) -> list[tuple[int, tuple[str, ...]]]:
    """Line number and texts, (path, label, video, frames, seconds), of each row of a list that is
    not blank. Of a column that is not there the text is empty.

    Raises:
        UserError: the list is missing, empty, no UTF-8 text or without the two columns.
    """
    try:
        header, *lines = read_cells(path)
    except FileNotFoundError:
        raise UserError(
            f"list {path} not found: make it with 'python -m utils.make_lists', see list/README.md"
        ) from None
    except UnicodeDecodeError:
        raise UserError(f"list {path} is not UTF-8 text: save it as such") from None
    except (OSError, ValueError) as error:
        raise UserError(f"list {path} cannot be read: {' '.join(str(error).split())}") from None
    for column in COLUMNS:
        if (times := header.count(column)) != 1:
            raise UserError(
                f"list {path} has the columns {', '.join(header)}; expected path,label "
                f"({f'{column} twice' if times else f'no {column}'})"
            )
    places = {name: i for i, name in enumerate(header)}
    columns = [places.get(name) for name in (*COLUMNS, "video", *UNITS)]
    rows = [
        (n, tuple("" if i is None else line[i] for i in columns))
        for n, line in enumerate(lines, start=2)
    ]
    rows = [(n, row) for n, row in rows if any(row)]
    if not rows:
        raise UserError(f"list {path} is empty: expected a row path,label per feature file")
    return rows


class FeatureFinder:
    """Finds the feature files of a list, see `read_list`."""

    def __init__(self, root: str | None, absent: bool = False):
        self.root = root
        self.absent = absent  # whether they need not be there
        self.folders = cache(self._folders)

    def __call__(self, file: str) -> Path:
        if not file:
            raise UserError("the path is empty")
        if file.splitlines() != [file]:
            raise UserError(f"the path goes over several lines, '{file[:60]}…': a stray quote?")
        if self.root is None:
            # Unlike Path's, this is false for names that are too long.
            if os.path.isfile(file) or self.absent:
                return Path(file)
            raise UserError(
                f"feature file {file} not found: if the list was made elsewhere, say with "
                "--feature-root where the features are"
            )
        parts = [part for part in re.split(r"[/\\]", file) if part]
        if parts and ".." not in parts:
            for folder in self.folders(*parts[:-1]):
                if os.path.isfile(path := folder / parts[-1]):
                    return path
        if self.absent:
            return Path(file)
        raise UserError(f"feature file {file} not found under --feature-root {self.root}")

    def _folders(self, *folders: str) -> list[Path]:
        """Those under the root that a row's folders end in, the longest tail first."""
        tails = (Path(self.root, *folders[i:]) for i in range(len(folders) + 1))
        return [tail for tail in tails if os.path.isdir(tail)]
