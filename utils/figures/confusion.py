"""Events and backgrounds against the class texts (the paper's check of DCSA)."""

import numpy as np
from matplotlib.figure import Figure

from utils.datasets.lists import Row
from utils.figures.analysis import Semantics
from utils.figures.style import new_figure
from utils.labels import Dataset

DARK = 0.6  # share from which on white figures are read better


def confusion(rows: list[Row], nearest: np.ndarray) -> np.ndarray:
    """(C, C) videos of a class (rows; one with several classes counts in each) whose feature is
    nearest to a class's text (columns)."""
    labels = np.stack([row.label.numpy() for row in rows])  # [V, C]
    return labels.T @ np.eye(labels.shape[1])[nearest]


def confusion_matrices(rows: list[Row], found: Semantics, facts: Dataset) -> tuple[Figure, str]:
    """
    Args:
        rows: of the test list.
        found: of its videos.
        facts: of the data set.

    Returns:
        the figure, shares of each row in percent, and what it shows in a line.
    """
    names = facts.names
    size = 1.6 + 0.42 * len(names)
    figure = new_figure(2 * size, size)
    accuracy = f"{100 * found.background_accuracy:.2f} % of the backgrounds nearest to normal"
    events_right = [bool(row.label[i]) for row, i in zip(rows, found.events, strict=True)]
    parts = (
        (f"event ({100 * np.mean(events_right):.1f} % right)", found.events),
        (f"background ({accuracy.split(' of')[0]} normal)", found.backgrounds),
    )
    for axis, (title, nearest) in zip(figure.subplots(1, 2), parts, strict=True):
        counts = confusion(rows, nearest)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (i, j), share in np.ndenumerate(shares):
            if share:
                style = {"color": "white" if share > DARK else "black", "fontsize": 7}
                axis.text(j, i, f"{100 * share:.0f}", ha="center", va="center", **style)
        axis.set_title(title, fontsize=10)
        axis.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor")
        axis.set_yticks(range(len(names)), names if axis.get_subplotspec().is_first_col() else [])
        axis.set_xlabel("nearest text")
        axis.tick_params(labelsize=8)
    figure.axes[0].set_ylabel("class of the video")
    return figure, accuracy + ("" if facts.is_own else " (paper: 99.63 %, VadCLIP 87.63 %)")
