"""What is known to happen in videos: the ground truth that an answer is shown beside."""

from pathlib import Path
from typing import NamedTuple

from utils.datasets.annotations import has_xd_codes, read_ucf_annotations, xd_class_lines
from utils.datasets.event_table import read_event_table
from utils.datasets.ground_truth import GroundTruth
from utils.datasets.lists import Row
from utils.find_events import Timeline
from utils.labels import UCF_CRIME, XD_VIOLENCE, Dataset
from utils.row_time import FRAMES


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
            path: `.csv` with the columns video, start, end and class, where a video with nothing
                between its commas is normal (in seconds, or as the file that describes the data set
                says); or the annotations of UCF-Crime or XD-Violence, in frames:
                `Temporal_Anomaly_Annotation.txt` or `annotations_multiclasses.txt`.
            facts: of the data set.

        Raises:
            UserError: it cannot be read; the message names the line.
        """
        if path.suffix.lower() == ".csv":
            videos: dict[str, list[Segment]] = {}
            for event in read_event_table(path):
                segments = videos.setdefault(event.video, [])
                if event.start is not None:
                    segments.append(Segment(event.start, event.end, event.label))
            return cls(videos, facts.is_own and facts.event_unit == FRAMES, facts)
        of = XD_VIOLENCE if has_xd_codes(path) else UCF_CRIME
        facts = facts if facts.name == of.name else of  # whose names the classes have
        if of is UCF_CRIME:
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
        return cls(videos, facts.row.unit == FRAMES, facts)

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
