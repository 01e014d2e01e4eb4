"""Ground truth of the test videos: what is abnormal in them, and segments with their class. It is
read from a table of events, or from the official files, which have a 0 or 1 per frame."""

import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from utils.datasets.event_table import events_of
from utils.datasets.features import SNIPPET_FRAMES
from utils.datasets.lists import Row
from utils.labels import Dataset
from utils.row_time import MOST
from utils.system.console import note, plural
from utils.system.errors import UserError
from utils.system.untrusted import load_array, load_object_array

MAKE_IT = "make it with 'python -m utils.make_lists', see list/README.md"


class TruthFiles(NamedTuple):
    """The paths of a test list's ground truth, as `--gt-path` and its kin name them."""

    frames: str
    segments: str
    labels: str

    @classmethod
    def of(cls, args) -> "TruthFiles":
        return cls(args.gt_path, args.gt_segment_path, args.gt_label_path)


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


def present_form(path: str) -> Path:
    """`x.npy` and `x.json` are two forms of one file: whichever of the two is there.

    Raises:
        UserError: none is there, or both are.
    """
    stem = os.path.splitext(path)[0]
    present = [Path(p) for p in (f"{stem}.json", f"{stem}.npy") if os.path.isfile(p)]
    if len(present) > 1:
        raise UserError(f"{present[0]} and {present[1]} both exist: remove the one not meant")
    if not present:
        raise UserError(f"ground truth {stem} not found, neither .json nor .npy: {MAKE_IT}")
    return present[0]


def read_per_video(path: str) -> tuple[list[list], list[str] | None]:
    """Segments or labels per video, and the videos' names where the file has them.

    Raises:
        UserError: the file is not there, or is no such list.
    """
    file = present_form(path)
    if file.suffix == ".npy":
        videos, names = load_object_array(file), None
    else:
        try:
            named = json.loads(file.read_text(encoding="utf-8"))
            videos, names = list(named.values()), list(named)
        except (OSError, ValueError, AttributeError, RecursionError) as error:
            raise UserError(f"{file} is not a JSON object of lists per video: {error}") from None
    if not isinstance(videos, list) or not all(isinstance(video, list) for video in videos):
        raise UserError(f"{file}: expected a list of segments or labels per video")
    return videos, names


def read_frames(path: str) -> np.ndarray:
    """The frame ground truth, (F,) of 0 and 1."""
    if not os.path.isfile(path):
        raise UserError(f"ground truth {path} not found: {MAKE_IT}")
    frames = load_array(path, "ground truth")
    if frames.ndim != 1 or not np.isin(frames, (0, 1)).all():
        raise UserError(f"ground truth {path} must be one row of 0 and 1, one per frame")
    return frames.astype(np.float32)


def read_ground_truth(
    files: TruthFiles,
    test_list: str,
    rows: list[Row],
    facts: Dataset,
    others: set[str] | None = None,
    edges: list[np.ndarray] | None = None,
) -> GroundTruth | None:
    """The ground truth of a test list, see that it belongs to it. None if the data set has none.

    Args:
        files: of the official form.
        test_list: path of the test list, for errors.
        rows: of the test list.
        facts: of the data set.
        others: as for `events_of`.
        edges: of the rows of each video; by default those of its features. Of the official files
            the segments then count, not the frames.

    Raises:
        UserError: a file is missing or damaged, or does not fit the list.
    """
    if facts.is_own or edges:
        _require_apart(rows)
    if not facts.has_events:
        return None
    if facts.events:
        truth = from_events(rows, facts, others, edges or [edges_of(row, facts) for row in rows])
    elif edges:
        truth = from_segments(files, rows, facts, edges)
    else:
        truth = from_files(files, test_list, rows, facts)
    if truth.one_kind:
        source = facts.events or files.frames
        what = f"{source} has only one kind of frame, so AUC and AP are not defined"
        if not facts.events and not edges:
            raise UserError(f"{what}: {MAKE_IT}")
        note(f"{what}: are these the events of the test videos?")
    return truth


def edges_of(row: Row, facts: Dataset) -> np.ndarray:
    """When the rows of a video's features begin and end.

    Raises:
        UserError: the features cannot be read, or do not fit the video's length.
    """
    count = len(row.features(header_only=True))
    try:
        return facts.row.edges(count, row.length)
    except UserError as error:
        raise UserError(f"{row.place}: video {row.video}: {error}") from None


def _require_apart(rows: list[Row]) -> None:
    """
    Raises:
        UserError: a video appears twice.
    """
    places: dict[str, str] = {}
    for row in rows:
        if row.video in places:
            raise UserError(
                f"{row.place}: video {row.video} is there already, see {places[row.video]}: a test "
                "list has one row per video, not all of its crops"
            )
        places[row.video] = row.place


def from_events(
    rows: list[Row], facts: Dataset, others: set[str] | None, edges: list[np.ndarray]
) -> GroundTruth:
    """From the data set's table of events."""
    ends = [of_video[-1].item() for of_video in edges]
    events = events_of(rows, ends, facts, others)
    videos = list(zip(events, ends, strict=True))
    if behind := [e.place for of_video, end in videos for e in of_video if e.start >= end]:
        note(
            f"{plural(len(behind), 'event')} behind the last row of a video, where nothing is "
            f"scored, first that of {behind[0]}: left out"
        )
    events = [
        [e._replace(end=min(e.end, end)) for e in of_video if e.start < end]
        for of_video, end in videos
    ]
    segments = [[(e.start, e.end) for e in of_video] for of_video in events]
    labels = [[e.code for e in of_video] for of_video in events]
    spans = [union(of_video) for of_video in segments]
    for i, row in enumerate(rows):
        if row.normal:
            segments[i], labels[i] = [(0, ends[i])], [facts.ground_truth_normal]
    return GroundTruth(edges, spans, segments, labels)


def from_files(files: TruthFiles, test_list: str, rows: list[Row], facts: Dataset) -> GroundTruth:
    """From the official files."""
    frames = read_frames(files.frames)
    segments, labels, named = read_segments(files)
    edges = [edges_of(row, facts) for row in rows]
    counts = [int(e[-1]) for e in edges]
    if len(frames) != sum(counts) or len(segments) != len(rows):
        where = _first_disagreement(frames, segments, counts, rows)
        raise UserError(
            f"{test_list} makes predictions for {sum(counts)} frames of {len(rows)} rows, but "
            f"{files.frames} has {len(frames)} frames and {files.segments} "
            f"{len(segments)} videos{where}: the list must have one row per video, not all "
            f"ten crops, and the ground truth must be made for these features"
        )
    _check(segments, labels, named, rows, files, facts)
    videos = np.split(frames, np.cumsum([e[-1] for e in edges])[:-1])
    return GroundTruth(edges, [runs_of_ones(video) for video in videos], segments, labels)


def read_segments(files: TruthFiles) -> tuple[list[list], list[list], list[list[str]]]:
    """Segments and labels per video, and the names of the videos that either file has."""
    segments, names = read_per_video(files.segments)
    labels, label_names = read_per_video(files.labels)
    try:
        segments = [[(int(start), int(end)) for start, end in video] for video in segments]
        if any(not 0 <= start < end < MOST for video in segments for start, end in video):
            raise ValueError
    except (OverflowError, TypeError, ValueError):
        raise UserError(
            f"{files.segments}: expected pairs of frames 0 ≤ start < end < {MOST} per video"
        ) from None
    return segments, labels, [given for given in (names, label_names) if given is not None]


def from_segments(
    files: TruthFiles, rows: list[Row], facts: Dataset, edges: list[np.ndarray]
) -> GroundTruth:
    """From the segments of the official files alone, where the number of frames of a video may be
    another by less than a row.

    Raises:
        UserError: it is another by more, or a segment lies behind its video's end.
    """
    segments, labels, named = read_segments(files)
    if len(segments) != len(rows):
        raise UserError(f"{files.segments} has {len(segments)} videos, the list {len(rows)}")
    _check(segments, labels, named, rows, files, facts)
    spans, allowed = [], facts.row.size or SNIPPET_FRAMES
    for i, (row, of_video) in enumerate(zip(rows, edges, strict=True)):
        end, last = int(of_video[-1]), max((end for _, end in segments[i]), default=0)
        if last - end > allowed or (row.normal and last and end - last > allowed):
            raise UserError(
                f"{row.video} has {end} frames here, but {'' if row.normal else 'at least '}{last} "
                f"in {files.segments}: are these the scores of this video?"
            )
        clipped = [(start, min(stop, end)) for start, stop in segments[i] if start < end]
        labels[i] = [c for (start, _), c in zip(segments[i], labels[i], strict=True) if start < end]
        segments[i] = [(0, end)] if row.normal else clipped
        spans.append([] if row.normal else union(clipped))
    return GroundTruth(edges, spans, segments, labels)


def _check(
    segments: list[list],
    labels: list[list],
    named: list[list[str]],
    rows: list[Row],
    files: TruthFiles,
    facts: Dataset,
) -> None:
    """See that segments and labels are of these videos."""
    allowed = list(dict.fromkeys([*facts.classes, facts.ground_truth_normal]))
    for row, of_video, names in zip(rows, segments, labels, strict=False):
        if not all(isinstance(name, str) for name in names):
            raise UserError(
                f"{files.labels}: {row.video} has labels that are not texts; expected one of "
                f"{', '.join(allowed)} each"
            )
        if len(of_video) != len(names) or not all(name in allowed for name in names):
            raise UserError(
                f"{files.labels}: {row.video} has {len(of_video)} segments and the labels "
                f"{', '.join(map(str, names))}; expected one of {', '.join(allowed)} each"
            )
    if len(labels) != len(rows):
        raise UserError(f"{files.labels} has {len(labels)} videos, the list {len(rows)}")
    for names in named:
        _check_names(names, rows)


def _first_disagreement(
    frames: np.ndarray, segments: list[list], counts: list[int], rows: list[Row]
) -> str:
    """The first video whose frames are not those its segments say, where that can be told."""
    start = 0
    for row, count, of_video in zip(rows, counts, segments, strict=False):
        end = start + count
        expected = rasterize([] if row.normal else of_video, count)
        wrong_length = row.normal and of_video and of_video[0][1] != count
        if wrong_length or not np.array_equal(frames[start:end], expected):
            return f" (the first difference is at {row.video})"
        start = end
    if len(rows) > len(segments):
        return f" (the first difference is at {rows[len(segments)].video})"
    return ""


def _check_names(names: list[str], rows: list[Row]) -> None:
    for name, row in zip(names, rows, strict=False):
        if name != row.video:
            raise UserError(
                f"{row.place}: {row.video} stands where the ground truth has {name}: they must "
                "list the same videos in the same order"
            )
