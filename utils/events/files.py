"""The files of answers, see predict.py."""

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from utils.events.answer import Answer
from utils.events.figure import event_figure
from utils.events.page import write_index, write_page
from utils.events.pictures import pictures_of
from utils.events.sources import INDEX
from utils.figures.style import save_figure
from utils.find_events import event_line
from utils.system.console import note, plural, say
from utils.system.errors import UserError
from utils.system.files import whole_file, write_text
from utils.videos.inputs import PROXY_SUFFIX
from utils.videos.proxy import unplayed_format, write_proxy


def write_files(
    answers: Iterable[Answer], failures: list[str], out: Path, listed: bool, proxies: bool
) -> list[Answer]:
    """All files of these answers, of each as soon as it is there; prints what they are and say.

    Args:
        answers: of the videos that can be read.
        failures: why others cannot; may grow as the answers come.
        out: folder to write to.
        listed: whether there is a page that lists all. It is written when no more answers come,
            whatever the reason.
        proxies: whether copies that every browser plays are made of videos.

    Returns:
        the answers.
    """
    index = out / f"{INDEX}.html" if listed else None
    told: list[Answer] = []
    whole = False
    try:
        for answer in answers:
            try:
                write_all(answer, out, index, proxies)
                told.append(answer)
            except UserError as error:  # of this video alone
                failures.append(str(error))
        whole = True
    finally:
        if index and (told or failures):
            write_index(told, failures, index, whole)
    for warning in dict.fromkeys(answer.about.warning for answer in told if answer.about.warning):
        note(warning)
    if index:
        say(f"{index} lists all")
    return told


def write_all(answer: Answer, out: Path, index: Path | None, proxies: bool) -> None:
    """All files of one answer; `index` is where the list of all will be."""
    place = out / answer.name
    if answer.is_video and proxies:
        answer.proxy = Path(f"{place}{PROXY_SUFFIX}")
        write_proxy(answer.source, answer.proxy, answer.timeline.times)
    elif answer.is_video:
        answer.unplayed = unplayed_format(answer.source)
    if index:
        answer.pictures = pictures_of(answer)
    write_answer(answer, place)
    save_figure(event_figure(answer), Path(f"{place}.png"))
    write_page(answer, place, index)
    events = plural(len(answer.events), "event")
    say(f"{answer.source}: {events}, {place}.html, .json, .csv, .png")
    for event in answer.events:
        say(f"  {event.start:8.1f} to {event.end:.1f} s  {event_line(event)}")


def write_answer(answer: Answer, place: Path) -> None:
    """`<place>.json` and `<place>.csv`, see predict.py."""
    timeline, prediction, facts = answer.timeline, answer.prediction, answer.facts
    columns = {"start": timeline.edges[:-1], "end": timeline.edges[1:], "score": prediction.score}
    if prediction.probabilities is not None:
        columns |= dict(zip(facts.classes, prediction.probabilities.T, strict=True))
    columns = {name: np.asarray(values, dtype=float).round(6) for name, values in columns.items()}
    truth = {} if answer.truth is None else {"truth": [part._asdict() for part in answer.truth]}
    record = {
        "source": str(answer.source),
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        **answer.about._asdict(),
        "sha256": dict(answer.about.sha256),
        "classes": dict(zip(facts.classes, facts.names, strict=True)),
        "events": [event._asdict() for event in answer.events],
        **truth,
        "snippets": {name: values.tolist() for name, values in columns.items()},
    }
    write_text(f"{place}.json", json.dumps(record, indent=1))
    with whole_file(Path(f"{place}.csv")) as partial:
        pd.DataFrame(columns).to_csv(partial, index_label="snippet")
