"""Curves and their areas from sorted counts, for one weighting of the videos or a thousand.

A snippet's frames share its score, so it counts once, with so many abnormal frames and so many
normal ones. Between two scores that abnormal frames have, it does not matter how normal ones are
sorted: they are counted in one bin. So the rows are sorted once, and each weighting of the videos
takes two sums over bins instead of a sort.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

JUST = 1 + 1e-9  # a limit that is met but for rounding is met


@dataclass
class Curves:
    """Sums of one or more weightings of the videos, (B, K): for each of the K scores that abnormal
    frames have, falling, the frames that have it or more.

    Attributes:
        hits: abnormal frames that have it or more.
        hits_above: abnormal frames that have more.
        false: normal frames that have it or more.
        false_above: normal frames that have more.
        abnormal, normal: all frames, (B, 1).
    """

    hits: np.ndarray
    hits_above: np.ndarray
    false: np.ndarray
    false_above: np.ndarray
    abnormal: np.ndarray
    normal: np.ndarray

    @cached_property
    def defined(self) -> np.ndarray:
        """(B,) whether there are frames of both kinds."""
        return ((self.abnormal > 0) & (self.normal > 0))[:, 0]

    def _where_defined(self, values: np.ndarray) -> np.ndarray:
        return np.where(self.defined, values, np.nan)

    @cached_property
    def share(self) -> np.ndarray:
        """(B, K) share of the abnormal frames that have just this score."""
        return (self.hits - self.hits_above) / self.abnormal

    @cached_property
    def precision(self) -> np.ndarray:
        """(B, K); 1 where no frame has the score or more."""
        return _ratio(self.hits, self.hits + self.false)

    def auc(self) -> np.ndarray:
        """(B,) area under the ROC curve: how often an abnormal frame has a higher score than a
        normal one, an equal one counting half."""
        lower = self.normal - (self.false + self.false_above) / 2
        return self._where_defined((self.share * lower / self.normal).sum(axis=1))

    def ap(self) -> np.ndarray:
        """(B,) area under the precision-recall curve by steps."""
        return self._where_defined((self.share * self.precision).sum(axis=1))

    def pr_auc(self) -> np.ndarray:
        """(B,) the same by trapezoids, from precision 1 on."""
        above = _ratio(self.hits_above, self.hits_above + self.false_above)
        return self._where_defined((self.share * (self.precision + above) / 2).sum(axis=1))

    def count_within(self, rate: float) -> np.ndarray:
        """(B,) how many of the K scores can be a threshold at which the false-positive rate is at
        most this."""
        return (self.false <= rate * self.normal * JUST).sum(axis=1)

    def recall_of(self, count: np.ndarray) -> np.ndarray:
        """(B,) share of the abnormal frames that have one of the `count` (B,) highest scores."""
        hits = np.take_along_axis(self.hits, np.maximum(count - 1, 0)[:, None], axis=1)
        return self._where_defined(np.where(count > 0, (hits / self.abnormal)[:, 0], 0))

    def roc(self, rates: np.ndarray) -> np.ndarray:
        """(B, rates) the ROC curve: recall at false-positive rates, on a straight line between the
        thresholds, whose area `auc` is."""
        x = np.stack([self.false_above, self.false], axis=2).reshape(len(self.false), -1)
        y = np.stack([self.hits_above, self.hits], axis=2).reshape(len(self.hits), -1)
        points = zip(x / self.normal, y / self.abnormal, strict=True)
        return np.stack([np.interp(rates, [0, *a, 1], [0, *b, 1]) for a, b in points])

    def precision_at(self, recall: float) -> np.ndarray:
        """(B,) precision at the highest threshold whose recall is at least this."""
        reached = (self.hits * JUST < recall * self.abnormal).sum(axis=1)
        reached = np.minimum(reached, self.hits.shape[1] - 1)
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
        self._hits = counted(video, higher, abnormal, videos, count)
        self._false = counted(video, 2 * higher + equal, normal, videos, 2 * count + 1)

    def higher(self, scores: np.ndarray) -> np.ndarray:
        """How many of the K scores are higher than each of these."""
        return len(self._rising) - np.searchsorted(self._rising, scores, side="right")

    def threshold(self, count: np.ndarray) -> np.ndarray:
        """The `count`-th highest of the K scores; infinite of none."""
        return np.append(np.inf, self.scores)[count]

    def curves(self, weights: np.ndarray) -> Curves:
        """The sums of weightings of the videos.

        Args:
            weights: (B, V) how often each video counts.
        """
        hits = np.cumsum((self._hits @ weights.T).T, axis=1)
        false = np.cumsum((self._false @ weights.T).T, axis=1)
        above = np.hstack([np.zeros_like(false[:, :1]), hits[:, :-1]])
        return Curves(hits, above, false[:, 1::2], false[:, :-1:2], hits[:, -1:], false[:, -1:])


def counted(video, bins, amounts, videos: int, count: int):
    """Amounts summed by bin and video, as a sparse matrix (count, V)."""
    from scipy.sparse import coo_array  # here, because it takes time to load

    kept = np.flatnonzero(amounts)
    places = bins[kept], video[kept]
    return coo_array((amounts[kept].astype(float), places), (count, videos)).tocsr()
