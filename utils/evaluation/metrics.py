"""What a test run reports: AUC, AP, mAP@IoU, by the protocol of VadCLIP and DSANet; and what can be
said of whole videos, for which their labels are enough."""

from typing import NamedTuple

import numpy as np

from utils.datasets.ground_truth import GroundTruth
from utils.datasets.lists import Row
from utils.detection_map import IOU_THRESHOLDS, average_precisions
from utils.evaluation.predictions import Prediction
from utils.labels import Dataset
from utils.metric_names import METRICS

BY_IOU = ("map", "anomaly_map", "per_class_ap")  # tables beside the single figures of METRICS
PER_CLASS_ACCURACY = "per_class_accuracy"
NO_CLASSES = "not applicable: the method tells no classes"
NO_EVENTS = "not defined: it is not known when something happens (no table of events)"


class FrameMetrics(NamedTuple):
    """Of scores by frame, each in 0…1.

    Attributes:
        auc: area under the ROC curve.
        ap: average precision, the area under the precision-recall curve by steps.
        pr_auc: the same by trapezoids, which RTFM, CLIP-TSA, UR-DMU and PEL4VAD report as "AP".
            The lines between points flatter, a lot where many frames share the highest score.
    """

    auc: float
    ap: float
    pr_auc: float


def frame_metrics(scores: np.ndarray, abnormal: np.ndarray, durations: np.ndarray) -> FrameMetrics:
    """Areas under the curves of scores per snippet, by frame.

    A snippet's frames share its score, so it counts once as abnormal and once as normal, weighted
    by how many of its frames are.

    Args:
        scores: (S,) per snippet.
        abnormal: (S,) abnormal frames, or seconds, of each.
        durations: (S,) all of them.
    """
    # Here, because it takes seconds to load and nothing else needs it.
    from sklearn.metrics import auc, precision_recall_curve, roc_auc_score

    truth = np.repeat([1, 0], len(scores))
    weights = np.concatenate([abnormal, durations - abnormal])
    counts = weights > 0
    truth, scores, weights = truth[counts], np.tile(scores, 2)[counts], weights[counts]
    precision, recall, _ = precision_recall_curve(truth, scores, sample_weight=weights)
    return FrameMetrics(
        float(roc_auc_score(truth, scores, sample_weight=weights)),
        float(-np.sum(np.diff(recall) * precision[:-1])),  # recall falls along the curve
        float(auc(recall, precision)),
    )


def compute_metrics(
    predictions: list[Prediction], truth: GroundTruth | None, rows: list[Row], facts: Dataset
) -> dict:
    """All metrics of a test list. What is not defined is None.

    Args:
        predictions: of the videos.
        truth: of the videos; None where it is not known when something happens.
        rows: of the list.
        facts: of the data set.

    Returns:
        `auc1 ap1 pr_auc` of S_det (see `FrameMetrics`), `auc2 ap2` of 1 − P(normal), `ano_auc`
        (AUC1 over anomalous videos only; None where these have one kind of frame), `video_auc
        video_ap` of whole videos by their highest S_det, `class_accuracy` and `per_class_accuracy`
        (see `told_classes`), all in 0…1; `map` and `anomaly_map` (without the normal class) by IoU,
        their means `average_map` and `average_anomaly_map`, and `per_class_ap` by class and IoU, in
        percent. All that needs class probabilities is None where there are none.
    """
    metrics = dict.fromkeys((*METRICS, *BY_IOU, PER_CLASS_ACCURACY))
    metrics |= video_metrics(predictions, rows)
    told = predictions[0].probabilities is not None
    if told and len(facts.classes) > 2:
        metrics |= told_classes(predictions, rows, facts)
    if truth is None:
        return metrics
    score = np.concatenate([p.score for p in predictions])
    of_frames = frame_metrics(score, truth.abnormal, truth.durations)
    metrics |= {"auc1": of_frames.auc, "ap1": of_frames.ap, "pr_auc": of_frames.pr_auc}
    within = np.repeat([not row.normal for row in rows], [len(p.score) for p in predictions])
    abnormal, durations = truth.abnormal[within], truth.durations[within]
    if 0 < abnormal.sum() < durations.sum():
        metrics["ano_auc"] = frame_metrics(score[within], abnormal, durations).auc
    if told:
        metrics |= class_metrics(predictions, truth, facts)
    return metrics


def video_metrics(predictions: list[Prediction], rows: list[Row]) -> dict:
    """ROC-AUC and average precision of videos by their highest score; nothing where all are of one
    kind."""
    from sklearn.metrics import average_precision_score, roc_auc_score  # as above

    anomalous = [not row.normal for row in rows]
    if len({*anomalous}) < 2:
        return {}
    highest = [p.score.max() for p in predictions]
    return {
        "video_auc": float(roc_auc_score(anomalous, highest)),
        "video_ap": float(average_precision_score(anomalous, highest)),
    }


def told_classes(predictions: list[Prediction], rows: list[Row], facts: Dataset) -> dict:
    """How often an anomalous video is told to be of a class that it is of: of the anomaly class
    whose probability is highest in it. Over all of them, and by class."""
    right: dict[str, list[bool]] = {code: [] for code in facts.classes[1:]}
    videos = []
    for p, row in zip(predictions, rows, strict=True):
        if not row.normal:
            hit = bool(row.label[1 + p.probabilities[:, 1:].max(axis=0).argmax()])
            videos.append(hit)
            for code, is_of in zip(facts.classes, row.label, strict=True):
                if is_of:
                    right[code].append(hit)
    return {
        "class_accuracy": float(np.mean(videos)) if videos else None,
        PER_CLASS_ACCURACY: {c: float(np.mean(h)) if h else None for c, h in right.items()},
    }


def class_metrics(predictions: list[Prediction], truth: GroundTruth, facts: Dataset) -> dict:
    """Those of `compute_metrics` that come from class probabilities and events."""
    anomaly = np.concatenate([1 - p.probabilities[:, 0] for p in predictions])
    of_frames = frame_metrics(anomaly, truth.abnormal, truth.durations)
    ap = average_precisions(
        [p.probabilities for p in predictions],
        truth.segments,
        truth.labels,
        facts.classes,
        truth.edges,
    )
    return {
        "auc2": of_frames.auc,
        "ap2": of_frames.ap,
        "map": by_iou(ap.mean(axis=1)),
        "average_map": float(ap.mean()),
        "anomaly_map": by_iou(ap[:, 1:].mean(axis=1)),
        "average_anomaly_map": float(ap[:, 1:].mean()),
        "per_class_ap": {name: by_iou(ap[:, c]) for c, name in enumerate(facts.classes)},
    }


def by_iou(values: np.ndarray) -> dict[str, float]:
    return {str(iou): float(value) for iou, value in zip(IOU_THRESHOLDS, values, strict=True)}
