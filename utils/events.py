"""Events in the scores of a video: from when to when, what, and how sure."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from utils.datasets import SNIPPET_FRAMES
from utils.detection_map import find_proposals
from utils.files import whole_file
from utils.labels import Dataset
from utils.metrics import Prediction

ANOMALY = "anomaly"  # an event's class where the method tells none


class Event(NamedTuple):
    """Something abnormal; times in seconds."""

    start: float
    end: float
    code: str | None  # of the class; None where the method tells none
    name: str
    confidence: float  # highest detection score in it


class Timeline:
    """The seconds at which a video's snippets begin and end.

    Args:
        snippets: T.
        fps: frames a second, where no times are known.
        times: second of every frame of the video, however irregular.
    """

    def __init__(self, snippets: int, fps: float, times: np.ndarray | None):
        first = np.arange(snippets + 1) * SNIPPET_FRAMES
        if times is None:
            self.edges = first / fps
        else:
            # The last frame is shown as long as one is on average.
            last = times[-1] + (np.diff(times).mean() if len(times) > 1 else 1 / fps)
            self.edges = np.append(times, last)[np.minimum(first, len(times))]

    @property
    def starts(self) -> np.ndarray:
        return self.edges[:-1]

    @property
    def ends(self) -> np.ndarray:
        return self.edges[1:]


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
    score, probabilities = prediction
    runs, _ = find_proposals([score[:, None]], SNIPPET_FRAMES)
    events = []
    for start, end in zip(runs.start // SNIPPET_FRAMES, runs.end // SNIPPET_FRAMES, strict=True):
        confidence = float(score[start:end].max())
        begin, finish = float(timeline.edges[start]), float(timeline.edges[end])
        if confidence < min_confidence or finish - begin < min_seconds:
            continue
        code, name = None, ANOMALY
        if probabilities is not None:
            likeliest = 1 + int(probabilities[start:end, 1:].mean(axis=0).argmax())
            code, name = facts.classes[likeliest], facts.texts[likeliest][0]
        events.append(Event(begin, finish, code, name, confidence))
    return sorted(events)


def write_prediction(
    place: Path,
    about: dict,
    prediction: Prediction,
    events: list[Event],
    timeline: Timeline,
    facts: Dataset,
) -> None:
    """`<place>.json` and `<place>.csv`, see predict.py."""
    columns = {"start": timeline.starts, "end": timeline.ends, "score": prediction.score}
    if prediction.probabilities is not None:
        columns |= dict(zip(facts.classes, prediction.probabilities.T, strict=True))
    columns = {name: np.asarray(values, dtype=float).round(6) for name, values in columns.items()}
    record = about | {
        "events": [event._asdict() for event in events],
        "snippets": {name: values.tolist() for name, values in columns.items()},
    }
    with whole_file(Path(f"{place}.json")) as partial:
        partial.write_text(json.dumps(record, indent=1), encoding="utf-8")
    with whole_file(Path(f"{place}.csv")) as partial:
        pd.DataFrame(columns).to_csv(partial, index_label="snippet")
