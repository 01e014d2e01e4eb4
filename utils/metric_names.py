"""The metrics of a test run by name, as files, options and tables have them."""

from typing import NamedTuple


class Metric(NamedTuple):
    """One metric of `results.json`.

    Attributes:
        title: for people.
        fraction: whether it lies in 0…1, and is shown in percent.
        unit: that it is shown in.
        lower: whether less is better.
        selectable: whether weights can be chosen by it (`--select-by`).
        of_videos: whether it rates whole videos, so that no events are needed.
        of_deployment: whether it says how the detector would do when deployed: these stand in a
            block of their own, `deployment`.
    """

    title: str
    fraction: bool = True
    unit: str = "%"
    lower: bool = False
    selectable: bool = False
    of_videos: bool = False
    of_deployment: bool = False

    @property
    def heading(self) -> str:
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def scale(self) -> int:
        """Factor from a value to its unit: 100 for percent, else 1."""
        return 100 if self.fraction else 1

    def shown(self, value: float) -> float:
        """In the unit."""
        return self.scale * value


def _deployment(title: str, **settings) -> Metric:
    return Metric(title, of_deployment=True, **settings)


def _cost(title: str, unit: str) -> Metric:
    return _deployment(title, fraction=False, unit=unit, lower=True)


RATES = {"1": 0.01, "2": 0.02, "5": 0.05}  # false-positive rates, by percent
METRICS = {
    "auc1": Metric("AUC1", selectable=True),
    "ap1": Metric("AP1", selectable=True),
    "pr_auc": Metric("PR-AUC", selectable=True),
    "auc2": Metric("AUC2", selectable=True),
    "ap2": Metric("AP2", selectable=True),
    "ano_auc": Metric("Ano-AUC"),
    "average_map": Metric("average mAP", fraction=False),
    "average_anomaly_map": Metric("average mAP, anomalies", fraction=False),
    "video_auc": Metric("video AUC", selectable=True, of_videos=True),
    "video_ap": Metric("video AP", selectable=True, of_videos=True),
    "class_accuracy": Metric("class accuracy", of_videos=True),
    "ano_auc_per_video": _deployment("Ano-AUC, average of videos"),
    **{f"recall_at_{p}": _deployment(f"recall at {p} % FPR") for p in RATES},
    **{f"found_at_{p}": _deployment(f"events alarmed at {p} % FPR") for p in RATES},
    **{f"median_delay_at_{p}": _cost(f"median delay at {p} % FPR", unit="s") for p in RATES},
    "false_alarm_rate": _deployment("false-alarm rate", lower=True),
    "false_alarms_per_hour": _cost("false alarms per hour", unit=""),
    "average_event_precision": _deployment("average event precision"),
    "average_event_recall": _deployment("average event recall"),
    "average_event_f1": _deployment("average event F1"),
    "calibration_error": _deployment("calibration error", lower=True),
    "calibrated_error": _deployment("calibration error with temperature", lower=True),
}
OF_DEPLOYMENT = tuple(name for name, metric in METRICS.items() if metric.of_deployment)
OF_VIDEOS = tuple(name for name, metric in METRICS.items() if metric.of_videos)
DEPLOYMENT = "deployment"  # the block of what is `of_deployment`
# With --leave-out, of the classes that were trained on and of the others; in a block of their own.
OPEN_WORLD, PARTS = "open_world", ("seen", "unseen")
OF_PARTS = ("auc1", "ap1", "ano_auc", "video_auc", "class_accuracy", "average_anomaly_map")
ALL_METRICS = METRICS | {
    f"{part}_{name}": METRICS[name]._replace(title=f"{part} {METRICS[name].title}")
    for name in OF_PARTS
    for part in PARTS
}


def value_of(metrics: dict, name: str) -> float | None:
    """One of `ALL_METRICS` in `results.json` or `best.json`, wherever it stands; None if it is
    undefined."""
    if name not in METRICS:
        part, _, of_part = name.partition("_")
        return metrics.get(OPEN_WORLD, {}).get(part, {}).get(of_part)
    return (metrics.get(DEPLOYMENT, {}) if METRICS[name].of_deployment else metrics).get(name)
