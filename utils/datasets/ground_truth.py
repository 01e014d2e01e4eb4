"""Ground truth of the test videos: a 0 or 1 per frame, and segments with their class."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from utils.datasets.features import SNIPPET_FRAMES
from utils.datasets.lists import Row
from utils.labels import GROUND_TRUTH_NORMAL, Dataset
from utils.system.errors import UserError
from utils.system.untrusted import load_array, load_object_array

MOST_FRAMES = 2**31  # more than a year of video
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
    """Ground truth of the V videos of a test list, in its order.

    Attributes:
        frames: (Σ 16·T,) float32, 1 inside an annotated segment.
        segments: per video, frames [start, end).
        labels: per video, the class of each segment; `A` where the video is normal.
    """

    frames: np.ndarray
    segments: list[list[tuple[int, int]]]
    labels: list[list[str]]

    def abnormal_frames(self) -> np.ndarray:
        """(Σ T,), the abnormal frames among the 16 of each snippet."""
        return self.frames.reshape(-1, SNIPPET_FRAMES).sum(axis=1, dtype=np.int64)


def rasterize(segments, snippets: int) -> np.ndarray:
    """Segments of a video of `snippets` snippets -> (16·snippets,) float32 of 0 and 1."""
    frames = np.zeros(SNIPPET_FRAMES * snippets, dtype=np.float32)
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
            raise UserError(f"{file} is no JSON object of lists per video: {error}") from None
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
    files: TruthFiles, test_list: str, rows: list[Row], facts: Dataset
) -> GroundTruth:
    """Read the three ground-truth files of a test list and see that they belong to it.

    Args:
        files: to read.
        test_list: path of the test list, for errors.
        rows: of the test list.
        facts: of the data set.

    Raises:
        UserError: a file is missing or damaged, or does not fit the list.
    """
    frames = read_frames(files.frames)
    segments, names = read_per_video(files.segments)
    labels, label_names = read_per_video(files.labels)
    try:
        segments = [[(int(start), int(end)) for start, end in video] for video in segments]
        if any(not 0 <= start < end < MOST_FRAMES for video in segments for start, end in video):
            raise ValueError
    except (OverflowError, TypeError, ValueError):
        raise UserError(
            f"{files.segments}: expected pairs of frames 0 ≤ start < end < {MOST_FRAMES} per video"
        ) from None
    truth = GroundTruth(frames, segments, labels)
    counts = [len(row.features(header_only=True)) for row in rows]
    _check(truth, counts, rows, files, test_list, facts)
    for given in (names, label_names):
        if given is not None:
            _check_names(given, rows, test_list)
    if frames.min(initial=1) == frames.max(initial=0):
        raise UserError(
            f"{files.frames} has only one kind of frame, so AUC and AP are not defined: {MAKE_IT}"
        )
    return truth


def _check(
    truth: GroundTruth,
    counts: list[int],
    rows: list[Row],
    files: TruthFiles,
    test_list: str,
    facts: Dataset,
) -> None:
    predicted = SNIPPET_FRAMES * sum(counts)
    if len(truth.frames) != predicted or len(truth.segments) != len(rows):
        where = _first_disagreement(truth, counts, rows)
        raise UserError(
            f"{test_list} makes predictions for {predicted} frames of {len(rows)} rows, but "
            f"{files.frames} has {len(truth.frames)} frames and {files.segments} "
            f"{len(truth.segments)} videos{where}: the list must have one row per video, not all "
            f"ten crops, and the ground truth must be made for these features"
        )
    allowed = [*facts.classes, GROUND_TRUTH_NORMAL]
    for row, segments, labels in zip(rows, truth.segments, truth.labels, strict=False):
        if len(segments) != len(labels) or not all(label in allowed for label in labels):
            raise UserError(
                f"{files.labels}: {row.video} has {len(segments)} segments and the labels "
                f"{', '.join(map(str, labels))}; expected one of {', '.join(allowed)} each"
            )
    if len(truth.labels) != len(rows):
        raise UserError(f"{files.labels} has {len(truth.labels)} videos, {test_list} {len(rows)}")


def _first_disagreement(truth: GroundTruth, counts: list[int], rows: list[Row]) -> str:
    """The first video whose frames are not those its segments say, where that can be told."""
    start = 0
    for row, count, segments in zip(rows, counts, truth.segments, strict=False):
        end = start + SNIPPET_FRAMES * count
        expected = rasterize([] if row.normal else segments, count)
        wrong_length = row.normal and segments and segments[0][1] != SNIPPET_FRAMES * count
        if wrong_length or not np.array_equal(truth.frames[start:end], expected):
            return f" (they part company at {row.video})"
        start = end
    if len(rows) > len(truth.segments):
        return f" (they part company at {rows[len(truth.segments)].video})"
    return ""


def _check_names(names: list[str], rows: list[Row], test_list: str) -> None:
    for name, row in zip(names, rows, strict=False):
        if name != row.video:
            raise UserError(
                f"{test_list} has {row.video} where the ground truth has {name}: they must "
                "list the same videos in the same order"
            )
