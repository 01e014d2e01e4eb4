"""Two methods side by side: their curves, and the differences of their figures."""

import numpy as np
from matplotlib.figure import Figure

from utils.figures.style import PALETTE, QUIET, new_figure
from utils.metric_names import METRICS

LINE = 0.24  # inches


def differences(found: dict, names: tuple[str, str]) -> Figure:
    """Differences with their intervals, in points of percent; in colour where the interval is on
    one side of 0.

    Args:
        found: of `Comparison.differences`.
        names: of the methods.
    """
    lines = []
    for name, values in found["metrics"].items():
        metric = METRICS[name]
        if metric.unit == "%" and values["interval"]:
            scale = metric.shown(1)
            mark = " (less is better)" if metric.lower else ""
            lines.append((metric.title + mark, scale, values, metric.lower))
    figure = new_figure(7.5, LINE * len(lines) + 1)
    axis = figure.subplots()
    for y, (_, scale, values, lower) in enumerate(reversed(lines)):
        low, high = (scale * value for value in values["interval"])
        ahead = (high < 0) if lower else (low > 0)
        behind = (low > 0) if lower else (high < 0)
        colour = PALETTE[0] if ahead else PALETTE[1] if behind else QUIET
        axis.plot([low, high], [y, y], color=colour, lw=2.5, solid_capstyle="butt")
        axis.plot([scale * values["difference"]], [y], "o", color=colour, ms=5)
    axis.axvline(0, color="black", lw=0.8)
    axis.set_yticks(np.arange(len(lines)), [line[0] for line in reversed(lines)], fontsize=8)
    axis.set_xlabel(f"{names[0]} - {names[1]}, points of percent")
    axis.spines[["top", "right"]].set_visible(False)
    return figure
