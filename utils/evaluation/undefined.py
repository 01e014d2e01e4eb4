"""Why a metric is not defined."""

from utils.evaluation.scored_videos import ScoredVideos

NEED_CLASS_PROBABILITIES = (
    "auc2", "ap2", "average_map", "average_anomaly_map", "map", "anomaly_map", "per_class_ap",
    "class_accuracy", "per_class_accuracy",
)  # fmt: skip
NEED_TOLD_CLASSES = ("class_accuracy", "per_class_accuracy")
NEED_NORMAL_VIDEOS = ("false_alarm_rate", "false_alarms_per_hour")
NEED_BOTH_KINDS_OF_VIDEOS = ("video_auc", "video_ap")
NO_CLASSES = "the method tells no classes"
NO_EVENTS = "it is not known when something happens (no table of events)"


def undefined(name: str, scored: ScoredVideos) -> str:
    """The reason, of a metric that is None."""
    anomalous = scored.anomalous
    of_events = name.startswith(("event_", "average_event_"))
    of_probabilities = of_events or name.startswith(("false_alarm", "calibrat"))
    if of_probabilities and not scored.are_probabilities:
        low, high = scored.flat_scores.min(), scored.flat_scores.max()
        return f"scores lie in {low:.4g} … {high:.4g} and are not probabilities"
    if name in NEED_CLASS_PROBABILITIES and not scored.tells_classes:
        return NO_CLASSES
    if name in NEED_TOLD_CLASSES:
        few = len(scored.facts.classes) < 3
        return "there is one anomaly class" if few else "there is no anomalous video"
    if name in NEED_NORMAL_VIDEOS:
        if anomalous.all():
            return "there is no normal video"
        return "rows are shares of their video, and its length is not known"
    if name in NEED_BOTH_KINDS_OF_VIDEOS:
        return f"all videos are {'anomalous' if anomalous.all() else 'normal'}"
    if scored.truth is None:
        return NO_EVENTS
    if name == "calibrated_error":
        return "there are no validation videos (--validation)"
    if of_events:
        return "no event is found" if name.endswith("precision") else "no event is annotated"
    if name.startswith("ano_auc"):
        return "no anomalous video has frames of both kinds"
    abnormal, frames = scored.truth.abnormal.sum(), scored.truth.durations.sum()
    if name.startswith("median_delay") and 0 < abnormal < frames:
        return "no event has an alarm"
    return "all frames are of one kind"
