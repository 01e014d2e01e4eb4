"""Metrics of scores by frame: areas under curves, and what is found at few false positives."""

import numpy as np

from utils.evaluation.alarms import Delays, found_and_median
from utils.evaluation.ranking import Ranking
from utils.evaluation.scored_videos import ScoredVideos
from utils.evaluation.weighted import MetricFunction, Values, by
from utils.metric_names import RATES

BY_CLASS = "5"  # that at which each class is looked at


def ranking_of(scored: ScoredVideos, scores: np.ndarray, within=slice(None)) -> Ranking:
    """Ranking of the frames of the rows `within`."""
    truth = scored.truth
    counts = truth.abnormal[within], truth.durations[within]
    return Ranking(scores[within], *counts, scored.video_of_row[within], scored.num_videos)


def metrics_of_frames(scored: ScoredVideos) -> MetricFunction:
    """AUC and AP of S_det, and at each false-positive rate the recall of frames and the delay of
    events."""
    ranking = ranking_of(scored, scored.flat_scores)
    delays = Delays(scored.scores, scored.seconds, scored.spans)
    codes = scored.facts.classes[1:]
    shown = scored.truth.shown(codes)
    classes = [
        ClassRecall(ranking, scored.flat_scores, of_class, scored.video_of_row)
        for of_class in shown.T
    ]

    def metrics(weights: np.ndarray) -> Values:
        curves = ranking.curves(weights)
        values = {"auc1": curves.auc(), "ap1": curves.ap(), "pr_auc": curves.pr_auc()}
        for percent, rate in RATES.items():
            count = curves.count_within(rate)
            after = delays.at(ranking.threshold(count))
            found, median = found_and_median(after, weights[:, delays.video])
            values[f"recall_at_{percent}"] = curves.recall_of(count)
            values[f"found_at_{percent}"] = np.where(curves.defined, found, np.nan)
            values[f"median_delay_at_{percent}"] = np.where(curves.defined, median, np.nan)
            if percent == BY_CLASS:
                recall = [of_class.at(weights, count) for of_class in classes]
                recall = np.where(curves.defined[:, None], np.stack(recall, axis=1), np.nan)
                values[f"recall_at_{percent}_by_class"] = by(codes, recall)
        return values

    return metrics


class ClassRecall:
    """How much of a class is found above a threshold.

    Args:
        ranking: of the thresholds.
        scores: (S,) of all rows.
        shown: (S,) how much of each shows the class.
        video: (S,) to which video each belongs.
    """

    def __init__(self, ranking: Ranking, scores: np.ndarray, shown: np.ndarray, video: np.ndarray):
        rows = np.flatnonzero(shown)
        rows = rows[np.argsort(-scores[rows], kind="stable")]
        self._higher = ranking.higher(scores[rows])
        self._shown, self._video = shown[rows], video[rows]

    def at(self, weights: np.ndarray, count: np.ndarray) -> np.ndarray:
        """(B,) at a threshold that is the `count`-th highest of the ranking's scores, (B,)."""
        amounts = np.cumsum(weights[:, self._video] * self._shown, axis=1)
        amounts = np.hstack([np.zeros_like(weights[:, :1], dtype=float), amounts])
        alarmed = np.searchsorted(self._higher, count)
        return np.take_along_axis(amounts, alarmed[:, None], axis=1)[:, 0] / amounts[:, -1]


def metrics_of_normal_class(scored: ScoredVideos) -> MetricFunction:
    """AUC2 and AP2: those of 1 − P(normal)."""
    anomaly = np.concatenate([1 - p.probabilities[:, 0] for p in scored.predictions])
    ranking = ranking_of(scored, anomaly)

    def metrics(weights: np.ndarray) -> Values:
        curves = ranking.curves(weights)
        return {"auc2": curves.auc(), "ap2": curves.ap()}

    return metrics


def metrics_of_anomalous_videos(scored: ScoredVideos) -> MetricFunction:
    """AUC of S_det within anomalous videos: over all of them together, and averaged per video."""
    ranking = ranking_of(scored, scored.flat_scores, scored.anomalous[scored.video_of_row])
    of_each = auc_of_each(scored) * np.where(scored.anomalous, 1, np.nan)
    known = np.isfinite(of_each)
    of_each = np.where(known, of_each, 0)

    def metrics(weights: np.ndarray) -> Values:
        return {
            "ano_auc": ranking.curves(weights).auc(),
            "ano_auc_per_video": weights @ of_each / (weights @ known),
        }

    return metrics


def auc_of_each(scored: ScoredVideos) -> np.ndarray:
    """(V,) area under the ROC curve of each video, NaN where its frames are of one kind."""
    truth = scored.truth
    ends = np.cumsum([len(s) for s in scored.scores])[:-1]
    found = np.full(scored.num_videos, np.nan)
    abnormal, durations = np.split(truth.abnormal, ends), np.split(truth.durations, ends)
    for v, score in enumerate(scored.scores):
        if 0 < abnormal[v].sum() < durations[v].sum():
            _, level = np.unique(score, return_inverse=True)
            positive = np.bincount(level, weights=abnormal[v])
            negative = np.bincount(level, weights=durations[v] - abnormal[v])
            lower = np.cumsum(negative) - negative / 2
            found[v] = (positive * lower).sum() / (positive.sum() * negative.sum())
    return found
