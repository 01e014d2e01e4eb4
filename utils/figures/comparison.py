"""Two methods side by side: their curves, and the differences of their metrics."""

import numpy as np
from matplotlib.figure import Figure

from utils.figures.style import PALETTE, QUIET, new_figure
from utils.metric_names import ALL_METRICS

LINE = 0.24  # inches


def differences(found: dict, names: tuple[str, str]) -> Figure:
    """By how much the first method is better, with intervals, of the metrics in percent: to the
    right it is, also where less is better. In colour where the interval is on one side of 0.

    Args:
        found: of `Comparison.differences`.
        names: of the methods.
    """
    lines = []
    for name, values in reversed(found["metrics"].items()):
        metric = ALL_METRICS[name]
        if metric.unit == "%" and values["interval"]:
            scale = -metric.scale if metric.lower else metric.scale
            title = metric.title + (" (less is better)" if metric.lower else "")
            bounds = sorted(scale * value for value in values["interval"])
            lines.append((title, scale * values["difference"], bounds))
    figure = new_figure(7.5, LINE * len(lines) + 1)
    axis = figure.subplots()
    for y, (_, difference, (low, high)) in enumerate(lines):
        colour = PALETTE[0] if low > 0 else PALETTE[1] if high < 0 else QUIET
        axis.plot([low, high], [y, y], color=colour, lw=2.5, solid_capstyle="butt")
        axis.plot([difference], [y], "o", color=colour, ms=5, mec="white", mew=0.6)
    axis.axvline(0, color="black", lw=0.8)
    axis.set_yticks(np.arange(len(lines)), [title for title, *_ in lines], fontsize=8)
    better = f"← {names[1]} is better      percentage points      {names[0]} is better →"
    axis.set_xlabel(better)
    axis.spines[["top", "right"]].set_visible(False)
    return figure
