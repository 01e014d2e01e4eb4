"""Curves and their areas from sorted counts, for one weighting of the videos or a thousand.

A snippet's frames share its score, so it counts once, with so many abnormal frames (positives) and
so many normal ones (negatives). Between two scores that positives have, it does not matter how the
negatives are sorted: they are counted in one bin. So the rows are sorted once, and each weighting
of the videos takes two sums over bins instead of a sort.

Example, with the scores of positives 0.9 and 0.4, and of negatives 0.95, 0.6, 0.5 and 0.4: the
positives are counted in the bins (0.9) and (0.4), one each; the negatives in the bins above 0.9,
(0.9), between, (0.4) and below: 1, 0, 2, 1, 0.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

TOLERANCE = 1 + 1e-9  # limits are met up to rounding


@dataclass
class Curves:
    """Cumulative counts for B weightings of the videos, (B, K): for each of the K scores that
    positives have, falling, what counts if that score is the threshold.

    Attributes:
        tp, fp: true and false positives, the frames with that score or more.
        tp_above, fp_above: those with more.
        positives, negatives: all abnormal and all normal frames, (B, 1).
    """

    tp: np.ndarray
    tp_above: np.ndarray
    fp: np.ndarray
    fp_above: np.ndarray
    positives: np.ndarray
    negatives: np.ndarray

    @cached_property
    def defined(self) -> np.ndarray:
        """(B,) whether there are frames of both kinds."""
        return ((self.positives > 0) & (self.negatives > 0))[:, 0]

    def _where_defined(self, values: np.ndarray) -> np.ndarray:
        return np.where(self.defined, values, np.nan)

    @cached_property
    def recall_step(self) -> np.ndarray:
        """(B, K) by how much recall grows at this score."""
        return (self.tp - self.tp_above) / self.positives

    @cached_property
    def precision(self) -> np.ndarray:
        """(B, K); 1 where no frame has the score or more."""
        return _ratio(self.tp, self.tp + self.fp)

    def auc(self) -> np.ndarray:
        """(B,) area under the ROC curve: how often an abnormal frame has a higher score than a
        normal one, an equal one counting half."""
        lower = self.negatives - (self.fp + self.fp_above) / 2
        return self._where_defined((self.recall_step * lower / self.negatives).sum(axis=1))

    def ap(self) -> np.ndarray:
        """(B,) area under the precision-recall curve by steps."""
        return self._where_defined((self.recall_step * self.precision).sum(axis=1))

    def pr_auc(self) -> np.ndarray:
        """(B,) the same by trapezoids, from precision 1 on, which RTFM, CLIP-TSA, UR-DMU and
        PEL4VAD report as "AP". It is too high where many frames share the highest score."""
        above = _ratio(self.tp_above, self.tp_above + self.fp_above)
        return self._where_defined((self.recall_step * (self.precision + above) / 2).sum(axis=1))

    def count_within(self, rate: float) -> np.ndarray:
        """(B,) how many of the K scores can be a threshold at which the false-positive rate is at
        most this."""
        return (self.fp <= rate * self.negatives * TOLERANCE).sum(axis=1)

    def recall_of(self, count: np.ndarray) -> np.ndarray:
        """(B,) share of the abnormal frames that have one of the `count` (B,) highest scores."""
        tp = np.take_along_axis(self.tp, np.maximum(count - 1, 0)[:, None], axis=1)
        return self._where_defined(np.where(count > 0, (tp / self.positives)[:, 0], 0))

    def roc(self, rates: np.ndarray) -> np.ndarray:
        """(B, rates) the ROC curve: recall at false-positive rates, on a straight line between the
        thresholds, whose area `auc` is."""
        x = np.stack([self.fp_above, self.fp], axis=2).reshape(len(self.fp), -1)
        y = np.stack([self.tp_above, self.tp], axis=2).reshape(len(self.tp), -1)
        points = zip(x / self.negatives, y / self.positives, strict=True)
        return np.stack([np.interp(rates, [0, *a, 1], [0, *b, 1]) for a, b in points])

    def precision_at(self, recall: float) -> np.ndarray:
        """(B,) precision at the highest threshold whose recall is at least this."""
        reached = (self.tp * TOLERANCE < recall * self.positives).sum(axis=1)
        reached = np.minimum(reached, self.tp.shape[1] - 1)
        return np.take_along_axis(self.precision, reached[:, None], axis=1)[:, 0]


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.ones_like(whole), where=whole > 0)


class Ranking:
    """Rows of V videos, sorted by score and counted.

    Args:
        scores: (S,) of the rows.
        abnormal: (S,) abnormal frames, or seconds, of each.
        durations: (S,) all of them.
        video: (S,) to which video each belongs.
        videos: V.

    Attributes:
        scores: (K,) those of rows with abnormal frames, falling; at least one.
    """

    def __init__(self, scores, abnormal, durations, video, videos: int):
        normal = durations - abnormal
        rising = np.unique(scores[abnormal > 0])
        if not len(rising):  # nothing is abnormal: one score that no frame has
            rising = np.array([-np.inf])
        self.scores = rising[::-1]
        self._rising = rising
        higher, count = self.higher(scores), len(rising)
        # Rows of the k-th score are in bin 2k + 1, those between it and the one above in 2k.
        equal = np.append(rising[::-1], np.nan)[higher] == scores
        self._positives = counted(video, higher, abnormal, videos, count)
        self._negatives = counted(video, 2 * higher + equal, normal, videos, 2 * count + 1)

    def higher(self, scores: np.ndarray) -> np.ndarray:
        """How many of the K scores are higher than each of these."""
        return len(self._rising) - np.searchsorted(self._rising, scores, side="right")

    def threshold(self, count: np.ndarray) -> np.ndarray:
        """The `count`-th highest of the K scores; infinite of none."""
        return np.append(np.inf, self.scores)[count]

    def curves(self, weights: np.ndarray) -> Curves:
        """The cumulative counts for weightings of the videos.

        Args:
            weights: (B, V) how often each video counts.
        """
        tp = np.cumsum((self._positives @ weights.T).T, axis=1)
        fp = np.cumsum((self._negatives @ weights.T).T, axis=1)  # behind every bin
        above = np.hstack([np.zeros_like(fp[:, :1]), tp[:, :-1]])
        return Curves(tp, above, fp[:, 1::2], fp[:, :-1:2], tp[:, -1:], fp[:, -1:])


def counted(video, bins, amounts, videos: int, count: int):
    """Amounts summed by bin and video, as a sparse matrix (count, V)."""
    from scipy.sparse import coo_array  # here, because it takes time to load

    kept = np.flatnonzero(amounts)
    places = bins[kept], video[kept]
    return coo_array((amounts[kept].astype(float), places), (count, videos)).tocsr()
