"""Whether a score of 0.8 is right in 8 of 10 frames, and the temperature that helps."""

import numpy as np

from utils.evaluation.scored_videos import ScoredVideos
from utils.evaluation.weighted import MetricFunction, Values

BINS = 15
LOWEST, HIGHEST = 0.02, 50.0  # temperatures
SURE = 1e-7  # closer to 0 and 1 a score says no more


def calibration_sums(scored: ScoredVideos, scores: np.ndarray) -> np.ndarray:
    """Per video and score bin: frames, summed scores and abnormal frames, (V, 3, 15). There are 15
    equal bins of the scores (Σ T,)."""
    truth = scored.truth
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    sums = np.zeros((scored.num_videos, 3, BINS))
    amounts = truth.durations, truth.durations * scores.astype(float), truth.abnormal
    for i, of_rows in enumerate(amounts):
        np.add.at(sums, (scored.video_of_row, i, bins), of_rows)
    return sums


def calibration_error(sums: np.ndarray) -> np.ndarray:
    """Expected calibration error: the mean over all frames of how far the share of abnormal ones in
    a frame's bin is from the bin's mean score. (B, 3, 15) -> (B,)."""
    frames, scores, abnormal = np.moveaxis(sums, 1, 0)
    return np.abs(scores - abnormal).sum(axis=1) / frames.sum(axis=1)


def metrics_of_calibration(
    scored: ScoredVideos, temperature: float | None = None
) -> MetricFunction:
    """Calibration error of S_det, and that after temperature scaling if there is a temperature."""
    sums = {"calibration_error": calibration_sums(scored, scored.flat_scores)}
    if temperature:
        cooled = with_temperature(scored.flat_scores, temperature)
        sums["calibrated_error"] = calibration_sums(scored, cooled)

    def metrics(weights: np.ndarray) -> Values:
        return {
            name: calibration_error(np.tensordot(weights, of_videos, axes=1))
            for name, of_videos in sums.items()
        }

    return metrics


def logit(scores: np.ndarray) -> np.ndarray:
    scores = np.clip(scores.astype(float), SURE, 1 - SURE)
    return np.log(scores) - np.log1p(-scores)


def with_temperature(scores: np.ndarray, temperature: float) -> np.ndarray:
    """σ(logit / temperature)."""
    return 1 / (1 + np.exp(-logit(scores) / temperature))


def fit_temperature(highest: np.ndarray, anomalous: np.ndarray) -> float | None:
    """The temperature at which the highest scores of videos say best, by log-likelihood, which of
    them are anomalous: their labels are all that validation videos have. None where all are of one
    kind.

    Args:
        highest: (V,) the highest score of each video.
        anomalous: (V,) whether it is.
    """
    from scipy.optimize import minimize_scalar  # here, because it takes time to load

    anomalous = np.asarray(anomalous, dtype=bool)
    if anomalous.all() or not anomalous.any():
        return None
    towards = np.where(anomalous, 1, -1) * logit(np.asarray(highest))

    def loss(log_temperature: float) -> float:
        return float(np.logaddexp(0, -towards / np.exp(log_temperature)).mean())

    bounds = np.log([LOWEST, HIGHEST])
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))
