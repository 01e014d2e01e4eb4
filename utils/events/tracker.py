"""Events of a live source, told when they start and when they end.

The last N snippets are scored anew with each that comes. An event starts when a score reaches
`--min-confidence`, and reaches as far as scores lie above max − 0.6·(max − min), as in the mAP
protocol: max is the event's highest score so far, min the window's lowest when it began. It ends
when the newest score is no longer above that, or above `--min-confidence` where that is lower. What
the scores show only in hindsight is told late, start and end at once.
"""

import json
from collections import deque
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
import torch

from utils.detection_map import DEPTH
from utils.engine import Scoring, Videos, eval_mode, score
from utils.events.find import Event, describe, likeliest
from utils.labels import Dataset
from utils.metrics import Prediction
from utils.network.clip_visual import VisualTower
from utils.system.errors import UserError
from utils.videos.frames import CENTRE, crop
from utils.videos.live import Live, Lost, TimedSnippet

# Not `say`: where nobody reads it any more, there is nothing to watch for.
show = partial(print, flush=True)


class EventTracker:
    """Tells from one score after another when an event is on.

    Args:
        facts: whose classes are told.
        min_confidence, min_seconds: see predict.py.

    Attributes:
        event: the one that is on, as far as it has come; None where none is.
    """

    def __init__(self, facts: Dataset, min_confidence: float, min_seconds: float):
        self.facts = facts
        self.min_confidence = min_confidence
        self.min_seconds = min_seconds
        self.event: Event | None = None
        self._announced = False
        self._free_from = 0.0  # the last event ended then
        self._lowest = 0.0
        self._probabilities: np.ndarray | None = None  # sum over the event
        self._snippets = 0  # of the event

    def add(self, prediction: Prediction, starts, ends) -> list[tuple[str, Event]]:
        """What the newest snippet brings.

        Args:
            prediction: of the window, the newest snippet last.
            starts, ends: seconds of its snippets.

        Returns:
            ("start", event) and ("end", event), none, one or both.
        """
        if self.event is not None:
            if prediction.score[-1] <= self._level(self.event.confidence):
                return self.finish()
            self._extend(prediction, slice(-1, None), self.event.start, ends[-1])
            return self._announce()
        found = self._find(prediction.score, ends)
        if found is None:
            return []
        first, last = found
        self._probabilities, self._snippets = None, 0
        self._extend(prediction, slice(first, last), starts[first], ends[last - 1])
        changes = self._announce()
        return changes if last == len(starts) else changes + self.finish()

    def finish(self) -> list[tuple[str, Event]]:
        """The event that is on ends with the last snippet."""
        event, announced = self.event, self._announced
        self.event, self._announced = None, False
        if event is None:
            return []
        self._free_from = event.end
        return [("end", event)] if announced else []

    def _level(self, peak: float) -> float:
        level = peak - DEPTH * (peak - self._lowest)
        return min(level, self.min_confidence) if self.min_confidence else level

    def _find(self, score: np.ndarray, ends) -> tuple[int, int] | None:
        """The run of snippets around the highest score that is in no event yet."""
        free = int(np.searchsorted(np.asarray(ends), self._free_from, side="right"))
        if free == len(score) or score[free:].max() < self.min_confidence:
            return None
        self._lowest = float(score.min())
        first = last = free + int(score[free:].argmax())
        above = score > self._level(float(score[first]))
        while first > free and above[first - 1]:
            first -= 1
        while last < len(score) and (above[last] or last == first):
            last += 1
        return first, last

    def _extend(self, prediction: Prediction, new: slice, start: float, end: float) -> None:
        """The event goes from start to end now, with these snippets of the window more."""
        score, probabilities = prediction
        before = 0.0 if self.event is None else self.event.confidence
        confidence = max(before, float(score[new].max()))
        self._snippets += len(score[new])
        if probabilities is not None:
            added = probabilities[new].sum(axis=0)
            self._probabilities = added if self.event is None else self._probabilities + added
        mean = None if probabilities is None else self._probabilities / self._snippets
        self.event = Event(start, end, *likeliest(mean, self.facts), confidence)

    def _announce(self) -> list[tuple[str, Event]]:
        if self._announced or self.event.end - self.event.start < self.min_seconds:
            return []
        self._announced = True
        return [("start", self.event)]


class Window:
    """The last N snippets of a source, scored with each new one.

    Args:
        model: that scores them.
        tower: that makes features of pictures.
        args: options.
    """

    def __init__(self, model, tower: VisualTower, args):
        self.model, self.tower, self.args = model, tower, args
        with eval_mode(model):
            self.text = model.encode_text()
        self.features: deque = deque(maxlen=args.visual_length)
        self.starts: deque = deque(maxlen=args.visual_length)
        self.ends: deque = deque(maxlen=args.visual_length)

    def add(self, snippet: TimedSnippet) -> Prediction:
        """Scores of the window's snippets, the new one last."""
        features = self.tower(crop(snippet.images, CENTRE)).cpu()
        self.features.append(features.mean(dim=0))
        self.starts.append(snippet.start)
        self.ends.append(snippet.end)
        videos = Videos(Scoring.of(self.args), ["the stream"], [torch.stack([*self.features])])
        return score(self.model, videos, self.text)[0]

    def clear(self) -> None:
        for of_snippets in (self.features, self.starts, self.ends):
            of_snippets.clear()


def watch(live: Live, window: Window, tracker: EventTracker, log: Path | None) -> None:
    """Tell the events of a source until it ends.

    Args:
        live: the source.
        window, tracker: that find them.
        log: where events are added, a line of JSON each.
    """
    said, snippets, until, highest = 1, 0, 0.0, 0.0
    try:
        for item in live:
            if isinstance(item, Lost):
                tell(live.name, tracker.finish(), log)
                window.clear()  # what comes next does not follow upon it
                show(f"{item.reason}; trying again in {item.wait} s")
                continue
            prediction = window.add(item)
            tell(live.name, tracker.add(prediction, window.starts, window.ends), log)
            snippets, until = snippets + 1, window.ends[-1]
            highest = max(highest, float(prediction.score.max()))
            if live.left_out >= said:
                print(
                    f"{live.left_out} snippets left out: slower than the source (--pool middle?)",
                    flush=True,
                )
                said = 2 * live.left_out
    finally:
        live.close()
        tell(live.name, tracker.finish(), log)
        if snippets:
            print(
                f"watched {snippets} snippets, {until:.1f} s; the highest score was {highest:.2f}",
                flush=True,
            )


def tell(source: str, changes: list[tuple[str, Event]], log: Path | None) -> None:
    """Print that events start and end, and add it to the log."""
    now = datetime.now().astimezone()
    for change, event in changes:
        when = f"{event.start:.1f} s"
        if change == "end":
            when = f"{event.start:.1f} to {event.end:.1f} s"
        show(f"{now:%H:%M:%S}  {change:5}  {when:>20}  {describe(event)}")
        if log:
            record = {"source": source, "at": now.isoformat(), "change": change}
            try:
                with log.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(record | event._asdict()) + "\n")
            except OSError as error:
                raise UserError(f"{log} cannot be written: {error.strerror}") from None
