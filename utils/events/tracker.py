"""Events of a live source, told from the scores as they come.

The last N snippets are scored anew with each that comes. An event starts when a score reaches
`--min-confidence`, and reaches as far as scores lie above max − 0.6·(max − min), as in the mAP
protocol: max is the event's highest score so far, min the window's lowest when it began. It ends
when the newest score is no longer above that, or above `--min-confidence` where that is lower. What
the scores show only in hindsight is told late, start and end at once.
"""

from dataclasses import dataclass

import numpy as np

from utils.detection_map import DEPTH
from utils.evaluation.scored_videos import Prediction
from utils.find_events import Classes, Event, named_event
from utils.labels import Dataset


@dataclass
class Ongoing:
    """An event that is on, as far as it has come.

    Attributes:
        start, end: seconds.
        lowest: score of the window when the event began.
        peak: highest score.
        classes: of its snippets; None where the method tells none.
        announced: whether its start was told.
    """

    start: float
    lowest: float
    end: float = 0.0
    peak: float = 0.0
    classes: Classes | None = None
    announced: bool = False

    def extend(
        self, prediction: Prediction, snippets: slice, end: float, temperature: float
    ) -> None:
        """It goes on until `end`, with these snippets of the window more."""
        score, probabilities = prediction
        self.end = end
        self.peak = max(self.peak, float(score[snippets].max()))
        if probabilities is not None:
            more = Classes.of(probabilities[snippets], temperature)
            self.classes = self.classes.and_of(more) if self.classes else more

    def event(self, facts: Dataset) -> Event:
        return named_event(self.start, self.end, self.classes, self.peak, facts)


class EventTracker:
    """Tells from one score after another when an event is on.

    Args:
        facts: whose classes are told.
        min_confidence, min_seconds: see predict.py.
        temperature: β of the class probabilities.

    Attributes:
        ongoing: the event that is on; None where none is.
    """

    def __init__(
        self, facts: Dataset, min_confidence: float, min_seconds: float, temperature: float = 1.0
    ):
        self.facts = facts
        self.min_confidence = min_confidence
        self.min_seconds = min_seconds
        self.temperature = temperature
        self.ongoing: Ongoing | None = None
        self._free_from = 0.0  # the last event ended then

    def add(self, prediction: Prediction, starts, ends) -> list[tuple[str, Event]]:
        """What the newest snippet brings.

        Args:
            prediction: of the window, the newest snippet last.
            starts, ends: seconds of its snippets.

        Returns:
            ("start", event) and ("end", event), none, one or both.
        """
        if self.ongoing is None:
            return self._begin(prediction, starts, ends)
        if prediction.score[-1] <= self._level(self.ongoing.peak, self.ongoing.lowest):
            return self.finish()
        self.ongoing.extend(prediction, slice(-1, None), ends[-1], self.temperature)
        return self._announce()

    def finish(self) -> list[tuple[str, Event]]:
        """The event that is on ends with the last snippet."""
        ended, self.ongoing = self.ongoing, None
        if ended is None:
            return []
        self._free_from = ended.end
        return [("end", ended.event(self.facts))] if ended.announced else []

    def _begin(self, prediction: Prediction, starts, ends) -> list[tuple[str, Event]]:
        """An event around the highest score that is in none yet, if that is high enough."""
        score = prediction.score
        free = int(np.searchsorted(np.asarray(ends), self._free_from, side="right"))
        if free == len(score) or score[free:].max() < self.min_confidence:
            return []
        lowest = float(score.min())
        first = last = free + int(score[free:].argmax())
        above = score > self._level(float(score[first]), lowest)
        while first > free and above[first - 1]:
            first -= 1
        while last < len(score) and (above[last] or last == first):
            last += 1
        self.ongoing = Ongoing(starts[first], lowest)
        self.ongoing.extend(prediction, slice(first, last), ends[last - 1], self.temperature)
        changes = self._announce()
        return changes if last == len(score) else changes + self.finish()

    def _level(self, peak: float, lowest: float) -> float:
        """The score that an event reaches down to."""
        level = peak - DEPTH * (peak - lowest)
        return min(level, self.min_confidence) if self.min_confidence else level

    def _announce(self) -> list[tuple[str, Event]]:
        on = self.ongoing
        if on.announced or on.end - on.start < self.min_seconds:
            return []
        on.announced = True
        return [("start", on.event(self.facts))]
