"""mAP@IoU of many weightings of the videos. What is matched in a video does not depend on the
others, so it is matched once."""

from itertools import pairwise

import numpy as np

from utils.detection_map import IOU_THRESHOLDS, Matched, matched
from utils.evaluation.ranking import counted
from utils.evaluation.scored_videos import ScoredVideos
from utils.evaluation.weighted import MetricFunction, Values, by, mean_of_defined


def metrics_of_detections(scored: ScoredVideos) -> MetricFunction:
    """mAP of the class probabilities over all classes and over the anomaly classes, and the AP of
    each class."""
    truth, codes = scored.truth, scored.facts.classes
    probabilities = [p.probabilities for p in scored.predictions]
    found = matched(probabilities, truth.segments, truth.labels, codes, truth.edges)
    detections = Detections(found, scored.num_videos, len(codes))
    ious = [*map(str, IOU_THRESHOLDS)]

    def metrics(weights: np.ndarray) -> Values:
        ap = detections.precisions(weights)  # [B, IoUs, C]
        values = {}
        for name, of_classes in (("map", ap), ("anomaly_map", ap[..., 1:])):
            mean = mean_of_defined(of_classes, axis=2)
            values |= {name: by(ious, mean), f"average_{name}": mean.mean(axis=1)}
        return values | {"per_class_ap": {c: by(ious, ap[..., i]) for i, c in enumerate(codes)}}

    return metrics


class Detections:
    """Matched proposals, from which AP is computed for any weighting of the videos.

    Args:
        found: proposals and segments of all videos.
        videos: V.
        classes: C.
    """

    def __init__(self, found: Matched, videos: int, classes: int):
        label, video = found.proposals.label, found.proposals.video
        self._has_proposals = np.bincount(label, minlength=classes) > 0
        owner, of_class = found.truth.video, found.truth.label
        self._segments = counted(owner, of_class, np.ones(len(owner)), videos, classes)
        bounds = np.searchsorted(label, np.arange(classes + 1)).tolist()
        self._hits = [
            [_Hits(*of_class, hits, video, videos) for of_class in pairwise(bounds)]
            for hits in found.hits
        ]

    def precisions(self, weights: np.ndarray) -> np.ndarray:
        """(B, V) weights -> AP in percent, (B, IoUs, C); each video once gives those of
        `average_precisions`. That of a class that has segments, but none in the videos that count,
        is NaN."""
        segments = self._segments @ weights.T  # [C, B]
        sums = [[of_class.precisions(weights) for of_class in hits] for hits in self._hits]
        ap = 100 * np.array(sums) / np.maximum(segments, 1)  # [IoUs, C, B]
        if not self._has_proposals.all():  # everything is 0 then, see `average_precisions`
            ap = np.zeros_like(ap)
        lost = (segments == 0) & (self._segments.sum(axis=1) > 0)[:, None]
        return np.where(lost, np.nan, ap).transpose(2, 0, 1)


class _Hits:
    """The true positives among the proposals of one class, which are ranked by falling score.

    With proposals p0 … p5 of which p1 and p3 are hits, the proposals fall into three groups by how
    many hits stand at or above them: (p0), (p1, p2), (p3, p4, p5). A hit has all groups before its
    own above it: p1 one proposal, p3 three.

    Args:
        start, end: the first proposal of the class, and that behind its last.
        hits: true positives of all classes.
        video: of every proposal.
        videos: V.
    """

    def __init__(self, start: int, end: int, hits: np.ndarray, video: np.ndarray, videos: int):
        hits = hits[(start <= hits) & (hits < end)]
        self._video = video[hits]
        group = np.searchsorted(hits, np.arange(start, end), side="right")
        ones = np.ones(end - start)
        self._groups = counted(video[start:end], group, ones, videos, len(hits) + 1)

    def precisions(self, weights: np.ndarray) -> np.ndarray:
        """(B, V) weights -> (B,), precision summed over the hits. A hit that counts w times, with r
        proposals above it of which n are hits, adds w·(n + 1) / (r + 1): its copies do not see one
        another. If they did, each would raise the others' precision, and AP would be too high on
        resamples."""
        times = weights[:, self._video].T  # w, [hits, B]
        above = np.cumsum(self._groups @ weights.T, axis=0)[:-1]  # r
        hits_above = np.cumsum(times, axis=0) - times  # n
        return (times * (hits_above + 1) / (above + 1)).sum(axis=0)
