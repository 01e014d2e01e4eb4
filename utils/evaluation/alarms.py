"""Alarms: events that are found by the rule of predict.py, and scores above a threshold.

All are counted per video, so that each weighting of the videos is a product.
"""

from typing import NamedTuple

import numpy as np

from utils.datasets.ground_truth import flat
from utils.detection_map import (
    IOU_THRESHOLDS,
    Runs,
    find_proposals,
    lasting_rows,
    match,
    overlapping_pairs,
    timed,
)
from utils.evaluation.scored_videos import HOUR, ScoredVideos
from utils.evaluation.weighted import MetricFunction, Values, by
from utils.event_defaults import MIN_CONFIDENCE, MIN_SECONDS

ALARM = 0.5  # above it, a frame of a normal video is a false alarm


def metrics_of_normal_videos(scored: ScoredVideos, events: "Events") -> MetricFunction:
    """False alarms: in a normal video every alarm is one. `events` are those of all videos."""
    normal = ~scored.anomalous

    def per_normal_video(amounts: np.ndarray) -> np.ndarray:
        """(Σ T,) -> (V,), 0 for anomalous videos."""
        return normal * np.bincount(scored.video_of_row, amounts, minlength=scored.num_videos)

    durations = np.concatenate([np.diff(edges) for edges in scored.edges])
    alarmed = per_normal_video(durations * (scored.flat_scores > ALARM))
    lasting = per_normal_video(durations)
    hours = hours_of_normal_videos(scored)
    count = normal * np.bincount(events.confident().video, minlength=scored.num_videos)

    def metrics(weights: np.ndarray) -> Values:
        return {
            "false_alarm_rate": weights @ alarmed / (weights @ lasting),
            "false_alarms_per_hour": weights @ count / (weights @ hours),
        }

    return metrics


def hours_of_normal_videos(scored: ScoredVideos) -> np.ndarray:
    """(V,), 0 for anomalous videos."""
    return ~scored.anomalous * np.array([e[-1] - e[0] for e in scored.seconds]) / HOUR


def metrics_of_events(scored: ScoredVideos, events: "Events") -> MetricFunction:
    """Precision, recall and F1 of the events that predict.py would show, at each temporal IoU and
    on average."""
    events = events.confident()
    count = np.bincount(events.video, minlength=scored.num_videos)
    known = np.array([len(of_video) for of_video in scored.spans])
    hits = correct_events(events, scored.spans)  # [IoUs, events]
    of_videos = np.array([np.bincount(events.video[h], minlength=scored.num_videos) for h in hits])

    def metrics(weights: np.ndarray) -> Values:
        found, annotated, correct = weights @ count, weights @ known, of_videos @ weights.T
        values = {
            "event_precision": correct / found,
            "event_recall": correct / annotated,
            "event_f1": np.where(annotated > 0, 2 * correct / (found + annotated), np.nan),
        }
        by_iou = {name: by(map(str, IOU_THRESHOLDS), f.T) for name, f in values.items()}
        return by_iou | {f"average_{name}": f.mean(axis=0) for name, f in values.items()}

    return metrics


class Events(NamedTuple):
    """Events found in the detection score, whatever their class; within a video by falling
    confidence, the highest score.

    Attributes:
        video: (E,) index of each one's.
        start, end: (E,) seconds.
        confidence: (E,).
    """

    video: np.ndarray
    start: np.ndarray
    end: np.ndarray
    confidence: np.ndarray

    def confident(self) -> "Events":
        """Those that predict.py would show."""
        lasting = self.end - self.start
        kept = (self.confidence >= MIN_CONFIDENCE) & (lasting >= MIN_SECONDS)
        return Events(*(values[kept] for values in self))


def all_events(scored: ScoredVideos) -> Events:
    """All events by the rule of `find_events`, whatever their confidence."""
    scores, edges = lasting_rows(scored.scores, scored.seconds)
    runs = event_runs(scores, edges)
    times = timed(runs, edges)
    highest = [
        scores[video][start:end].max()
        for video, start, end in zip(runs.video, runs.start, runs.end, strict=True)
    ]
    return Events(runs.video, times.start, times.end, np.array(highest, dtype=float))


def event_runs(scores: list[np.ndarray], edges: list[np.ndarray]) -> Runs:
    """Runs of rows that are events, if their scores are high: within a video those above max −
    0.6·(max − min), by falling score, or all of a video whose score never changes.

    Args:
        scores: per video (T,).
        edges: per video (T + 1,), when its rows begin and end.
    """
    runs, _ = find_proposals([of_video[:, None] for of_video in scores], edges)
    constant = np.array([v for v, s in enumerate(scores) if s.max() == s.min()], dtype=int)
    zeros, lengths = np.zeros_like(constant), np.array([len(s) for s in scores])
    whole = Runs(constant, zeros, zeros, lengths[constant])
    return Runs(*map(np.concatenate, zip(runs, whole, strict=True)))


def correct_events(events: Events, spans) -> np.ndarray:
    """(IoUs, E) whether each event is correct: it overlaps an annotated one that no event of higher
    score took. Each takes the one that it overlaps most.

    Args:
        events: of the videos.
        spans: per video, [start, end) in seconds of what is abnormal, disjoint.
    """
    truth, owner = flat(spans)
    found = Runs(events.video, np.zeros_like(events.video), events.start, events.end)
    pairs = overlapping_pairs(found, Runs(owner, np.zeros_like(owner), *truth.T))
    hits = np.zeros((len(IOU_THRESHOLDS), len(events.video)), dtype=bool)
    for of_threshold, threshold in zip(hits, IOU_THRESHOLDS, strict=True):
        event, span, iou = pairs
        of_threshold[match(event[iou >= threshold], span[iou >= threshold])] = True
    return hits


class Delays:
    """How long after an annotated event begins its first alarm comes: the first moment at which the
    score reaches a threshold.

    Args:
        scores: per video (T,).
        edges: per video (T + 1,), the seconds at which its rows begin and end.
        spans: per video, [start, end) in seconds of what is abnormal, disjoint.

    Attributes:
        video: (E,) of each event.
    """

    def __init__(self, scores: list[np.ndarray], edges: list[np.ndarray], spans):
        _, self.video = flat(spans)
        self._reached: list[tuple[np.ndarray, np.ndarray]] = []  # scores, rising; when each comes
        for score, times, of_video in zip(*lasting_rows(scores, edges), spans, strict=True):
            for start, end in of_video:
                within = np.flatnonzero((times[1:] > start) & (times[:-1] < end))
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


def in_order(delays: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Delays as they rise, and how often events count up to each, (B, E) both."""
    order = np.argsort(delays, axis=1)
    weights = np.take_along_axis(weights, order, axis=1)
    return np.take_along_axis(delays, order, axis=1), np.cumsum(weights, axis=1)


def found_and_median(delays: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of the events that have an alarm, and the median delay of these, (B,) each.

    Args:
        delays: (B, E), infinite without an alarm.
        weights: (B, E) how often each event counts.
    """
    if not delays.shape[1]:
        return np.full((2, len(delays)), np.nan)
    total, weights = weights.sum(axis=1), weights * np.isfinite(delays)
    found = weights.sum(axis=1)
    delays, reached = in_order(delays, weights)
    middle = [
        np.take_along_axis(delays, enough.argmax(axis=1)[:, None], axis=1)[:, 0]
        for enough in (reached >= found[:, None] / 2, reached > found[:, None] / 2)
    ]
    median = np.where(found > 0, np.mean(middle, axis=0), np.nan)
    return np.where(total > 0, found / total, np.nan), median
