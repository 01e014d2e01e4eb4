"""What is known to happen in videos: the ground truth that an answer is shown beside."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from utils.datasets.annotations import read_ucf_annotations, xd_class_lines
from utils.events.find import Timeline
from utils.labels import UCF_CRIME, Dataset
from utils.system.errors import UserError

COLUMNS = ["video", "start", "end", "class"]


class Segment(NamedTuple):
    """From when to when, in seconds, and what."""

    start: float
    end: float
    name: str


class KnownEvents:
    """Ground truth by video.

    Args:
        path: `.csv` with the columns video, start, end (in seconds) and class, where a video with
            nothing between its commas is normal; or the data set's own annotations, in frames:
            `Temporal_Anomaly_Annotation.txt` or `annotations_multiclasses.txt`.
        facts: of the data set.

    Raises:
        UserError: it cannot be read; the message names the line.
    """

    def __init__(self, path: Path, facts: Dataset):
        self.in_frames = path.suffix != ".csv"
        if not self.in_frames:
            found = _read_csv(path)
        elif facts.name == UCF_CRIME.name:
            annotated = read_ucf_annotations(path).items()
            found = {name: (a.segments, a.labels) for name, (_, a) in annotated}
        else:
            found = {name: (pairs, labels) for _, name, pairs, labels in xd_class_lines(path)}
        names = dict(zip(facts.classes, facts.names, strict=True))
        self.videos = {
            name: [
                Segment(*pair, names.get(label, label))
                for pair, label in zip(pairs, labels, strict=True)
            ]
            for name, (pairs, labels) in found.items()
        }

    def of(self, video: str, timeline: Timeline) -> list[Segment] | None:
        """The segments of a video, by time; None where it is not in the file."""
        known = self.videos.get(video)
        if known is None or not self.in_frames:
            return known and sorted(known)
        return sorted(
            Segment(*timeline.seconds([part.start, part.end]).tolist(), part.name) for part in known
        )


def _read_csv(path: Path) -> dict[str, tuple[list[tuple[float, float]], list[str]]]:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as CSV: {' '.join(str(error).split())}") from None
    if list(table.columns) != COLUMNS:
        raise UserError(
            f"{path} has the columns {', '.join(table.columns)}; expected {', '.join(COLUMNS)}"
        )
    found: dict[str, tuple[list, list]] = {}
    for line, (video, start, end, label) in enumerate(table.itertuples(index=False), start=2):
        pairs, labels = found.setdefault(video, ([], []))
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
        pairs.append(pair)
        labels.append(label)
    return found
