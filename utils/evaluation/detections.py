"""mAP@IoU of many weightings of the videos. What is matched in a video does not depend on the
others, so it is matched once."""

from itertools import pairwise

import numpy as np

from utils.detection_map import IOU_THRESHOLDS, Matched, matched
from utils.evaluation.ranking import counted
from utils.evaluation.scored_videos import ScoredVideos
from utils.evaluation.weighted import Part, Values, by, mean_of_defined


def of_detections(scored: ScoredVideos) -> Part:
    """Of class probabilities; over all classes, over the anomaly classes, and of each."""
    truth, codes = scored.truth, scored.facts.classes
    probabilities = [p.probabilities for p in scored.predictions]
    found = matched(probabilities, truth.segments, truth.labels, codes, truth.edges)
    detections = Detections(found, scored.videos, len(codes))
    ious = [*map(str, IOU_THRESHOLDS)]

    def part(weights: np.ndarray) -> Values:
        ap = detections.precisions(weights)  # [B, IoUs, C]
        values = {}
        for name, of_classes in (("map", ap), ("anomaly_map", ap[..., 1:])):
            mean = mean_of_defined(of_classes, axis=2)
            values |= {name: by(ious, mean), f"average_{name}": mean.mean(axis=1)}
        return values | {"per_class_ap": {c: by(ious, ap[..., i]) for i, c in enumerate(codes)}}

    return part


class Detections:
    """
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
    """The right ones among the proposals of one class.

    Args:
        start, end: the first proposal of the class, and that behind its last.
        hits: right proposals of all classes.
        video: of every proposal.
        videos: V.
    """

    def __init__(self, start: int, end: int, hits: np.ndarray, video: np.ndarray, videos: int):
        hits = hits[(start <= hits) & (hits < end)]
        self._video = video[hits]
        before = np.searchsorted(hits, np.arange(start, end), side="right")  # hits, itself included
        ones = np.ones(end - start)
        self._between = counted(video[start:end], before, ones, videos, len(hits) + 1)

    def precisions(self, weights: np.ndarray) -> np.ndarray:
        """(B, V) weights -> (B,), precision summed over the hits. Of a hit that counts w times,
        behind r proposals of which n are right, it is w·(n + 1) / (r + 1): its copies do not see
        one another. If they did, each would raise the others' precision, and AP would be too high
        on resamples."""
        times = weights[:, self._video].T  # [hits, B]
        rank = np.cumsum(self._between @ weights.T, axis=0)[:-1]
        right = np.cumsum(times, axis=0) - times
        return (times * (right + 1) / (rank + 1)).sum(axis=0)
