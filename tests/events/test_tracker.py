"""What a tracker tells of scores that come one after another."""

import numpy as np
import pytest

from utils.evaluation.scored_videos import Prediction
from utils.events.tracker import EventTracker
from utils.find_events import Timeline, find_events
from utils.labels import UCF_CRIME


def follow(score, min_confidence=0.5, min_seconds=0.0, window=256, classes=None):
    """What a tracker tells of scores, one a second: (second it was told, change, event)."""
    tracker = EventTracker(UCF_CRIME, min_confidence, min_seconds)
    told = []
    for i in range(1, len(score) + 1):
        seen = slice(max(0, i - window), i)
        probabilities = None if classes is None else classes[seen]
        prediction = Prediction(np.asarray(score)[seen], probabilities)
        times = np.arange(len(score) + 1.0)
        changes = tracker.add(prediction, times[:-1][seen], times[1:][seen])
        told += [(i, change, event) for change, event in changes]
    return told + [(len(score), change, event) for change, event in tracker.finish()]


def test_an_event_is_told_when_it_starts_and_when_it_ends():
    score = np.array([0, 0.1, 0.45, 0.8, 0.9, 0.4, 0.3, 0.1, 0.1, 0.7])
    classes = np.full((10, 14), 0.01)
    classes[2:5, 6] = 0.5
    classes[3, 3] = 0.6
    told = follow(score, classes=classes)
    assert [(at, change) for at, change, _ in told] == [
        (4, "start"), (7, "end"), (10, "start"), (10, "end"),
    ]  # fmt: skip
    start, end = told[0][2], told[1][2]
    assert (start.start, start.end, start.name) == (2, 4, "explosion")
    assert (end.start, end.end, end.name, end.confidence) == (2, 6, "explosion", 0.9)
    assert told[3][2][:2] == (9, 10)
    # All that is known by its end, the same as of the finished video.
    prediction = Prediction(score[:9], classes[:9])
    whole = find_events(prediction, UCF_CRIME, Timeline(9, 16.0, None), 0.5, 0)
    assert [event[:4] for event in whole] == [(2, 6, "Explosion", "explosion")]


def test_the_class_is_the_likeliest_on_average_over_the_whole_event():
    """Longer than the window; found in hindsight at first, then snippet by snippet."""
    score = [0.1, 0.6, 0.8, 0.7, 0.9, 0.1]
    classes = np.full((6, 14), 0.01)
    classes[1:5, 3] = [0.6, 0.1, 0.1, 0.1]
    classes[1:5, 6] = [0.2, 0.3, 0.3, 0.3]
    told = follow(score, min_confidence=0.7, window=3, classes=classes)
    (_, _, start), (_, _, end) = told
    assert (start.start, start.end, start.name) == (1, 3, "arson")
    assert start.probability == pytest.approx((0.6 + 0.1) / 2)
    assert (end.start, end.end, end.name, end.confidence) == (1, 5, "explosion", 0.9)
    assert end.probability == pytest.approx((0.2 + 3 * 0.3) / 4)


def test_a_tracker_holds_an_event_only_while_one_is_on():
    tracker = EventTracker(UCF_CRIME, 0.5, 0)
    for i, (score, on) in enumerate([(0.1, False), (0.9, True), (0.8, True), (0.1, False)]):
        tracker.add(Prediction(np.array([score])), [float(i)], [i + 1.0])
        assert (tracker.ongoing is not None) == on
    assert tracker.finish() == []


def test_short_events_are_not_told():
    score = [0, 0.9, 0, 0, 0.9, 0.9, 0.9, 0]
    told = follow(score, min_seconds=3)
    assert [(at, change, event[:2]) for at, change, event in told] == [
        (7, "start", (4, 7)), (8, "end", (4, 7)),
    ]  # fmt: skip


def test_an_event_may_outlast_the_window():
    score = [0.1] * 5 + [0.9, 0.7] * 20 + [0.1]
    told = follow(score, window=8)
    assert [(at, change, event[:2]) for at, change, event in told] == [
        (6, "start", (5, 6)), (46, "end", (5, 45)),
    ]  # fmt: skip


def test_a_scene_that_is_abnormal_from_the_start_is_one_event():
    told = follow([0.9, 0.88, 0.91, 0.86, 0.9, 0.2, 0.2])
    assert [(change, event[:3]) for _, change, event in told] == [
        ("start", (0, 1, None)), ("end", (0, 5, None)),
    ]  # fmt: skip


def test_events_do_not_overlap():
    """The second one's level reaches back below where the first one ended."""
    told = follow([0, 0.9, 0.34, 0.3, 0.6, 0])
    ends = [event[:2] for _, change, event in told if change == "end"]
    assert ends == [(1, 2), (2, 5)]


def test_what_shows_in_hindsight_is_told_late():
    tracker = EventTracker(UCF_CRIME, 0.5, 0)
    times = np.arange(7.0)
    assert tracker.add(Prediction(np.array([0.1, 0.2, 0.3])), times[:3], times[1:4]) == []
    told = tracker.add(Prediction(np.array([0.1, 0.4, 0.8, 0.1])), times[:4], times[1:5])
    assert [(change, event[:2]) for change, event in told] == [("start", (1, 3)), ("end", (1, 3))]
    again = tracker.add(Prediction(np.array([0.1, 0.9, 0.8, 0.1, 0.6])), times[:5], times[1:6])
    assert [(change, event[:2]) for change, event in again] == [("start", (4, 5))]
