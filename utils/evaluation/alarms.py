"""Alarms: events that are found by the rule of predict.py, and scores above a threshold.

All are counted per video, so that each weighting of the videos is a product.
"""

from typing import NamedTuple

import numpy as np

from utils.detection_map import IOU_THRESHOLDS, Runs, find_proposals, match, overlapping_pairs
from utils.evaluation.figures import Figures, Part, by
from utils.evaluation.scored import Scored
from utils.event_defaults import MIN_CONFIDENCE, MIN_SECONDS

ALARM = 0.5  # above it, a frame of a normal video is a false alarm
HOUR = 3600


def of_normal_videos(scored: Scored) -> Part:
    """False alarms, of videos in which all alarms are."""
    normal, none = ~scored.anomalous, [[] for _ in scored.rows]
    durations = np.concatenate([np.diff(edges) for edges in scored.edges])
    alarmed, lasting = (
        normal * np.bincount(scored.video, weights=amounts, minlength=scored.videos)
        for amounts in (durations * (scored.score > ALARM), durations)
    )
    hours = normal * np.array([edges[-1] - edges[0] for edges in scored.seconds]) / HOUR
    events = normal * count_events(scored.scores, scored.seconds, none).found

    def part(weights: np.ndarray) -> Figures:
        return {
            "false_alarm_rate": weights @ alarmed / (weights @ lasting),
            "false_alarms_per_hour": weights @ events / (weights @ hours),
        }

    return part


def of_events(scored: Scored) -> Part:
    """Of events as predict.py finds them, at each temporal IoU and on average."""
    counts = count_events(scored.scores, scored.seconds, scored.spans)

    def part(weights: np.ndarray) -> Figures:
        found, annotated = weights @ counts.found, weights @ counts.annotated
        right = (weights @ counts.right).T  # [IoUs, B]
        figures = {
            "event_precision": right / found,
            "event_recall": right / annotated,
            "event_f1": np.where(annotated > 0, 2 * right / (found + annotated), np.nan),
        }
        by_iou = {name: by(map(str, IOU_THRESHOLDS), f.T) for name, f in figures.items()}
        return by_iou | {f"average_{name}": f.mean(axis=0) for name, f in figures.items()}

    return part


class EventCounts(NamedTuple):
    """Of each of V videos: events found, events annotated, and how many of the former are right at
    each temporal IoU, (V,), (V,), (V, I)."""

    found: np.ndarray
    annotated: np.ndarray
    right: np.ndarray


def count_events(scores: list[np.ndarray], edges: list[np.ndarray], spans) -> EventCounts:
    """Events of the detection score against what is abnormal, whatever its class. An event is right
    if it overlaps an annotated one that no higher event took; each takes the one that it overlaps
    most.

    Args:
        scores: per video (T,).
        edges: per video (T + 1,), the seconds at which its rows begin and end.
        spans: per video, [start, end) in seconds of what is abnormal, disjoint.
    """
    runs, _ = find_proposals([of_video[:, None] for of_video in scores], edges)
    first = np.cumsum([0, *map(len, scores[:-1])])[runs.video]
    bounds = np.stack([first + runs.start, first + runs.end], axis=1).reshape(-1)
    whole = np.append(np.concatenate(scores), 0)
    highest = np.maximum.reduceat(whole, bounds)[::2] if len(bounds) else np.empty(0)
    times = [of_video[[start, end]] for of_video, start, end in _of(runs, edges)]
    start, end = np.array(times, dtype=float).reshape(-1, 2).T
    kept = (highest >= MIN_CONFIDENCE) & (end - start >= MIN_SECONDS) & (end > start)
    found = Runs(runs.video[kept], runs.label[kept], start[kept], end[kept])
    owner = np.repeat(np.arange(len(spans)), [len(of_video) for of_video in spans])
    truth = np.array([span for of_video in spans for span in of_video], dtype=float).reshape(-1, 2)
    annotated = Runs(owner, np.zeros_like(owner), *truth.T)

    count = len(scores)
    event, span, iou = overlapping_pairs(found, annotated)
    right = np.zeros((count, len(IOU_THRESHOLDS)))
    for i, threshold in enumerate(IOU_THRESHOLDS):
        enough = iou >= threshold
        hits = match(event[enough], span[enough])
        right[:, i] = np.bincount(found.video[hits], minlength=count)
    return EventCounts(
        np.bincount(found.video, minlength=count), np.bincount(owner, minlength=count), right
    )  # fmt: skip


def _of(runs: Runs, edges: list[np.ndarray]):
    for video, start, end in zip(runs.video, runs.start, runs.end, strict=True):
        yield edges[video], start, end


class Delays:
    """How long after an annotated event begins its first alarm comes: the first moment at which the
    score reaches a threshold.

    Args:
        scores, edges, spans: as for `count_events`.

    Attributes:
        video: (E,) of each event.
    """

    def __init__(self, scores: list[np.ndarray], edges: list[np.ndarray], spans):
        self.video = np.repeat(np.arange(len(spans)), [len(of_video) for of_video in spans])
        self._reached: list[tuple[np.ndarray, np.ndarray]] = []  # scores, rising; when each comes
        for score, times, of_video in zip(scores, edges, spans, strict=True):
            for start, end in of_video:
                within = np.flatnonzero((times[1:] > start) & (times[:-1] < end) & lasting(times))
                highest = np.maximum.accumulate(score[within])
                first = np.flatnonzero(np.diff(highest, prepend=-np.inf))
                delay = np.maximum(times[within[first]] - start, 0)
                self._reached.append((highest[first], delay))

    def at(self, thresholds: np.ndarray) -> np.ndarray:
        """(B,) thresholds -> (B, E) seconds, infinite without an alarm."""
        delays = np.full((len(thresholds), len(self._reached)), np.inf)
        for e, (highest, delay) in enumerate(self._reached):
            place = np.searchsorted(highest, thresholds)
            found = place < len(highest)
            delays[found, e] = delay[place[found]]
        return delays


def lasting(edges: np.ndarray) -> np.ndarray:
    """Whether each row lasts: of a short video shared by many rows, some have no frame."""
    return np.diff(edges) > 0


def found_and_median(delays: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of the events that have an alarm, and the median delay of these, (B,) each.

    Args:
        delays: (B, E), infinite without an alarm.
        weights: (B, E) how often each event counts.
    """
    total, weights = weights.sum(axis=1), weights * np.isfinite(delays)
    found = weights.sum(axis=1)
    order = np.argsort(delays, axis=1)
    reached = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1)
    delays = np.take_along_axis(delays, order, axis=1)
    middle = [
        np.take_along_axis(delays, enough.argmax(axis=1)[:, None], axis=1)[:, 0]
        for enough in (reached >= found[:, None] / 2, reached > found[:, None] / 2)
    ]
    median = np.where(found > 0, np.mean(middle, axis=0), np.nan)
    return np.where(total > 0, found / total, np.nan), median
