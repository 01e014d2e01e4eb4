"""How sure a metric is: what it would have been on other videos of the same kind."""

import numpy as np

from utils.evaluation.metrics import Evaluation, in_blocks
from utils.evaluation.weighted import mapped

SEED = 0
LEVEL = 0.95  # of an interval
TAIL = 100 * (1 - LEVEL) / 2
ENDS = TAIL, 100 - TAIL  # percentiles


def resample_weights(videos: int, count: int) -> np.ndarray:
    """(count, V) how often each video is in a resample: V are drawn with replacement."""
    chances = np.full(videos, 1 / videos)
    return np.random.default_rng(SEED).multinomial(videos, chances, size=count)


def interval(values: np.ndarray) -> list[float] | None:
    """95 % percentile interval over the resamples in which the metric is defined; None if those are
    fewer than half."""
    defined = values[np.isfinite(values)]
    if not len(defined) or 2 * len(defined) < len(values):
        return None
    return np.percentile(defined, ENDS).tolist()


def intervals(evaluation: Evaluation, count: int) -> dict:
    """An interval of every metric, laid out as `Evaluation.metrics` are."""
    values = evaluation.values(resample_weights(evaluation.scored.num_videos, count))
    return {"resamples": count, "level": LEVEL} | in_blocks(mapped(interval, values))


def results_of(evaluation: Evaluation, count: int) -> dict:
    """What `results.json` says of scores: `Evaluation.metrics` and, under `intervals`, their
    intervals over `count` resamples; None without resamples, and of one video."""
    found = intervals(evaluation, count) if count and evaluation.scored.num_videos > 1 else None
    return {**evaluation.metrics(), "intervals": found}
