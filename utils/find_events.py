"""Events in the scores of a video: from when to when, what, and how sure."""

from typing import NamedTuple

import numpy as np

from utils.detection_map import lasting_rows
from utils.evaluation.alarms import event_runs
from utils.evaluation.scored_videos import Prediction
from utils.labels import Dataset
from utils.row_time import FRAMES, USUAL, RowTime

ANOMALY = "anomaly"  # an event's class where the method tells none
# What people read: the detection score, and what `anomaly_shares` gives.
ABNORMALITY = "abnormality"
SHARE = "share among the anomaly classes"


class Event(NamedTuple):
    """Something abnormal in a video.

    Attributes:
        start, end: seconds.
        code, name: of the likeliest class; None and `anomaly` where the method tells none.
        probability: of that class, on average; None where the method tells none.
        confidence: highest detection score in it: how abnormal it is, whatever the class.
        share: of that class among the anomaly classes, on average, see `anomaly_shares`; None where
            the method tells none.
    """

    start: float
    end: float
    code: str | None
    name: str
    probability: float | None
    confidence: float
    share: float | None = None


class Timeline:
    """The seconds at which a video's frames are shown, and its snippets begin and end.

    Args:
        snippets: T.
        fps: frames a second, where no times are known.
        times: second of every frame of the video, however irregular.
        row: what a snippet stands for.
        length: of the video, in the unit of `row`, where it is known.

    Raises:
        UserError: a snippet is a share of the video, and its length is not known.
    """

    def __init__(
        self,
        snippets: int,
        fps: float,
        times: np.ndarray | None = None,
        row: RowTime = USUAL,
        length: float | None = None,
    ):
        self.fps = fps
        self.times = times
        edges = row.edges(snippets, length)
        self.edges = self.seconds(edges) if row.unit == FRAMES else edges

    def seconds(self, frames: np.ndarray) -> np.ndarray:
        """When frames are shown; those behind the video's end, when it ends."""
        if self.times is None:
            return np.asarray(frames) / self.fps
        times = self.times
        # The last frame is shown as long as most are.
        last = times[-1] + (np.median(np.diff(times)) if len(times) > 1 else 1 / self.fps)
        shown = np.rint(np.minimum(frames, len(times))).astype(int)
        return np.append(times, last)[shown]


def find_events(
    prediction: Prediction,
    facts: Dataset,
    timeline: Timeline,
    min_confidence: float,
    min_seconds: float,
    temperature: float = 1.0,
) -> list[Event]:
    """The proposals of the mAP protocol, runs above max − 0.6·(max − min), of the detection score,
    by time; a score that never changes is one run. Each is of the anomaly class whose share is the
    largest on average.

    Args:
        min_confidence: an event's highest score is at least this.
        min_seconds: its length is at least this.
        temperature: β of the class probabilities.
    """
    known = [values for values in prediction if values is not None]
    lasting, (edges, *_) = lasting_rows(known, [timeline.edges] * len(known))
    score, probabilities = Prediction(*lasting)
    runs = event_runs([score], [edges])
    events = []
    for first, behind in zip(runs.start, runs.end, strict=True):
        start, end = edges[[first, behind]].tolist()
        confidence = float(score[first:behind].max())
        if confidence >= min_confidence and end - start >= min_seconds:
            classes = None
            if probabilities is not None:
                classes = Classes.of(probabilities[first:behind], temperature)
            events.append(named_event(start, end, classes, confidence, facts))
    return sorted(events)


class Classes(NamedTuple):
    """What is said of the classes in some snippets.

    Attributes:
        snippets: how many.
        probabilities: (C,), summed over the snippets.
        shares: (C − 1,), the same of `anomaly_shares`.
    """

    snippets: int
    probabilities: np.ndarray
    shares: np.ndarray

    @classmethod
    def of(cls, probabilities: np.ndarray, temperature: float) -> "Classes":
        """Of snippets, (T, C)."""
        shares = anomaly_shares(probabilities, temperature)
        return cls(len(probabilities), probabilities.sum(axis=0), shares.sum(axis=0))

    def and_of(self, more: "Classes") -> "Classes":
        """Of further snippets, too."""
        return Classes(*(a + b for a, b in zip(self, more, strict=True)))


def named_event(
    start: float, end: float, classes: Classes | None, confidence: float, facts: Dataset
) -> Event:
    """An event of the anomaly class whose share is the largest."""
    if classes is None:
        return Event(start, end, None, ANOMALY, None, confidence)
    best = 1 + int(classes.shares.argmax())
    probability = float(classes.probabilities[best] / classes.snippets)
    share = float(classes.shares[best - 1] / classes.snippets)
    return Event(start, end, facts.classes[best], facts.names[best], probability, confidence, share)


def anomaly_shares(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """What is shown of a class: its share among the anomaly classes, at temperature 1.

    The normal class is left out, because how normal it is tells the detection score already. The
    temperature β of belief modulation is, too: a high one makes all classes alike, which serves mAP
    and tells people little. p ∝ e^(logit / β), so p^β ∝ e^logit.

    Args:
        probabilities: (…, C), of the normal class first.
        temperature: β of these.

    Returns:
        (…, C − 1), which add up to 1; equal ones where no anomaly class has any probability.
    """
    anomalies = probabilities[..., 1:]
    most = anomalies.max(axis=-1, keepdims=True)
    relative = np.divide(anomalies, most, out=np.ones_like(anomalies), where=most > 0)
    shares = relative**temperature
    return shares / shares.sum(axis=-1, keepdims=True)


def event_line(event: Event) -> str:
    """`explosion: abnormality 0.97, share among the anomaly classes 0.42`."""
    share = "" if event.share is None else f", {SHARE} {event.share:.2f}"
    return f"{event.name}: {ABNORMALITY} {event.confidence:.2f}{share}"
