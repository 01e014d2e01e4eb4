"""mAP@IoU of many weightings of the videos. What is matched in a video does not depend on the
others, so it is matched once; a video that counts twice has its proposals and segments twice."""

from itertools import pairwise

import numpy as np

from utils.detection_map import IOU_THRESHOLDS, Matched, matched
from utils.evaluation.ranking import counted
from utils.evaluation.scored import Scored
from utils.evaluation.weighted import Part, Values, by


def of_detections(scored: Scored) -> Part:
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
            known = np.isfinite(of_classes)
            mean = np.where(known, of_classes, 0).sum(axis=2) / known.sum(axis=2)
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
        self.classes = classes
        self._proposals = counted(video, label, np.ones(len(label)), videos, classes)
        owner, of_class = found.truth.video, found.truth.label
        self._segments = counted(owner, of_class, np.ones(len(owner)), videos, classes)
        bounds = np.searchsorted(label, np.arange(classes + 1)).tolist()
        self._hits = [
            [_Hits(*of_class, hits, video, videos) for of_class in pairwise(bounds)]
            for hits in found.hits
        ]

    def precisions(self, weights: np.ndarray) -> np.ndarray:
        """(B, V) whole weights -> AP in percent, (B, IoUs, C), as `average_precisions` has them.
        That of a class that has segments, but none in the videos that count, is NaN."""
        proposals, segments = self._proposals @ weights.T, self._segments @ weights.T  # [C, B]
        most = int(proposals.max(initial=0))
        harmonic = np.concatenate([[0], np.cumsum(1 / np.arange(1, most + 1))])
        sums = [[of_class.precisions(weights, harmonic) for of_class in h] for h in self._hits]
        ap = 100 * np.array(sums) / np.maximum(segments, 1)  # [IoUs, C, B]
        ap = np.where((proposals > 0).all(axis=0), ap, 0)
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

    def precisions(self, weights: np.ndarray, harmonic: np.ndarray) -> np.ndarray:
        """(B,), summed over the hits. Of a hit that counts w times, behind r proposals of which n
        are right, it is (n + 1) / (r + 1) + … + (n + w) / (r + w) = w + (n − r)(H(r + w) − H(r)).

        Args:
            weights: (B, V).
            harmonic: H(0), H(1), …
        """
        times = weights[:, self._video].T.astype(int)  # [hits, B]
        rank = np.cumsum(self._between @ weights.T, axis=0)[:-1].astype(int)
        right = np.cumsum(times, axis=0) - times
        return (times + (right - rank) * (harmonic[rank + times] - harmonic[rank])).sum(axis=0)
