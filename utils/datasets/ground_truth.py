"""Ground truth of the test videos: what is abnormal in them, and segments with their class."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from utils.datasets.lists import Row
from utils.labels import Dataset
from utils.system.errors import UserError


@dataclass
class GroundTruth:
    """Ground truth of the V videos of a test list, in its order. Times are in the data set's unit,
    frames or seconds.

    Attributes:
        edges: per video (T + 1,), when its rows begin and end.
        spans: per video, [start, end) of what is abnormal; disjoint, by time.
        segments: per video, [start, end) of what happens, by class.
        labels: per video, the class of each segment; of a normal video what the data set calls it.
    """

    edges: list[np.ndarray]
    spans: list[list[tuple[float, float]]]
    segments: list[list[tuple[float, float]]]
    labels: list[list[str]]

    @cached_property
    def durations(self) -> np.ndarray:
        """(Σ T,), the frames, or seconds, of each row."""
        return np.concatenate([np.diff(edges) for edges in self.edges])

    @cached_property
    def abnormal(self) -> np.ndarray:
        """(Σ T,), how many of them are abnormal."""
        videos = zip(self.edges, self.spans, strict=True)
        return np.concatenate([covered(edges, spans) for edges, spans in videos])

    @property
    def one_kind(self) -> bool:
        """Whether all frames are normal, or all abnormal."""
        return not 0 < self.abnormal.sum() < self.durations.sum()

    def shown(self, codes) -> np.ndarray:
        """(Σ T, len(codes)), how much of each row shows each class."""
        parts = []
        for edges, segments, labels in zip(self.edges, self.segments, self.labels, strict=True):
            named = list(zip(segments, labels, strict=True))
            spans = [union(part for part, label in named if label == code) for code in codes]
            parts.append(np.stack([covered(edges, of_class) for of_class in spans], axis=1))
        return np.concatenate(parts)


def edges_of(row: Row, facts: Dataset, count: int | None = None) -> np.ndarray:
    """When the rows of a video begin and end.

    Args:
        count: of its rows; by default those of its features.

    Raises:
        UserError: the features cannot be read, or the rows do not fit the video's length.
    """
    if count is None:
        count = len(row.features(header_only=True))
    try:
        return facts.row.edges(count, row.length)
    except UserError as error:
        raise UserError(f"{row.place}: video {row.video}: {error}") from None


def covered(edges: np.ndarray, spans) -> np.ndarray:
    """How much of each row disjoint spans cover: (T + 1,) -> (T,)."""
    total = np.zeros(len(edges) - 1, dtype=edges.dtype)
    for start, end in spans:
        total += np.diff(np.clip(edges, start, end).astype(edges.dtype))
    return total


def union(segments) -> list[tuple[float, float]]:
    """Segments, by time and joined where they overlap or touch."""
    spans: list[tuple[float, float]] = []
    for start, end in sorted(segments):
        if spans and start <= spans[-1][1]:
            spans[-1] = spans[-1][0], max(spans[-1][1], end)
        else:
            spans.append((start, end))
    return spans


def flat(pairs: list[list]) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of each video -> all pairs (M, 2), and of which video each is (M,)."""
    videos = np.repeat(np.arange(len(pairs)), [len(of_video) for of_video in pairs])
    return np.array([p for of_video in pairs for p in of_video]).reshape(-1, 2), videos


def runs_of_ones(frames: np.ndarray) -> list[tuple[int, int]]:
    """(F,) of 0 and 1 -> [start, end) of the ones."""
    steps = np.flatnonzero(np.diff(frames, prepend=0, append=0))
    return list(zip(steps[::2].tolist(), steps[1::2].tolist(), strict=True))


def rasterize(segments, count: int) -> np.ndarray:
    """Segments of a video of `count` frames -> (count,) float32 of 0 and 1."""
    frames = np.zeros(count, dtype=np.float32)
    for start, end in segments:
        frames[start:end] = 1
    return frames
