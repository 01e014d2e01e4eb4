"""The official files of ground truth: a 0 or 1 per frame, and segments and labels per video."""

import json
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from utils.datasets.features import SNIPPET_FRAMES
from utils.datasets.ground_truth import GroundTruth, edges_of, rasterize, runs_of_ones, union
from utils.datasets.lists import Row
from utils.labels import Dataset
from utils.row_time import MOST
from utils.system.errors import UserError
from utils.system.untrusted import load_array, load_object_array

MAKE_IT = "make it with 'python -m utils.make_lists', see list/README.md"


class TruthFiles(NamedTuple):
    """The paths of a test list's ground truth, as `--gt-path` and its kin name them.

    Attributes:
        train_list: its videos may have events, too, in a table of events.
    """

    frames: str
    segments: str
    labels: str
    train_list: str = ""

    @classmethod
    def of(cls, args) -> "TruthFiles":
        return cls(args.gt_path, args.gt_segment_path, args.gt_label_path, args.train_list)

    def present(self) -> "TruthFiles":
        """With the forms that are there, see `present_form`."""
        segments, labels = (str(present_form(path)) for path in (self.segments, self.labels))
        return self._replace(segments=segments, labels=labels)


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


def from_files(files: TruthFiles, test_list: str, rows: list[Row], facts: Dataset) -> GroundTruth:
    """From the official files."""
    frames = read_frames(files.frames)
    files = files.present()
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
    _fill_normal(segments, labels, edges, rows, facts)
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
    files = files.present()
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
        labels[i] = [c for (start, _), c in zip(segments[i], labels[i], strict=True) if start < end]
        clipped = [(start, min(stop, end)) for start, stop in segments[i] if start < end]
        segments[i] = [(0, end)] if row.normal and clipped else clipped
        labels[i] = labels[i][: len(segments[i])]
        spans.append([] if row.normal else union(clipped))
    _fill_normal(segments, labels, edges, rows, facts)
    return GroundTruth(edges, spans, segments, labels)


def _fill_normal(
    segments: list[list],
    labels: list[list],
    edges: list[np.ndarray],
    rows: list[Row],
    facts: Dataset,
) -> None:
    """Give normal videos that have no segment one of their whole length, as the others have."""
    for i, (row, of_video) in enumerate(zip(rows, edges, strict=True)):
        if row.normal and not segments[i]:
            segments[i], labels[i] = [(0, int(of_video[-1]))], [facts.ground_truth_normal]


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
