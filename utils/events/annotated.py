"""What is known to happen in videos: the ground truth that an answer is shown beside."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from utils.datasets.annotations import read_ucf_annotations, xd_class_lines
from utils.datasets.ground_truth import GroundTruth
from utils.datasets.lists import Row
from utils.events.find import Timeline
from utils.labels import UCF_CRIME, Dataset
from utils.system.errors import UserError

CSV_COLUMNS = ["video", "start", "end", "class"]


class Segment(NamedTuple):
    """From when to when, and what. In seconds, unless it is said to be in frames."""

    start: float
    end: float
    name: str


class KnownEvents:
    """Ground truth by video.

    Args:
        videos: by name; of a normal video none. A class is given by its code, or as it is called.
        in_frames: whether the segments are in frames.
        facts: of the data set, which has names for its codes.
    """

    def __init__(self, videos: dict[str, list[Segment]], in_frames: bool, facts: Dataset):
        self.in_frames = in_frames
        names = dict(zip(facts.classes, facts.names, strict=True))
        self.videos = {
            video: [part._replace(name=names.get(part.name, part.name)) for part in segments]
            for video, segments in videos.items()
        }

    @classmethod
    def read(cls, path: Path, facts: Dataset) -> "KnownEvents":
        """
        Args:
            path: `.csv` with the columns video, start, end (in seconds) and class, where a video
                with nothing between its commas is normal; or the data set's own annotations, in
                frames: `Temporal_Anomaly_Annotation.txt` or `annotations_multiclasses.txt`.
            facts: of the data set.

        Raises:
            UserError: it cannot be read; the message names the line.
        """
        if path.suffix == ".csv":
            return cls(_read_csv(path), False, facts)
        if facts.name == UCF_CRIME.name:
            annotated = read_ucf_annotations(path).items()
            found = {video: _segments(a.segments, a.labels) for video, (_, a) in annotated}
        else:
            found = {video: _segments(*parts) for _, video, *parts in xd_class_lines(path)}
        return cls(found, True, facts)

    @classmethod
    def of_test_list(cls, rows: list[Row], truth: GroundTruth, facts: Dataset) -> "KnownEvents":
        """Of the test videos of a run."""
        parts = zip(rows, truth.segments, truth.labels, strict=True)
        videos = {
            row.video: [] if row.normal else _segments(segments, labels)
            for row, segments, labels in parts
        }
        return cls(videos, True, facts)

    def of(self, video: str, timeline: Timeline) -> list[Segment] | None:
        """The segments of a video in seconds, by time; None where nothing is known of it."""
        known = self.videos.get(video)
        if known is None or not self.in_frames:
            return known and sorted(known)
        return sorted(
            Segment(*timeline.seconds([part.start, part.end]).tolist(), part.name) for part in known
        )


def _segments(pairs, labels: list[str]) -> list[Segment]:
    return [Segment(*pair, label) for pair, label in zip(pairs, labels, strict=True)]


def _read_csv(path: Path) -> dict[str, list[Segment]]:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as CSV: {' '.join(str(error).split())}") from None
    if list(table.columns) != CSV_COLUMNS:
        raise UserError(
            f"{path} has the columns {', '.join(table.columns)}; expected {', '.join(CSV_COLUMNS)}"
        )
    found: dict[str, list[Segment]] = {}
    for line, (video, start, end, label) in enumerate(table.itertuples(index=False), start=2):
        segments = found.setdefault(video, [])
        if not (start or end or label):
            continue
        try:
            pair = float(start), float(end)
            if not 0 <= pair[0] < pair[1] < float("inf") or not label:
                raise ValueError
        except ValueError:
            raise UserError(
                f"{path}, line {line}: expected seconds 0 ≤ start < end and a class, found "
                f"'{start}', '{end}', '{label}'"
            ) from None
        segments.append(Segment(*pair, label))
    return found
