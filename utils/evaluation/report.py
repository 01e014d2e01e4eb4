"""Metrics as lines for people."""

import numpy as np

from utils.evaluation.metrics import NO_CLASSES, NO_EVENTS, PER_CLASS_ACCURACY
from utils.metric_names import METRICS, OF_VIDEOS


def official_lines(metrics: dict) -> list[str]:
    """The lines that users of the official code know."""
    if metrics["auc1"] is None:
        return video_lines(metrics)
    detection = f"AUC1:  {metrics['auc1']}  AP1:  {metrics['ap1']}"
    if metrics["map"] is None:
        by_trapezoids = f"PR-AUC:  {metrics['pr_auc']}"
        return [f"{detection}  {by_trapezoids}", f"AUC2, AP2 and mAP: {NO_CLASSES}"]
    return [
        detection,
        f"AUC2:  {metrics['auc2']}  AP2: {metrics['ap2']}",
        *(f"mAP@{iou} ={value:.2f}%" for iou, value in metrics["map"].items()),
        f"average MAP: {metrics['average_map']:.2f}",
    ]


def video_lines(metrics: dict) -> list[str]:
    """What is said of whole videos."""
    of_videos = (f"{METRICS[name].title}: {_shown(metrics[name])}" for name in OF_VIDEOS)
    return [f"{'  '.join(of_videos)} (whole videos, by their highest score)"]


def _shown(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"


def report_lines(metrics: dict) -> list[str]:
    """The official lines, and what they leave out."""
    lines = official_lines(metrics)
    if metrics["auc1"] is None:
        lines.append(f"AUC, AP and mAP of frames: {NO_EVENTS}")
    else:
        lines.append(f"Ano-AUC: {_shown(metrics['ano_auc'])} (anomalous videos only)")
    if metrics["map"] is not None:
        lines.append(f"PR-AUC: {_shown(metrics['pr_auc'])} (AP1 by trapezoids, as RTFM has it)")
        lines.append(f"average MAP over the anomaly classes: {metrics['average_anomaly_map']:.2f}")
    if metrics["auc1"] is not None:
        lines += video_lines(metrics)
    if metrics["map"] is not None:
        lines += ["", *_ap_table(metrics)]
    elif metrics[PER_CLASS_ACCURACY]:
        lines += ["", *_accuracy_table(metrics[PER_CLASS_ACCURACY])]
    return lines


def _ap_table(metrics: dict) -> list[str]:
    ious = list(metrics["map"])
    table = {
        **metrics["per_class_ap"],
        "mAP": metrics["map"],
        "mAP, anomalies": metrics["anomaly_map"],
    }
    width = max(16, *(len(name) + 2 for name in table))
    return [
        f"{'AP (%) at IoU':{width}}" + "".join(f"{iou:>8}" for iou in ious) + f"{'mean':>8}",
        *(
            f"{name:{width}}"
            + "".join(f"{v:8.2f}" for v in [*row.values(), np.mean([*row.values()])])
            for name, row in table.items()
        ),
    ]


def _accuracy_table(of_classes: dict[str, float | None]) -> list[str]:
    width = max(16, *(len(name) + 2 for name in of_classes))
    return [
        "Share of a class's videos that are told to be of it, in percent:",
        *(
            f"{name:{width}}" + (f"{'none':>8}" if value is None else f"{100 * value:8.2f}")
            for name, value in of_classes.items()
        ),
    ]
