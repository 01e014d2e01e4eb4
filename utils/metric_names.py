"""The metrics of a test run by name, as files, options and tables have them."""

from typing import NamedTuple


class Metric(NamedTuple):
    """One figure of `results.json`.

    Attributes:
        title: for people.
        fraction: whether it lies in 0…1; else it is in percent already.
        selectable: whether weights can be chosen by it (`--select-by`).
        of_videos: whether it rates whole videos, so that no events are needed.
    """

    title: str
    fraction: bool = True
    selectable: bool = False
    of_videos: bool = False

    def percent(self, value: float) -> float:
        return 100 * value if self.fraction else value


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
}
OF_VIDEOS = tuple(name for name, metric in METRICS.items() if metric.of_videos)
