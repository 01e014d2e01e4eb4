"""The answer for one video: its score over time, and which classes it may be."""

import numpy as np
from matplotlib.figure import Figure

from utils.events import Event, Timeline
from utils.figures.style import PALETTE, TRUTH, new_figure
from utils.labels import Dataset
from utils.metrics import Prediction


def event_figure(
    name: str, prediction: Prediction, events: list[Event], timeline: Timeline, facts: Dataset
) -> Figure:
    """Score above, a band of probability for each anomaly class below; events shaded."""
    told = prediction.probabilities is not None
    names = [texts[0] for texts in facts.texts[1:]] if told else []
    figure = new_figure(11, 2.4 + 0.24 * len(names))
    rows = figure.subplots(
        1 + told, 1, sharex=True, squeeze=False,
        gridspec_kw={"height_ratios": [2.2, 0.24 * len(names)][: 1 + told]},
    )[:, 0]  # fmt: skip
    axis = rows[0]
    axis.stairs(prediction.score, timeline.edges, baseline=None, color=PALETTE[0], lw=1.6)
    for event in events:
        axis.axvspan(event.start, event.end, color=TRUTH, alpha=0.3, lw=0)
        place = {"xytext": (3, 3), "textcoords": "offset points", "fontsize": 8}
        axis.annotate(event.name, (event.start, 0), **place)  # below the curve, which is high here
    axis.set(ylabel="score", ylim=(0, 1.02), xlim=(timeline.edges[0], timeline.edges[-1]))
    axis.set_title(name, fontsize=10)
    if told:
        bands = prediction.probabilities[:, 1:].T
        lines = np.arange(len(names) + 1)
        mesh = rows[1].pcolormesh(timeline.edges, lines, bands, cmap="Blues", vmin=0)
        figure.colorbar(mesh, ax=rows.tolist(), aspect=40, pad=0.01, label="class probability")
        rows[1].set_yticks(np.arange(len(names)) + 0.5, names, fontsize=8)
        rows[1].invert_yaxis()
    rows[-1].set_xlabel("seconds")
    return figure
