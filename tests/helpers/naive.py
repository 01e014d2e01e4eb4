"""Figures of scored videos in the obvious way: frame by frame, one video after another. A video is
written out as often as it counts."""

import numpy as np
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score

from helpers.truth import frames_of
from utils.datasets.ground_truth import GroundTruth
from utils.detection_map import find_proposals
from utils.evaluation.scored_videos import ScoredVideos


def written_out(scored: ScoredVideos, counts) -> ScoredVideos:
    """Each video as often as it counts."""
    order = np.repeat(np.arange(scored.num_videos), counts).tolist()
    truth = scored.truth
    parts = truth.edges, truth.spans, truth.segments, truth.labels
    return ScoredVideos(
        [scored.predictions[i] for i in order],
        GroundTruth(*([part[i] for i in order] for part in parts)),
        [scored.rows[i] for i in order],
        scored.facts,
    )


def by_frame(scored: ScoredVideos) -> tuple[np.ndarray, np.ndarray]:
    """Scores and truth of every frame."""
    return np.repeat(scored.flat_scores, scored.truth.durations), frames_of(scored.truth)


def areas(scored: ScoredVideos) -> tuple[float, float, float]:
    score, frames = by_frame(scored)
    precision, recall, _ = precision_recall_curve(frames, score)
    return (
        roc_auc_score(frames, score),
        average_precision_score(frames, score),
        auc(recall, precision),
    )


def threshold_at(scored: ScoredVideos, rate: float) -> float:
    """The lowest score of an abnormal frame at which so few normal frames have it or more."""
    score, frames = by_frame(scored)
    normal = score[frames == 0]
    fitting = [t for t in np.unique(score[frames == 1]) if (normal >= t).mean() <= rate]
    return min(fitting, default=np.inf)


def recall_at(scored: ScoredVideos, rate: float) -> float:
    score, frames = by_frame(scored)
    return (score[frames == 1] >= threshold_at(scored, rate)).mean()


def class_recall_at(scored: ScoredVideos, rate: float, code: str) -> float:
    score, _ = by_frame(scored)
    threshold, shown = threshold_at(scored, rate), []
    for edges, segments, labels in zip(
        scored.truth.edges, scored.truth.segments, scored.truth.labels, strict=True
    ):
        frames = np.zeros(edges[-1], dtype=bool)
        for (start, end), label in zip(segments, labels, strict=True):
            if label == code:
                frames[start:end] = True
        shown.append(frames)
    return (score[np.concatenate(shown)] >= threshold).mean()


def delays_at(scored: ScoredVideos, rate: float, fps: float) -> tuple[float, float]:
    """Share of the events that have an alarm, and the median seconds until it comes."""
    threshold, delays = threshold_at(scored, rate), []
    for score, edges, spans in zip(
        scored.scores, scored.truth.edges, scored.truth.spans, strict=True
    ):
        alarm = np.repeat(score, np.diff(edges)) >= threshold
        for start, end in spans:
            within = np.flatnonzero(alarm[start:end])
            delays.append(within[0] / fps if len(within) else np.inf)
    found = [delay for delay in delays if np.isfinite(delay)]
    return len(found) / len(delays), float(np.median(found)) if found else np.nan


def false_alarm_rate(scored: ScoredVideos) -> float:
    score, _ = by_frame(scored)
    normal = [r.normal for r in scored.rows]
    within = np.repeat(normal, [edges[-1] for edges in scored.truth.edges])
    return (score[within] > 0.5).mean()


def events_in(score: np.ndarray, edges: np.ndarray) -> list[tuple[float, int, int]]:
    """Confidence, start and end of the runs above max − 0.6·(max − min) that reach 0.5."""
    frames = np.repeat(score.astype(float), np.diff(edges))
    top, bottom = frames.max(), frames.min()
    above = np.append(frames > top - 0.6 * (top - bottom), False)
    events, start = [], None
    for i, inside in enumerate(above):
        if inside and start is None:
            start = i
        elif not inside and start is not None:
            if frames[start:i].max() >= 0.5:
                events.append((frames[start:i].max(), start, i))
            start = None
    return sorted(events, key=lambda event: (-event[0], event[1]))


def event_counts(scored: ScoredVideos, threshold: float) -> tuple[int, int, int]:
    """Events found, annotated, and right at a temporal IoU."""
    found = annotated = hits = 0
    for score, edges, spans in zip(
        scored.scores, scored.truth.edges, scored.truth.spans, strict=True
    ):
        free = list(spans)
        annotated += len(free)
        for _, start, end in events_in(score, edges):
            found += 1
            overlaps = [max(0, min(end, e) - max(start, s)) for s, e in free]
            ious = [o / (end - start + e - s - o) for o, (s, e) in zip(overlaps, free, strict=True)]
            if ious and max(ious) >= threshold:
                hits += 1
                free.pop(int(np.argmax(ious)))
    return found, annotated, hits


def false_alarms_per_hour(scored: ScoredVideos, fps: float) -> float:
    alarms = frames = 0
    for score, edges, row in zip(scored.scores, scored.truth.edges, scored.rows, strict=True):
        if row.normal:
            alarms += len(events_in(score, edges))
            frames += edges[-1]
    return alarms / (frames / fps / 3600)


def average_precisions(scored: ScoredVideos, counts, threshold: float) -> dict[str, float]:
    """AP of each class in percent. A right proposal of a video that counts w times adds w times its
    precision among the proposals above it, as often as their videos count. NaN of a class whose
    segments all belong to videos that do not count."""
    found, truth = {}, scored.truth
    for c, code in enumerate(scored.facts.classes):
        curves = [p.probabilities[:, [c]] for p in scored.predictions]
        runs, _ = find_proposals(curves, truth.edges)
        free = [
            [s for s, label in zip(*of_video, strict=True) if label == code]
            for of_video in zip(truth.segments, truth.labels, strict=True)
        ]
        total = sum(n * len(of_video) for n, of_video in zip(counts, free, strict=True))
        there = sum(map(len, free))
        right = rank = precision = 0
        for video, start, end in zip(runs.video, runs.start, runs.end, strict=True):
            start, end = truth.edges[video][[start, end]]
            overlaps = [max(0, min(end, e) - max(start, s)) for s, e in free[video]]
            ious = [
                o / (end - start + e - s - o)
                for o, (s, e) in zip(overlaps, free[video], strict=True)
            ]
            if ious and max(ious) >= threshold:
                free[video].pop(int(np.argmax(ious)))
                precision += counts[video] * (right + 1) / (rank + 1)
                right += counts[video]
            rank += counts[video]
        found[code] = 100 * precision / total if total else np.nan if there else 0.0
    return found


def auc_per_video(scored: ScoredVideos) -> float:
    values = []
    for score, edges, spans in zip(
        scored.scores, scored.truth.edges, scored.truth.spans, strict=True
    ):
        frames = np.zeros(edges[-1])
        for start, end in spans:
            frames[start:end] = 1
        if 0 < frames.sum() < len(frames):
            values.append(roc_auc_score(frames, np.repeat(score, np.diff(edges))))
    return float(np.mean(values))


def calibration_error(scored: ScoredVideos) -> float:
    score, frames = by_frame(scored)
    bins = np.minimum(np.floor(score * 15), 14)
    return sum(
        (bins == b).mean() * abs(frames[bins == b].mean() - score[bins == b].mean())
        for b in np.unique(bins)
    )
