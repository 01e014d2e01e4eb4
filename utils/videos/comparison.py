"""Features of the same videos from two sources, A and B, compared row by row.

A feature file does not tell which frames its rows are made of, nor which part of the pictures. But
features that were made alike are all but equal. So every way in which A may match B is tried: each
pool of A, each crop of A with each of B, and A shifted by a row.

One video is in memory at a time, and of its features some rows. No PyTorch here.
"""

from heapq import nsmallest
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from utils.system.errors import UserError
from utils.system.untrusted import load_array
from utils.videos.feature_folders import Kind

OFFSETS = (-1, 0, 1)  # rows that A is shifted by
CHUNK = 1024  # rows of each file in memory
BINS = 20_000  # that cosines are counted in, finer near 1: their median is known to 1e-4
WORST = 5  # videos that are remembered
TINY = 1e-12  # in place of the norm of a row of zeros


class Match(NamedTuple):
    """A way in which A may match B: row t + offset of a kind of A is row t of a kind of B."""

    a: Kind
    b: Kind
    offset: int


class VideoFit(NamedTuple):
    """How well a match fits a video: mean and lowest cosine, row (of B) of the lowest."""

    mean: float
    lowest: float
    row: int
    video: str
    rows_a: int
    rows_b: int


class Fit:
    """How well a match fits all videos.

    Attributes:
        videos, rows: that were compared.
        lowest: of the rows' cosines.
        worst: the videos that it fits worst.
    """

    def __init__(self):
        self.videos, self.rows, self.lowest = 0, 0, 1.0
        self.worst: list[VideoFit] = []
        self.counts = np.zeros(BINS, np.int32)
        self.cosines = self.norms_a = self.norms_b = 0.0  # sums

    def add(self, cosines: np.ndarray, norm_a: float, norm_b: float, of_video: VideoFit) -> None:
        """The cosines of a video's rows, (T,), and the mean norms of its rows."""
        self.videos += 1
        self.rows += len(cosines)
        self.lowest = min(self.lowest, of_video.lowest)
        self.worst = nsmallest(WORST, [*self.worst, of_video])
        # The sine of half the angle, 0…1: 1 − cos is twice its square.
        sines = np.sqrt(((1 - cosines) / 2).clip(0, 1))
        places = (sines * BINS).astype(int).clip(0, BINS - 1)
        self.counts += np.bincount(places, minlength=BINS)
        self.cosines += cosines.sum(dtype=float)
        self.norms_a += norm_a * len(cosines)
        self.norms_b += norm_b * len(cosines)

    @property
    def mean(self) -> float:
        return self.cosines / self.rows

    @property
    def median(self) -> float:
        place = np.searchsorted(self.counts.cumsum(), (self.rows + 1) // 2)
        return 1 - 2 * ((place + 0.5) / BINS) ** 2

    @property
    def norm_ratio(self) -> float:
        """Norms of A over those of B."""
        return self.norms_a / max(self.norms_b, TINY)


class FeatureComparison:
    """How well the matches fit.

    Attributes:
        fits: by match.
        rows: that were compared, each counted once.
        uneven: videos that have not as many rows in A as in B.
        most: rows by which these differ at most.
    """

    def __init__(self):
        self.fits: dict[Match, Fit] = {}
        self.rows = self.uneven = self.most = 0

    def add(self, video: str, files_a: dict[Kind, Path], files_b: dict[Kind, Path]) -> None:
        """Compare a video.

        Raises:
            UserError: a file cannot be used, or the rows of A and B are not of the same width.
        """
        a, b = FilesOfVideo(files_a), FilesOfVideo(files_b)
        a.require_width_of(b)
        self.rows += min(a.rows, b.rows)
        self.uneven += a.rows != b.rows
        self.most = max(self.most, abs(a.rows - b.rows))
        cosines, norms_a, norms_b = compared(a, b)
        places = product(enumerate(files_a), enumerate(files_b), enumerate(OFFSETS))
        for (i, kind_a), (j, kind_b), (k, offset) in places:
            found = cosines[i, j, k]
            if (there := ~np.isnan(found)).any():
                row = int(np.nanargmin(found))
                numbers = float(found[there].mean()), float(found[row]), row
                of_video = VideoFit(*numbers, video, a.rows, b.rows)
                fit = self.fits.setdefault(Match(kind_a, kind_b, offset), Fit())
                fit.add(found[there], norms_a[i], norms_b[j], of_video)

    def best_first(self) -> list[tuple[Match, Fit]]:
        """Of those that fit as well, what needs no explanation comes first."""

        def key(found: tuple[Match, Fit]):
            match, fit = found
            return -round(fit.mean, 6), abs(match.offset), match.a.crop != match.b.crop

        return sorted(self.fits.items(), key=key)


class FilesOfVideo:
    """The K feature files of a video in one source.

    Attributes:
        rows: that each of them has at least.

    Raises:
        UserError: one cannot be used.
    """

    def __init__(self, files: dict[Kind, Path]):
        self.paths = [*files.values()]
        self.arrays = [load_array(path, "feature file", mmap_mode="r") for path in self.paths]
        for path, array in zip(self.paths, self.arrays, strict=True):
            if array.ndim != 2 or array.dtype.kind != "f" or not array.size:
                raise UserError(
                    f"feature file {path} has shape {array.shape} and type {array.dtype}; expected "
                    "(T, D), floating point"
                )
        self.rows = min(map(len, self.arrays))

    def require_width_of(self, other: "FilesOfVideo") -> None:
        """
        Raises:
            UserError: the rows of the files, here and there, are not all as wide.
        """
        first = self.arrays[0].shape[1]
        for opened in (self, other):
            for path, array in zip(opened.paths, opened.arrays, strict=True):
                if array.shape[1] != first:
                    raise UserError(
                        f"the rows of {self.paths[0]} have {first} values, those of {path} "
                        f"{array.shape[1]}: features of different networks cannot be compared"
                    )

    def directions(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows as unit vectors (T, K, D), NaN where there are none, and their norms (T, K)."""
        begin, end = max(start, 0), min(stop, self.rows)
        with np.errstate(over="ignore"):  # found below
            values = np.stack([array[begin:end].astype(np.float32) for array in self.arrays], 1)
            norms = np.linalg.norm(values, axis=2)
        if not np.isfinite(norms).all():
            path = self.paths[int(np.argmin(np.isfinite(norms).all(axis=0)))]
            raise UserError(f"feature file {path} holds NaN or infinite values: make it again")
        values /= np.maximum(norms, TINY)[:, :, None]
        beyond = (begin - start, stop - end), (0, 0), (0, 0)
        return np.pad(values, beyond, constant_values=np.nan), norms


def compared(a: FilesOfVideo, b: FilesOfVideo) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cosines of a video's rows (K of A, K of B, offsets, T), NaN where A has no such row, and the
    mean norms of the rows of each file of A and of B."""
    both = min(a.rows, b.rows)
    count = min(b.rows, a.rows - min(OFFSETS))
    cosines = np.empty((len(a.arrays), len(b.arrays), len(OFFSETS), count), np.float32)
    norms_a, norms_b = np.zeros(len(a.arrays)), np.zeros(len(b.arrays))  # sums over rows of both
    for start in range(0, count, CHUNK):
        stop = min(start + CHUNK, count)
        first = start + min(OFFSETS)
        rows_b, norms = b.directions(start, stop)
        norms_b += norms[: both - start].sum(axis=0)
        rows_a, norms = a.directions(first, stop + max(OFFSETS))
        norms_a += norms[start - max(first, 0) :][: min(stop, both) - start].sum(axis=0)
        for k, offset in enumerate(OFFSETS):
            shifted = rows_a[start + offset - first :][: stop - start]
            # [T, K of A, D] @ [T, D, K of B] -> [K of A, K of B, T]
            found = shifted @ rows_b.transpose(0, 2, 1)
            cosines[:, :, k, start:stop] = found.transpose(1, 2, 0)
    return cosines, norms_a / both, norms_b / both
