"""Events as one table, `video,start,end,class`: what happens in videos, and from when to when."""

from pathlib import Path
from typing import NamedTuple

from utils.datasets.csv_table import read_table
from utils.datasets.lists import Row
from utils.datasets.video_table import known_videos
from utils.labels import Dataset
from utils.row_time import FRAMES
from utils.system.console import note
from utils.system.errors import UserError

COLUMNS = ("video", "start", "end", "class")


class TableEvent(NamedTuple):
    """A line of the table. A video in which nothing happens may have one without times and class.

    Attributes:
        place: file and line, for errors.
        video: its name.
        start, end: as the table counts; None where nothing happens.
        label: class of the event.
    """

    place: str
    video: str
    start: float | None
    end: float | None
    label: str


def read_event_table(path: Path | str) -> list[TableEvent]:
    """The lines of a table of events.

    Raises:
        UserError: it cannot be read, or a line is none; the message names it.
    """
    events = []
    for line, (video, start, end, label) in read_table(path, COLUMNS, what="table of events"):
        place = f"{path}, line {line}"
        if not video:
            raise UserError(f"{place}: the video is empty")
        if not (start or end or label):
            events.append(TableEvent(place, video, None, None, ""))
            continue
        try:
            pair = float(start), float(end)
            if not 0 <= pair[0] < pair[1] < float("inf") or not label:
                raise ValueError
        except ValueError:
            raise UserError(
                f"{place}: expected numbers 0 ≤ start < end and a class, found '{start}', '{end}', "
                f"'{label}'"
            ) from None
        events.append(TableEvent(place, video, *pair, label))
    return events


class Span(NamedTuple):
    """An event in the unit of its data set."""

    start: float
    end: float
    code: str
    place: str


def events_of(
    rows: list[Row], ends: list[float], facts: Dataset, others: set[str] | None = None
) -> list[list[Span]]:
    """The events of videos, by time. Events of one class that overlap are merged, and said to be.

    Args:
        rows: of the test list.
        ends: of the videos, as far as their rows reach; where the list knows how long a video is,
            that counts.
        facts: of the data set.
        others: names of further videos, whose events do not matter here; by default those that its
            table and its training list have.

    Raises:
        UserError: the table cannot be read, or has an event of an unknown video or class, of a
            normal video, or outside its video.
    """
    found: dict[str, list[Span]] = {row.video: [] for row in rows}
    by_video = {row.video: (row, end) for row, end in zip(rows, ends, strict=True)}
    for event in read_event_table(facts.events):
        if event.video not in found:
            others = known_videos(facts) if others is None else others
            if event.video not in others:
                raise UserError(f"{event.place}: {event.video} is in no list of {facts.title}")
        elif event.start is not None:
            found[event.video].append(_span(event, *by_video[event.video], facts))
    spans, merged = [], []
    for of_video in found.values():
        spans.append(_merge(sorted(of_video), merged))
    if merged:
        note(
            f"{len(merged)} events overlap another of their video and class, first that of "
            f"{merged[0]}: merged"
        )
    odd = [
        (span, row)
        for row, of_video in zip(rows, spans, strict=True)
        for span in of_video
        if not row.label[facts.classes.index(span.code)]
    ]
    if odd:
        (span, row), count = odd[0], len(odd)
        note(
            f"{count} events are of a class that is not their video's, first {span.code} of "
            f"{row.video} ({span.place}): see which of the two tables is right"
        )
    empty = [row.video for row, s in zip(rows, spans, strict=True) if not (s or row.normal)]
    if empty:
        note(
            f"{len(empty)} anomalous test videos have no event in {facts.events}, first {empty[0]}"
            ": all of their time counts as normal"
        )
    return spans


def _span(event: TableEvent, row: Row, end: float, facts: Dataset) -> Span:
    """An event of a test video, in the unit of the data set."""
    if row.normal:
        raise UserError(f"{event.place}: {row.video} is normal in {row.place}, yet has an event")
    try:
        named = facts.indices(event.label)
        if len(named) > 1 or 0 in named:
            raise UserError(f"the class is '{event.label}': expected one anomaly class")
        start, finish = (facts.in_unit(t, facts.event_unit) for t in (event.start, event.end))
    except UserError as error:
        raise UserError(f"{event.place}: {error}") from None
    if facts.row.unit == FRAMES:
        start, finish = round(start), max(round(start) + 1, round(finish))
    known = end if row.length is None else row.length
    room = facts.row.size or 0  # lengths and ends are rounded; without a length, rows are cut off
    if finish > known + room:
        raise UserError(
            f"{event.place}: the event is from {start:.10g} to {finish:.10g}, but {row.video} "
            f"has {known:.10g} {facts.row.unit}"
        )
    return Span(start, finish, facts.classes[named.pop()], event.place)


def _merge(spans: list[Span], merged: list[str]) -> list[Span]:
    """Sorted spans -> those without overlap within a class; places of what was merged are added."""
    whole: list[Span] = []
    last: dict[str, int] = {}  # of each class, its last one's index
    for span in spans:
        i = last.get(span.code)
        if i is not None and span.start < whole[i].end:
            whole[i] = whole[i]._replace(end=max(whole[i].end, span.end))
            merged.append(span.place)
        else:
            last[span.code] = len(whole)
            whole.append(span)
    return whole
