"""What a test run reports: AUC, AP, mAP@IoU. Protocol of VadCLIP and DSANet."""

from typing import NamedTuple

import numpy as np

from utils.datasets.features import SNIPPET_FRAMES
from utils.datasets.ground_truth import GroundTruth
from utils.datasets.lists import Row
from utils.detection_map import IOU_THRESHOLDS, average_precisions
from utils.labels import Dataset
from utils.metric_names import METRICS
from utils.system.errors import UserError
from utils.system.files import whole_file

BY_IOU = ("map", "anomaly_map", "per_class_ap")  # tables beside the single figures of METRICS
NO_CLASSES = "not applicable: the method tells no classes"


class Prediction(NamedTuple):
    """Scores of one video of T snippets."""

    score: np.ndarray  # (T,) S_det = σ(logits1)
    probabilities: np.ndarray | None = None  # (T, C), from a method that tells classes


def frame_metrics(scores: np.ndarray, abnormal: np.ndarray) -> tuple[float, float]:
    """ROC-AUC and average precision, by frame, of scores per snippet.

    A snippet's frames share its score, so it counts once as abnormal and once as normal, weighted
    by how many of its frames are.

    Args:
        scores: (S,) per snippet.
        abnormal: (S,) abnormal frames of each, 0…16.
    """
    # Here, because it takes seconds to load and nothing else needs it.
    from sklearn.metrics import average_precision_score, roc_auc_score

    truth = np.repeat([1, 0], len(scores))
    weights = np.concatenate([abnormal, SNIPPET_FRAMES - abnormal])
    counts = weights > 0
    truth, scores, weights = truth[counts], np.tile(scores, 2)[counts], weights[counts]
    return (
        float(roc_auc_score(truth, scores, sample_weight=weights)),
        float(average_precision_score(truth, scores, sample_weight=weights)),
    )


def compute_metrics(
    predictions: list[Prediction], truth: GroundTruth, rows: list[Row], facts: Dataset
) -> dict:
    """All metrics of a test list.

    Returns:
        `auc1 ap1` of S_det, `auc2 ap2` of 1 − P(normal), `ano_auc` (AUC1 over anomalous videos
        only; None where these have one kind of frame), all in 0…1; `map` and `anomaly_map` (without
        the normal class) by IoU, their means `average_map` and `average_anomaly_map`, and
        `per_class_ap` by class and IoU, in percent. All that needs class probabilities is None
        where there are none.
    """
    abnormal = truth.abnormal_frames()
    score = np.concatenate([p.score for p in predictions])
    in_anomalous = np.repeat([not row.normal for row in rows], [len(p.score) for p in predictions])
    ano_auc = None
    if 0 < abnormal[in_anomalous].sum() < SNIPPET_FRAMES * in_anomalous.sum():
        ano_auc = frame_metrics(score[in_anomalous], abnormal[in_anomalous])[0]
    auc1, ap1 = frame_metrics(score, abnormal)
    metrics = dict.fromkeys((*METRICS, *BY_IOU))
    metrics |= {"auc1": auc1, "ap1": ap1, "ano_auc": ano_auc}
    if predictions[0].probabilities is not None:
        metrics |= class_metrics(predictions, truth, facts)
    return metrics


def class_metrics(predictions: list[Prediction], truth: GroundTruth, facts: Dataset) -> dict:
    """Those of `compute_metrics` that come from class probabilities."""
    anomaly = np.concatenate([1 - p.probabilities[:, 0] for p in predictions])
    auc2, ap2 = frame_metrics(anomaly, truth.abnormal_frames())
    ap = average_precisions(
        [p.probabilities for p in predictions],
        truth.segments,
        truth.labels,
        facts.classes,
        frames_per_snippet=SNIPPET_FRAMES,
    )
    return {
        "auc2": auc2,
        "ap2": ap2,
        "map": by_iou(ap.mean(axis=1)),
        "average_map": float(ap.mean()),
        "anomaly_map": by_iou(ap[:, 1:].mean(axis=1)),
        "average_anomaly_map": float(ap[:, 1:].mean()),
        "per_class_ap": {name: by_iou(ap[:, c]) for c, name in enumerate(facts.classes)},
    }


def by_iou(values: np.ndarray) -> dict[str, float]:
    return {str(iou): float(value) for iou, value in zip(IOU_THRESHOLDS, values, strict=True)}


def official_lines(metrics: dict) -> list[str]:
    """The lines that users of the official code know."""
    detection = f"AUC1:  {metrics['auc1']}  AP1:  {metrics['ap1']}"
    if metrics["map"] is None:
        return [detection, f"AUC2, AP2 and mAP: {NO_CLASSES}"]
    return [
        detection,
        f"AUC2:  {metrics['auc2']}  AP2: {metrics['ap2']}",
        *(f"mAP@{iou} ={value:.2f}%" for iou, value in metrics["map"].items()),
        f"average MAP: {metrics['average_map']:.2f}",
    ]


def report_lines(metrics: dict) -> list[str]:
    """The official lines, and what they leave out."""
    ano_auc = "undefined" if metrics["ano_auc"] is None else f"{metrics['ano_auc']:.4f}"
    ano_auc = f"Ano-AUC: {ano_auc} (anomalous videos only)"
    if metrics["map"] is None:
        return [*official_lines(metrics), ano_auc]
    ious = list(metrics["map"])
    table = {
        **metrics["per_class_ap"],
        "mAP": metrics["map"],
        "mAP, anomalies": metrics["anomaly_map"],
    }
    return [
        *official_lines(metrics),
        ano_auc,
        f"average MAP over the anomaly classes: {metrics['average_anomaly_map']:.2f}",
        "",
        f"{'AP (%) at IoU':16}" + "".join(f"{iou:>8}" for iou in ious) + f"{'mean':>8}",
        *(
            f"{name:16}" + "".join(f"{v:8.2f}" for v in [*row.values(), np.mean([*row.values()])])
            for name, row in table.items()
        ),
    ]


def save_predictions(
    path: str, predictions: list[Prediction], rows: list[Row], facts: Dataset
) -> None:
    """Keep what was scored in plain arrays, in list order: `videos` (V,), `lengths` (V,) in
    snippets, `scores` (Σ T,), `probabilities` (Σ T, C) where there are any, `classes` (C,)."""
    arrays = {}
    if predictions[0].probabilities is not None:
        arrays["probabilities"] = np.concatenate([p.probabilities for p in predictions])
    with whole_file(path) as partial, partial.open("wb") as file:
        np.savez_compressed(
            file,
            videos=np.array([row.video for row in rows]),
            lengths=np.array([len(p.score) for p in predictions]),
            scores=np.concatenate([p.score for p in predictions]),
            classes=np.array(facts.classes),
            **arrays,
        )


def load_predictions(path: str) -> tuple[list[str], list[Prediction], list[str]]:
    """What `save_predictions` kept: video names, predictions, class codes."""
    try:
        with np.load(path, allow_pickle=False) as file:
            splits = np.cumsum(file["lengths"])[:-1]
            scores = np.split(file["scores"], splits)
            if "probabilities" in file:
                probabilities = np.split(file["probabilities"], splits)
            else:
                probabilities = [None] * len(scores)
            if not len(file["lengths"]) == len(file["videos"]) > 0 or any(
                len(values) != file["lengths"].sum()
                for values in (file["scores"], file.get("probabilities", file["scores"]))
            ):
                raise ValueError("arrays of different lengths")
            names, classes = file["videos"].tolist(), file["classes"].tolist()
    except Exception as error:  # a damaged archive can raise anything
        raise UserError(f"{path} holds no predictions of a test run ({error})") from None
    return names, list(map(Prediction, scores, probabilities)), classes


def load_predictions_of(path: str, rows: list[Row], lengths: list[int]) -> list[Prediction]:
    """The same of a test list, in its order.

    Raises:
        UserError: they are of other videos.
    """
    names, predictions, _ = load_predictions(path)
    found = [(name, len(p.score)) for name, p in zip(names, predictions, strict=True)]
    if found != [(row.video, length) for row, length in zip(rows, lengths, strict=True)]:
        raise UserError(f"{path} are not of the videos of this test list: test again")
    return predictions
