"""Metrics of the classes that training saw, and of those that it did not (`--leave-out`)."""

import numpy as np

from utils.evaluation.scored_videos import ScoredVideos
from utils.evaluation.weighted import MetricFunction, Values, mean_of_defined
from utils.metric_names import OF_PARTS, PARTS


class OpenWorld:
    """AUC, AP and class accuracy over all normal videos and the anomalous ones that show classes of
    a part alone: `unseen`, the classes that were left out, and `seen`, the others. mAP is over the
    classes of a part, and over all videos. Everywhere a class is told among all.

    Args:
        scored: videos, of which it is known what was `left_out`.
        functions: of the metrics that are made for fewer videos.
    """

    def __init__(self, scored: ScoredVideos, functions: list[MetricFunction]):
        self.functions = functions
        codes = scored.facts.classes[1:]
        unseen = np.isin(codes, scored.left_out)
        self.classes = {
            name: [code for code, on in zip(codes, of_part, strict=True) if on]
            for name, of_part in zip(PARTS, (~unseen, unseen), strict=True)
        }
        shown = np.array([np.asarray(row.label)[1:] > 0 for row in scored.rows])  # [V, C − 1]
        others = ((shown & unseen).any(axis=1), (shown & ~unseen).any(axis=1))
        self.videos = {name: ~other for name, other in zip(PARTS, others, strict=True)}

    def values(self, weights: np.ndarray, of_all: Values) -> Values:
        """
        Args:
            weights: (B, V) how often each video counts.
            of_all: metrics of these, of all classes.
        """
        return {name: self._of_part(name, weights, of_all) for name in PARTS}

    def _of_part(self, name: str, weights: np.ndarray, of_all: Values) -> Values:
        found: Values = {}
        for metrics in self.functions:
            found |= metrics(weights * self.videos[name])
        found = {metric: value for metric, value in found.items() if metric in OF_PARTS}
        if by_class := of_all.get("per_class_ap"):
            ap = np.array([[*by_class[code].values()] for code in self.classes[name]])  # [c, I, B]
            found["average_anomaly_map"] = mean_of_defined(ap.mean(axis=1))
        return found
