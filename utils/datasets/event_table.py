"""Events as one table, `video,start,end,class`: what happens in videos, and from when to when."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from utils.datasets.csv_table import read_table
from utils.datasets.lists import Row
from utils.labels import Dataset
from utils.row_time import FRAMES
from utils.system.console import note, plural
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


class DatasetEvent(NamedTuple):
    """An event in the unit of its data set."""

    start: float
    end: float
    code: str
    place: str


def events_of(
    rows: list[Row], ends: list[float], facts: Dataset, others: Callable[[], set[str]]
) -> list[list[DatasetEvent]]:
    """The events of videos, by time. Events of one class that overlap are merged, and said to be.

    Args:
        rows: of the test list.
        ends: of the videos, as far as their rows reach; where the list knows how long a video is,
            that counts.
        facts: of the data set.
        others: gives the names of further videos, whose events do not matter here. Asked where an
            event is of one.

    Raises:
        UserError: the table cannot be read, or has an event of an unknown video or class, of a
            normal video, or outside its video.
    """
    found: dict[str, list[DatasetEvent]] = {row.video: [] for row in rows}
    known: set[str] | None = None
    by_video = {row.video: (row, end) for row, end in zip(rows, ends, strict=True)}
    for event in read_event_table(facts.events):
        if event.video not in found:
            known = others() if known is None else known
            if event.video not in known:
                raise UserError(f"{event.place}: {event.video} is in no list of {facts.title}")
        elif event.start is not None:
            found[event.video].append(_event_in_unit(event, *by_video[event.video], facts))
    merged: list[str] = []
    events = [_merge(sorted(of_video), merged) for of_video in found.values()]
    _tell_oddities(rows, events, merged, facts)
    return events


def _tell_oddities(
    rows: list[Row], events: list[list[DatasetEvent]], merged: list[str], facts: Dataset
) -> None:
    """Notes of what was merged, of events whose class their video's label lacks, and of anomalous
    videos without an event."""
    if merged:
        note(
            f"{plural(len(merged), 'overlapping event')} of one video and class merged, first that "
            f"of {merged[0]}"
        )
    odd = [
        (event, row)
        for row, of_video in zip(rows, events, strict=True)
        for event in of_video
        if not row.label[facts.classes.index(event.code)]
    ]
    if odd:
        event, row = odd[0]
        note(
            f"{plural(len(odd), 'event')} with a class that the video's label lacks, first "
            f"{event.code} of {row.video} ({event.place}): see which of the two tables is right"
        )
    empty = [row.video for row, e in zip(rows, events, strict=True) if not (e or row.normal)]
    if empty:
        note(
            f"{plural(len(empty), 'anomalous test video')} without an event in {facts.events}, "
            f"first {empty[0]}: all of that time counts as normal"
        )


def _event_in_unit(event: TableEvent, row: Row, end: float, facts: Dataset) -> DatasetEvent:
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
    return DatasetEvent(start, finish, facts.classes[named.pop()], event.place)


def _merge(events: list[DatasetEvent], merged: list[str]) -> list[DatasetEvent]:
    """Sorted events -> those without overlap within a class; adds the places of what was merged."""
    whole: list[DatasetEvent] = []
    last: dict[str, int] = {}  # of each class, its last one's index
    for event in events:
        i = last.get(event.code)
        if i is not None and event.start < whole[i].end:
            whole[i] = whole[i]._replace(end=max(whole[i].end, event.end))
            merged.append(event.place)
        else:
            last[event.code] = len(whole)
            whole.append(event)
    return whole
