"""What is said of scores: AUC, AP and mAP@IoU by the protocol of VadCLIP and DSANet, and how the
detector would do when deployed. docs/evaluation.md has the definitions."""

import numpy as np

from utils.evaluation.alarms import all_events, metrics_of_events, metrics_of_normal_videos
from utils.evaluation.calibration import metrics_of_calibration
from utils.evaluation.detections import metrics_of_detections
from utils.evaluation.frames import (
    metrics_of_anomalous_videos,
    metrics_of_frames,
    metrics_of_normal_class,
)
from utils.evaluation.open_world import OpenWorld
from utils.evaluation.scored_videos import ScoredVideos
from utils.evaluation.undefined import undefined
from utils.evaluation.videos import metrics_of_videos
from utils.evaluation.weighted import Values, combined, mapped
from utils.metric_names import DEPLOYMENT, METRICS, OF_DEPLOYMENT, OPEN_WORLD

AT_ONCE = 2**22  # weightings of the videos × snippets that are held in memory
# Tables beside the single metrics of METRICS, by IoU or class; those of the block `deployment`.
TABLES = ("map", "anomaly_map", "per_class_ap", "per_class_accuracy")
DEPLOYMENT_TABLES = ("event_precision", "event_recall", "event_f1", "recall_at_5_by_class")


class Evaluation:
    """All metrics of scored videos, for any weighting of these.

    Args:
        scored: videos.
        temperature: of the calibration; None where none was fitted.
    """

    def __init__(self, scored: ScoredVideos, temperature: float | None = None):
        self.scored = scored
        self.temperature = temperature
        of_any_videos = [metrics_of_videos(scored)]  # whichever classes they show
        if scored.truth:
            of_any_videos += [metrics_of_frames(scored), metrics_of_anomalous_videos(scored)]
        self._functions = [*of_any_videos]
        if scored.are_probabilities and scored.edges is not None:
            events = all_events(scored)
            self._functions.append(metrics_of_normal_videos(scored, events))
            if scored.truth:
                self._functions.append(metrics_of_events(scored, events))
                self._functions.append(metrics_of_calibration(scored, temperature))
        if scored.truth and scored.tells_classes:
            self._functions += [metrics_of_normal_class(scored), metrics_of_detections(scored)]
        self._open_world = OpenWorld(scored, of_any_videos) if scored.left_out else None

    def values(self, weights: np.ndarray) -> Values:
        """
        Args:
            weights: (B, V) how often each video counts, in whole numbers.

        Returns:
            by name, see `Values`, as far as there can be any.
        """
        step = max(1, AT_ONCE // len(self.scored.flat_scores))
        chunks = [weights[start : start + step] for start in range(0, len(weights), step)]
        with np.errstate(invalid="ignore", divide="ignore"):  # what is undefined becomes NaN
            return combined(np.concatenate, [self._of_chunk(chunk) for chunk in chunks])

    def _of_chunk(self, weights: np.ndarray) -> Values:
        values: Values = {}
        for metrics in self._functions:
            values |= metrics(weights)
        if self._open_world:
            values[OPEN_WORLD] = self._open_world.values(weights, values)
        return values

    def metrics(self) -> dict:
        """Every metric of the videos as they are, None where it is not defined.

        Returns:
            by name, those of `METRICS` and the tables beside them by IoU (in percent) or class; in
            the block `deployment` the deployment metrics, and, where classes were left out, in the
            block `open_world` those of the classes that were `seen` and `unseen`.
        """
        values = self.values(np.ones((1, self.scored.num_videos)))
        metrics = dict.fromkeys([*METRICS, *TABLES, *DEPLOYMENT_TABLES]) | mapped(_plain, values)
        why = {n: undefined(n, self.scored) for n, value in metrics.items() if value is None}
        metrics = in_blocks(metrics)
        metrics[DEPLOYMENT]["temperature"] = self.temperature
        if self._open_world:
            metrics[OPEN_WORLD]["left_out"] = [*self.scored.left_out]
        return metrics | {"undefined": why, "test_set": self.scored.described()}


def _plain(value: np.ndarray) -> float | None:
    return float(value[0]) if np.isfinite(value[0]) else None


def in_blocks(values: dict) -> dict:
    """Metrics by name, the deployment metrics in a block of their own."""
    names = {*OF_DEPLOYMENT, *DEPLOYMENT_TABLES}
    others = {name: value for name, value in values.items() if name not in names}
    return {**others, DEPLOYMENT: {n: value for n, value in values.items() if n in names}}
