"""The files of answers, see predict.py."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from utils.events.answer import Answer
from utils.events.figure import event_figure
from utils.events.page import write_index, write_page
from utils.events.sources import INDEX
from utils.figures.style import save_figure
from utils.find_events import event_line
from utils.system.console import say
from utils.system.files import whole_file, write_text


def write_files(answers: list[Answer], failures: list[str], out: Path, listed: bool) -> None:
    """All files of these answers; prints what they are and say.

    Args:
        answers: of the videos that could be read.
        failures: why others could not.
        out: folder to write to.
        listed: whether there is a page that lists all.
    """
    index = out / f"{INDEX}.html" if listed else None
    for answer in answers:
        place = out / answer.name
        write_answer(answer, place)
        save_figure(event_figure(answer), Path(f"{place}.png"))
        write_page(answer, place, index)
        count = len(answer.events)
        events = "1 event" if count == 1 else f"{count} events"
        say(f"{answer.source}: {events}, {place}.html, .json, .csv, .png")
        for event in answer.events:
            say(f"  {event.start:8.1f} to {event.end:.1f} s  {event_line(event)}")
    if index:
        write_index(answers, failures, index)
        say(f"{index} lists all")


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
        **answer.about._asdict(),
        "classes": dict(zip(facts.classes, facts.names, strict=True)),
        "events": [event._asdict() for event in answer.events],
        **truth,
        "snippets": {name: values.tolist() for name, values in columns.items()},
    }
    write_text(f"{place}.json", json.dumps(record, indent=1))
    with whole_file(Path(f"{place}.csv")) as partial:
        pd.DataFrame(columns).to_csv(partial, index_label="snippet")
