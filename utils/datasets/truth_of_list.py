"""The ground truth of a test list: from a table of events, or from the official files."""

from collections.abc import Callable
from functools import partial

import numpy as np

from utils.datasets.event_table import events_of
from utils.datasets.ground_truth import GroundTruth, edges_of, union
from utils.datasets.lists import Row
from utils.datasets.official_truth import MAKE_IT, TruthFiles, from_files, from_segments
from utils.datasets.video_table import known_videos
from utils.labels import Dataset
from utils.system.console import note, plural
from utils.system.errors import UserError


def read_ground_truth(
    files: TruthFiles,
    test_list: str,
    rows: list[Row],
    facts: Dataset,
    others: Callable[[], set[str]] | None = None,
    edges: list[np.ndarray] | None = None,
) -> GroundTruth | None:
    """The ground truth of a test list, see that it belongs to it. None if the data set has none.

    Args:
        files: of the official form.
        test_list: path of the test list, for errors.
        rows: of the test list.
        facts: of the data set.
        others: as for `events_of`; by default those of the data set's table of videos and lists,
            and of the training list.
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
        others = others or partial(known_videos, facts, files.train_list)
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
    rows: list[Row],
    facts: Dataset,
    others: Callable[[], set[str]],
    edges: list[np.ndarray],
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
