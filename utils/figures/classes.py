"""Average precision of every class, method beside method."""

import numpy as np
from matplotlib.figure import Figure

from utils.figures.style import HATCHES, PALETTE, new_figure
from utils.labels import Dataset

GROUP = 0.8  # width of a class's bars together


def class_bars(methods: dict[str, dict], facts: Dataset) -> Figure:
    """
    Args:
        methods: by name, the metrics of a test run; those without classes are left out.
        facts: of the data set.
    """
    told = {name: m["per_class_ap"] for name, m in methods.items() if m["per_class_ap"]}
    position = np.arange(len(facts.names) + 1)
    figure = new_figure(max(5.0, 0.62 * len(position) + 1), 3.4)
    axis = figure.subplots()
    width = GROUP / len(told)
    for i, (method, per_class) in enumerate(told.items()):
        values = [np.mean([*per_class[code].values()]) for code in facts.classes]
        values.append(np.mean(values))
        offset = (i - (len(told) - 1) / 2) * width
        axis.bar(
            position + offset, values, width, label=method, color=PALETTE[i], hatch=HATCHES[i],
            edgecolor="white", lw=0.5,
        )  # fmt: skip
    axis.axvline(len(facts.names) - 0.5, color="black", lw=0.8)
    axis.set_xticks(
        position, [*facts.names, "mean"], rotation=40, ha="right", rotation_mode="anchor"
    )
    axis.set_ylabel("AP (%), mean over IoU 0.1…0.5")
    axis.spines[["top", "right"]].set_visible(False)
    if len(methods) > 1:
        axis.legend(frameon=False)
    return figure
