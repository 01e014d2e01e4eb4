"""Watching a live source: its events are printed as they start and end, and added to a log."""

import json
from collections import deque
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

import torch

from utils.evaluation.scored_videos import Prediction
from utils.events.tracker import EventTracker
from utils.find_events import ABNORMALITY, Event, event_line
from utils.network.clip_visual import VisualTower
from utils.system.console import say
from utils.system.errors import UserError
from utils.system.files import require_writable
from utils.videos.frames import CENTRE, crop
from utils.videos.live import Live, Lost, TimedSnippet

# Not `say`: where nobody reads it any more, there is nothing to watch for.
show = partial(print, flush=True)


class Window:
    """The last N snippets of a source, scored with each new one.

    Args:
        predict: scores videos, see `Detector.predict`.
        tower: that makes features of pictures.
        length: N.
    """

    def __init__(self, predict: Callable[..., list[Prediction]], tower: VisualTower, length: int):
        self.predict, self.tower = predict, tower
        self.features: deque = deque(maxlen=length)
        self.starts: deque = deque(maxlen=length)
        self.ends: deque = deque(maxlen=length)

    def add(self, snippet: TimedSnippet) -> Prediction:
        """Scores of the window's snippets, the new one last."""
        features = self.tower(crop(snippet.images, CENTRE)).cpu()
        self.features.append(features.mean(dim=0))
        self.starts.append(snippet.start)
        self.ends.append(snippet.end)
        return self.predict(["the stream"], [torch.stack([*self.features])])[0]

    def clear(self) -> None:
        for of_snippets in (self.features, self.starts, self.ends):
            of_snippets.clear()


def watch_live(
    source: str,
    pool: str,
    window: Window,
    tracker: EventTracker,
    folder: Path | None,
    size: int,
) -> None:
    """Tell the events of a live source until it ends.

    Args:
        source, pool, size: see `Live`.
        window, tracker: that find the events.
        folder: of the log, events.jsonl; None for no log.

    Raises:
        UserError: the log cannot be written, or the source not be read.
    """
    log = None
    if folder:
        log = folder / "events.jsonl"
        require_writable(log)
        folder.mkdir(parents=True, exist_ok=True)
        log.touch()
    live = Live(source, pool, size)
    say(f"watching {live.name}; Ctrl-C ends it")
    watch(live, window, tracker, log)


def watch(live: Live, window: Window, tracker: EventTracker, log: Path | None) -> None:
    """
    Args:
        live: the source, being read.
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
                show(f"{live.left_out} snippets left out: slower than the source (--pool middle?)")
                said = 2 * live.left_out
    finally:
        live.close()
        tell(live.name, tracker.finish(), log)
        if snippets:
            show(
                f"watched {snippets} snippets, {until:.1f} s; "
                f"the highest {ABNORMALITY} was {highest:.2f}"
            )


def tell(source: str, changes: list[tuple[str, Event]], log: Path | None) -> None:
    """Print that events start and end, and add it to the log."""
    now = datetime.now().astimezone()
    for change, event in changes:
        when = f"{event.start:.1f} s"
        if change == "end":
            when = f"{event.start:.1f} to {event.end:.1f} s"
        show(f"{now:%H:%M:%S}  {change:5}  {when:>20}  {event_line(event)}")
        if log:
            record = {"source": source, "at": now.isoformat(), "change": change}
            try:
                with log.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(record | event._asdict()) + "\n")
            except OSError as error:
                raise UserError(f"{log} cannot be written: {error.strerror}") from None
