"""The answer for one video: its score over time, and which classes it may be."""

import numpy as np
from matplotlib.figure import Figure

from utils.events.answer import Answer
from utils.figures.style import PALETTE, QUIET, TRUTH, new_figure

KNOWN = PALETTE[2]


def event_figure(answer: Answer) -> Figure:
    """Score above, a band of probability for each anomaly class below; events shaded, what is known
    to happen hatched."""
    prediction, edges = answer.prediction, answer.timeline.edges
    told = prediction.probabilities is not None
    names = answer.facts.names[1:] if told else ()
    figure = new_figure(11, 2.4 + 0.24 * len(names))
    rows = figure.subplots(
        1 + told, 1, sharex=True, squeeze=False,
        gridspec_kw={"height_ratios": [2.2, 0.24 * len(names)][: 1 + told]},
    )[:, 0]  # fmt: skip
    axis = rows[0]
    limit = answer.about.min_confidence
    axis.axhline(limit, color=QUIET, lw=1, ls="--", zorder=0)
    axis.stairs(prediction.score, edges, baseline=None, color=PALETTE[0], lw=1.6)
    for event in answer.events:
        axis.axvspan(event.start, event.end, color=TRUTH, alpha=0.3, lw=0, zorder=0)
        place = {"xytext": (3, 3), "textcoords": "offset points", "fontsize": 8}
        axis.annotate(event.name, (event.start, 0), **place)  # below the curve, which is high here
    for i, part in enumerate(answer.truth or []):
        axis.axvspan(
            part.start, part.end, ymin=0.94, fc="none", ec=KNOWN, hatch="////", lw=1,
            label="" if i else "annotated",
        )  # fmt: skip
    if answer.truth:
        figure.legend(loc="outside upper right", frameon=False, fontsize=8)
    axis.set(ylabel="score", ylim=(0, 1.08 if answer.truth else 1.02), xlim=(edges[0], edges[-1]))
    axis.set_title(answer.name, fontsize=10)
    if told:
        lines = np.arange(len(names) + 1)
        bands = prediction.probabilities[:, 1:].T
        mesh = rows[1].pcolormesh(
            edges, lines, bands, cmap="Blues", vmin=0, vmax=answer.full_colour
        )
        figure.colorbar(mesh, ax=rows.tolist(), aspect=40, pad=0.01, label="class probability")
        rows[1].set_yticks(np.arange(len(names)) + 0.5, names, fontsize=8)
        rows[1].invert_yaxis()
    rows[-1].set_xlabel("seconds")
    return figure
