"""The answer for one video: its score over time, and which classes it may be."""

import numpy as np
from matplotlib.figure import Figure

from utils.events.answer import Answer
from utils.figures.style import PALETTE, QUIET, TRUTH, new_figure
from utils.find_events import ABNORMALITY, SHARE

KNOWN = PALETTE[2]
WIDTH = 11  # inches
LINE = 0.24  # height of a line of text, in inches
LETTER = 0.075  # width of a letter of the events' names, with its margin, in inches
MOST_LINES = 4  # of names, where events lie close together


def event_figure(answer: Answer) -> Figure:
    """Score above, the names of the events below it, then a band for each anomaly class; events
    shaded, what is known to happen hatched."""
    told = answer.shares is not None
    names = answer.facts.names[1:] if told else ()
    edges = answer.timeline.edges
    placed = place_names(answer, float(edges[-1] - edges[0]) / (WIDTH - 3))
    lines = 1 + max((line for line, _ in placed), default=0)
    heights = [2.2, LINE * (lines + 0.5), LINE * len(names)][: 2 + told]
    figure = new_figure(WIDTH, 0.6 + sum(heights))
    rows = figure.subplots(
        2 + told, 1, sharex=True, gridspec_kw={"height_ratios": heights, "hspace": 0.02}
    )
    draw_score(rows[0], answer)
    draw_names(rows[1], answer, placed, lines)
    if told:
        draw_shares(rows[2], answer, names)
    if answer.truth:
        figure.legend(loc="outside upper right", frameon=False, fontsize=8)
    if answer.about.warning:
        figure.suptitle(answer.about.warning, color=PALETTE[1], fontsize=10, fontweight="bold")
    rows[0].set_title(answer.name, fontsize=10)
    rows[-1].set_xlabel("seconds")
    return figure


def place_names(answer: Answer, per_inch: float) -> list[tuple[int, float]]:
    """The line and the second at which the name of each event stands: under its beginning, on the
    first line that is free there. Those for which none is free have no place.

    Args:
        per_inch: seconds of an inch.
    """
    edges = answer.timeline.edges
    free = [-np.inf] * MOST_LINES  # from when on
    placed = []
    for event in answer.events:
        width = per_inch * LETTER * (len(event.name) + 2)
        start = max(float(edges[0]), min(event.start, float(edges[-1]) - width))
        line = next((i for i, until in enumerate(free) if until <= start), -1)
        if line >= 0:
            free[line] = start + width
        placed.append((line, start))
    return placed


def draw_score(axis, answer: Answer) -> None:
    edges = answer.timeline.edges
    axis.axhline(answer.about.min_confidence, color=QUIET, lw=1, ls="--", zorder=0)
    axis.stairs(answer.prediction.score, edges, baseline=None, color=PALETTE[0], lw=1.6)
    for i, part in enumerate(answer.truth or []):
        axis.axvspan(
            part.start, part.end, ymin=0.94, fc="none", ec=KNOWN, hatch="////", lw=1,
            label="" if i else "annotated",
        )  # fmt: skip
    top = 1.08 if answer.truth else 1.02
    axis.set(ylabel=ABNORMALITY, ylim=(0, top), xlim=(edges[0], edges[-1]))
    for event in answer.events:
        axis.axvspan(event.start, event.end, color=TRUTH, alpha=0.3, lw=0, zorder=0)


def draw_names(axis, answer: Answer, placed: list[tuple[int, float]], lines: int) -> None:
    for event, (line, start) in zip(answer.events, placed, strict=True):
        axis.axvspan(event.start, event.end, color=TRUTH, alpha=0.3, lw=0)
        if line >= 0:
            axis.text(start, line, f" {event.name}", fontsize=8, va="center", clip_on=True)
    axis.set(ylim=(lines - 0.25, -0.75), yticks=[])
    axis.set_ylabel("events", rotation=0, ha="right", va="center", fontsize=8)
    axis.tick_params(bottom=False)


def draw_shares(axis, answer: Answer, names: tuple[str, ...]) -> None:
    """Colours reach from the lowest share to the highest."""
    bands = answer.shares.T
    mesh = axis.pcolormesh(answer.timeline.edges, np.arange(len(names) + 1), bands, cmap="Blues")
    bar = axis.figure.colorbar(mesh, ax=axis, aspect=12, pad=0.01)
    bar.set_label(SHARE.replace(" among", "\namong"), fontsize=8)
    axis.set_yticks(np.arange(len(names)) + 0.5, names, fontsize=8)
    axis.invert_yaxis()
