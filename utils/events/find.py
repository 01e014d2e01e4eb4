"""Events in the scores of a video: from when to when, what, and how sure."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from utils.datasets.features import SNIPPET_FRAMES
from utils.detection_map import find_proposals
from utils.labels import Dataset
from utils.metrics import Prediction
from utils.system.files import whole_file

ANOMALY = "anomaly"  # an event's class where the method tells none
FPS = 30.0  # frames a second of a video that is not there to ask
MIN_CONFIDENCE = 0.5  # of an event
FAINT = 0.2  # where all classes are less likely than this, none is shown in full colour


class Event(NamedTuple):
    """Something abnormal; times in seconds."""

    start: float
    end: float
    code: str | None  # of the likeliest class; None where the method tells none
    name: str
    probability: float | None  # of that class, on average
    confidence: float  # highest detection score in it: how abnormal it is, whatever the class


class Timeline:
    """The seconds at which a video's frames are shown, and its snippets begin and end.

    Args:
        snippets: T.
        fps: frames a second, where no times are known.
        times: second of every frame of the video, however irregular.
    """

    def __init__(self, snippets: int, fps: float, times: np.ndarray | None):
        self.fps = fps
        self.times = times
        self.edges = self.seconds(np.arange(snippets + 1) * SNIPPET_FRAMES)

    def seconds(self, frames: np.ndarray) -> np.ndarray:
        """When frames are shown; those behind the video's end, when it ends."""
        if self.times is None:
            return np.asarray(frames) / self.fps
        times = self.times
        # The last frame is shown as long as most are.
        last = times[-1] + (np.median(np.diff(times)) if len(times) > 1 else 1 / self.fps)
        return np.append(times, last)[np.minimum(frames, len(times))]

    @property
    def starts(self) -> np.ndarray:
        return self.edges[:-1]

    @property
    def ends(self) -> np.ndarray:
        return self.edges[1:]


@dataclass
class Answer:
    """What is said of one video.

    Attributes:
        name: path below the output folder, without suffix.
        source: the video, or the feature file.
        facts: whose classes are told.
        prediction, timeline: of its snippets.
        events: by time.
        about: of the model, for the record.
        truth: what is known to have happened, where that is given.
    """

    name: str
    source: Path
    facts: Dataset
    prediction: Prediction
    timeline: Timeline
    events: list[Event]
    about: dict = field(default_factory=dict)
    truth: list | None = None

    @property
    def is_video(self) -> bool:
        return self.source.suffix != ".npy"

    @property
    def full_colour(self) -> float:
        """The probability of a class that is drawn in full colour."""
        return max(FAINT, float(self.prediction.probabilities[:, 1:].max()))


def find_events(
    prediction: Prediction,
    facts: Dataset,
    timeline: Timeline,
    min_confidence: float,
    min_seconds: float,
) -> list[Event]:
    """The proposals of the mAP protocol, runs above max − 0.6·(max − min), of the detection score,
    by time. Each is of the anomaly class that is likeliest in it on average.

    Args:
        min_confidence: an event's highest score is at least this.
        min_seconds: its length is at least this.
    """
    runs, _ = find_proposals([prediction.score[:, None]], SNIPPET_FRAMES)
    events = [
        event_of(prediction, facts, timeline, start, end)
        for start, end in zip(runs.start // SNIPPET_FRAMES, runs.end // SNIPPET_FRAMES, strict=True)
    ]
    return sorted(
        event
        for event in events
        if event.confidence >= min_confidence and event.end - event.start >= min_seconds
    )


def event_of(
    prediction: Prediction, facts: Dataset, timeline: Timeline, start: int, end: int
) -> Event:
    """Snippets start … end − 1, taken for an event."""
    score, probabilities = prediction
    mean = None if probabilities is None else probabilities[start:end].mean(axis=0)
    begin, finish = timeline.edges[[start, end]].tolist()
    return Event(begin, finish, *likeliest(mean, facts), float(score[start:end].max()))


def likeliest(
    probabilities: np.ndarray | None, facts: Dataset
) -> tuple[str | None, str, float | None]:
    """Code, name and probability of the likeliest anomaly class, from those of all (C,)."""
    if probabilities is None:
        return None, ANOMALY, None
    best = 1 + int(probabilities[1:].argmax())
    return facts.classes[best], facts.names[best], float(probabilities[best])


def event_line(event: Event) -> str:
    """`explosion (0.12)  0.97`: class, its probability, and the score."""
    certainty = "" if event.probability is None else f" ({event.probability:.2f})"
    return f"{event.name}{certainty}  {event.confidence:.2f}"


def write_answer(answer: Answer, place: Path) -> None:
    """`<place>.json` and `<place>.csv`, see predict.py."""
    timeline, prediction, facts = answer.timeline, answer.prediction, answer.facts
    columns = {"start": timeline.starts, "end": timeline.ends, "score": prediction.score}
    if prediction.probabilities is not None:
        columns |= dict(zip(facts.classes, prediction.probabilities.T, strict=True))
    columns = {name: np.asarray(values, dtype=float).round(6) for name, values in columns.items()}
    truth = {} if answer.truth is None else {"truth": [part._asdict() for part in answer.truth]}
    record = {
        "source": str(answer.source),
        **answer.about,
        "classes": dict(zip(facts.classes, facts.names, strict=True)),
        "events": [event._asdict() for event in answer.events],
        **truth,
        "snippets": {name: values.tolist() for name, values in columns.items()},
    }
    with whole_file(Path(f"{place}.json")) as partial:
        partial.write_text(json.dumps(record, indent=1), encoding="utf-8")
    with whole_file(Path(f"{place}.csv")) as partial:
        pd.DataFrame(columns).to_csv(partial, index_label="snippet")
