"""Metrics as lines for people."""

import numpy as np

from utils.evaluation.undefined import NO_CLASSES
from utils.metric_names import (
    METRICS,
    OF_DEPLOYMENT,
    OF_PARTS,
    OF_VIDEOS,
    OPEN_WORLD,
    PARTS,
    RATES,
    Metric,
    value_of,
)
from utils.system.console import plural

MAIN = (  # whose intervals are printed, too
    "auc1", "ap1", "pr_auc", "average_map", "average_anomaly_map", "ano_auc", "video_auc",
    "video_ap",
)  # fmt: skip
WIDTH = 36  # of a title


def official_lines(metrics: dict) -> list[str]:
    """The lines that users of the official code know."""
    if metrics["auc1"] is None:
        return video_lines(metrics)
    detection = f"AUC1:  {metrics['auc1']}  AP1:  {metrics['ap1']}"
    if metrics["map"] is None:
        why = metrics.get("undefined", {}).get("auc2", NO_CLASSES)  # older checkpoints' say not why
        by_trapezoids = f"PR-AUC:  {metrics['pr_auc']}"
        return [
            f"{detection}  {by_trapezoids}",
            f"AUC2, AP2 and mAP: not applicable: {why}",
        ]
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
        lines.append(f"AUC, AP and mAP of frames: not defined: {metrics['undefined']['auc1']}")
    else:
        lines.append(f"Ano-AUC: {_shown(metrics['ano_auc'])} (anomalous videos only)")
    if metrics["map"] is not None:
        lines.append(f"PR-AUC: {_shown(metrics['pr_auc'])} (AP1 by trapezoids, as RTFM has it)")
        lines.append(f"average MAP over the anomaly classes: {metrics['average_anomaly_map']:.2f}")
    if metrics["auc1"] is not None:
        lines += video_lines(metrics)
    if metrics["map"] is not None:
        lines += ["", *_ap_table(metrics)]
    elif metrics["per_class_accuracy"]:
        lines += ["", *_accuracy_table(metrics["per_class_accuracy"])]
    return lines


def result_lines(results: dict) -> list[str]:
    """All that a test says of its `results_of`."""
    lines = [*report_lines(results), "", *deployment_lines(results)]
    if OPEN_WORLD in results:
        intervals = results["intervals"] and results["intervals"][OPEN_WORLD]
        lines += ["", *open_world_lines(results[OPEN_WORLD], intervals)]
    return lines


def deployment_lines(metrics: dict) -> list[str]:
    """How the detector would do when deployed, and how sure the main metrics are. What is not
    defined is left out, and why is said once.

    Args:
        metrics: of `Evaluation.metrics`, with their `intervals` if there are any.
    """
    intervals = metrics.get("intervals")
    heading = f"{'':{WIDTH}}{'value':>9}"
    if intervals:
        percent, count = 100 * intervals["level"], intervals["resamples"]
        heading += f"   {percent:.0f} % interval ({count:,} resamples of the videos)"
    lines, missing = [_about(metrics["test_set"]), heading], {}
    names = [*MAIN, None, *OF_DEPLOYMENT] if intervals else OF_DEPLOYMENT
    for name in names:
        if name is None:
            lines.append("")
            continue
        value, metric = value_of(metrics, name), METRICS[name]
        if value is None:
            if name != "calibrated_error":  # it is asked for with --validation
                missing.setdefault(metrics["undefined"][name], []).append(metric.title)
            continue
        line = f"{metric.heading:{WIDTH}}{metric.shown(value):9.2f}"
        if intervals and (found := value_of(intervals, name)):
            low, high = map(metric.shown, found)
            line += f"   {low:6.2f} … {high:.2f}"
        lines.append(line)
    for reason, titles in missing.items():
        lines.append(f"Not defined, because {reason}: {'; '.join(titles)}")
    if tied := [percent for percent in RATES if value_of(metrics, f"recall_at_{percent}") == 0]:
        lines.append(
            f"At {', '.join(tied)} % FPR nothing is found: more of the normal frames have the "
            "highest scores"
        )
    return lines


def open_world_lines(block: dict, intervals: dict | None) -> list[str]:
    """A table of the classes that training saw and did not see, with intervals if there are any."""
    width = 25 if intervals else 9
    lines = [f"{'':{WIDTH}}" + "".join(f"{part:>{width}}" for part in PARTS)]
    for name in OF_PARTS:
        values = [block[part].get(name) for part in PARTS]
        if any(value is not None for value in values):
            found = [intervals[part].get(name) if intervals else None for part in PARTS]
            cells = [_cell(METRICS[name], *of) for of in zip(values, found, strict=True)]
            lines.append(
                f"{METRICS[name].heading:{WIDTH}}" + "".join(f"{c:>{width}}" for c in cells)
            )
    return [
        f"Left out of training: {', '.join(block['left_out'])}",
        *lines,
        "Videos of seen or of unseen classes alone, with all normal ones; mAP is on all videos.",
    ]


def _cell(metric: Metric, value: float | None, interval: list[float] | None) -> str:
    """`92.62 [88.01, 95.20]`."""
    if value is None:
        return "none"
    shown = f"{metric.shown(value):.2f}"
    if interval:
        shown += " [" + ", ".join(f"{metric.shown(end):.2f}" for end in interval) + "]"
    return shown


def _about(test_set: dict) -> str:
    """`290 videos, 140 of them anomalous, 10.3 hours; 156 events, 7.6 % of the time`."""
    said = f"{plural(test_set['videos'], 'video')}, {test_set['anomalous']} of them anomalous"
    if "hours" in test_set:
        said += f", {test_set['hours']:.3g} hours"
    if "events" in test_set:
        events = plural(test_set["events"], "event")
        said += f"; {events}, {100 * test_set['abnormal']:.1f} % of the time"
    return said


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
        "Share of a class's videos whose likeliest anomaly class is one of theirs, in percent:",
        *(
            f"{name:{width}}" + (f"{'none':>8}" if value is None else f"{100 * value:8.2f}")
            for name, value in of_classes.items()
        ),
    ]
