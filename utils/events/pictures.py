"""Small pictures for the list of videos: one of each, and of the strongest moment of its events."""

import numpy as np

from utils.events.answer import Answer
from utils.find_events import Event
from utils.videos.stills import stills

BEGINNING = 0.1  # of its length, where a video is taken to look as it usually does
MOST_EVENTS = 4  # of a video, that the list shows


def listed_events(answer: Answer) -> list[Event]:
    """The strongest of a video, by time."""
    strongest = sorted(answer.events, key=lambda event: -event.confidence)[:MOST_EVENTS]
    return sorted(strongest)


def strongest_moment(answer: Answer, event: Event) -> float:
    """Second in the middle of the event's snippet with the highest score."""
    edges = answer.timeline.edges
    first, behind = np.searchsorted(edges, [event.start, event.end])
    best = first + int(answer.prediction.score[first:behind].argmax())
    return float(edges[best : best + 2].mean())


def pictures_of(answer: Answer) -> list[bytes | None]:
    """JPEGs: of the video, then of each of its listed events; None where there is no picture."""
    events = listed_events(answer)
    if not answer.is_video:
        return [None] * (1 + len(events))
    usual = BEGINNING * float(answer.timeline.edges[-1])
    moments = [strongest_moment(answer, event) for event in events]
    return stills(answer.source, [usual, *moments])
