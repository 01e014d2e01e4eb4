"""Distances to the nearest normal prototype (the paper's check of SG-NM)."""

import numpy as np
from matplotlib.figure import Figure

from utils.figures.style import ABNORMAL_COLOUR, NORMAL_COLOUR, new_figure

BINS = 40


def distance_histogram(
    distances: np.ndarray, anomalous: np.ndarray, published: bool
) -> tuple[Figure, str]:
    """
    Args:
        distances: (S,) of each snippet.
        anomalous: (S,) bool.
        published: whether they are of a data set that the paper uses.

    Returns:
        the figure, and what it shows in a line.
    """
    bins = np.linspace(0, max(distances.max(), 1e-3), BINS + 1)
    figure = new_figure(5.5, 3.4)
    axis = figure.subplots()
    means = []
    for name, chosen, colour, style in (
        ("normal", ~anomalous, NORMAL_COLOUR, {"alpha": 0.55}),
        ("anomalous", anomalous, ABNORMAL_COLOUR, {"histtype": "step", "lw": 2, "hatch": "//"}),
    ):
        values = distances[chosen]
        mean = values.mean() if len(values) else float("nan")
        means.append(f"{name} {mean:.2f}")
        label = f"{name} (mean {mean:.2f})"
        axis.hist(values, bins, density=True, color=colour, label=label, **style)
        axis.axvline(mean, color=colour, ls="--" if chosen is anomalous else "-", lw=1.2)
    axis.set(
        xlabel="cosine distance to the nearest normal prototype", ylabel="density of snippets",
        xlim=(0, bins[-1]),
    )  # fmt: skip
    axis.legend(framealpha=1, edgecolor="none")
    paper = " (paper: normal 0.35, anomalous 0.69)" if published else ""
    return figure, f"mean distance to the nearest normal prototype: {', '.join(means)}{paper}"
