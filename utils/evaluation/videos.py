"""Metrics of whole videos, for which their labels are enough."""

import numpy as np

from utils.evaluation.ranking import Ranking
from utils.evaluation.scored_videos import ScoredVideos
from utils.evaluation.weighted import MetricFunction, Values, by


def metrics_of_videos(scored: ScoredVideos) -> MetricFunction:
    """AUC and AP of whole videos by their highest S_det, and how often their class is told
    correctly."""
    highest = np.array([s.max() for s in scored.scores])
    videos, one = np.arange(scored.num_videos), np.ones(scored.num_videos)
    ranking = Ranking(highest, one * scored.anomalous, one, videos, scored.num_videos)
    told = told_classes(scored)

    def metrics(weights: np.ndarray) -> Values:
        curves = ranking.curves(weights)
        values = {"video_auc": curves.auc(), "video_ap": curves.ap()}
        if told is not None:
            correct, of_class = told
            values["class_accuracy"] = weights @ correct / (weights @ scored.anomalous)
            by_class = weights @ (correct[:, None] & of_class) / (weights @ of_class)
            values["per_class_accuracy"] = by(scored.facts.classes[1:], by_class)
        return values

    return metrics


def told_classes(scored: ScoredVideos) -> tuple[np.ndarray, np.ndarray] | None:
    """Whether each video's likeliest anomaly class, the one with the highest probability in it, is
    among its labels, (V,); and these labels, (V, C − 1). None where there are no classes to tell.
    """
    if not scored.tells_classes or len(scored.facts.classes) < 3:
        return None
    of_class = np.array([np.asarray(row.label)[1:] > 0 for row in scored.rows])
    likeliest = [p.probabilities[:, 1:].max(axis=0).argmax() for p in scored.predictions]
    return of_class[np.arange(scored.num_videos), likeliest], of_class
