"""Metrics of whole videos, for which their labels are enough."""

import numpy as np

from utils.evaluation.ranking import Ranking
from utils.evaluation.scored_videos import ScoredVideos
from utils.evaluation.weighted import Part, Values, by


def of_videos(scored: ScoredVideos) -> Part:
    """By their highest S_det, and by the class that they are told to be of."""
    highest = np.array([s.max() for s in scored.scores])
    videos, one = np.arange(scored.videos), np.ones(scored.videos)
    ranking = Ranking(highest, one * scored.anomalous, one, videos, scored.videos)
    told = told_classes(scored)

    def part(weights: np.ndarray) -> Values:
        curves = ranking.curves(weights)
        values = {"video_auc": curves.auc(), "video_ap": curves.ap()}
        if told is not None:
            right, of_class = told
            values["class_accuracy"] = weights @ right / (weights @ scored.anomalous)
            by_class = weights @ (right[:, None] & of_class) / (weights @ of_class)
            values["per_class_accuracy"] = by(scored.facts.classes[1:], by_class)
        return values

    return part


def told_classes(scored: ScoredVideos) -> tuple[np.ndarray, np.ndarray] | None:
    """Whether an anomalous video is told to be of a class that it is of: of the anomaly class whose
    probability is highest in it, (V,); and of which anomaly classes it is, (V, C − 1). None where
    there are no classes to tell."""
    if not scored.tells_classes or len(scored.facts.classes) < 3:
        return None
    of_class = np.array([np.asarray(row.label)[1:] > 0 for row in scored.rows])
    likeliest = [p.probabilities[:, 1:].max(axis=0).argmax() for p in scored.predictions]
    return of_class[np.arange(scored.videos), likeliest], of_class
