"""Detection scores over time, the annotated frames shaded."""

import numpy as np
from matplotlib.figure import Figure

from utils.datasets.lists import Row
from utils.evaluation.scored_videos import Prediction, ScoredVideos
from utils.figures.style import LINES, PALETTE, TRUTH, new_figure
from utils.labels import Dataset
from utils.system.errors import UserError

PANELS_ABREAST = 2


def choose_videos(rows: list[Row], anomalous: int = 6, normal: int = 2) -> list[int]:
    """Indices of anomalous videos of different classes, as far as there are, and of normal ones."""
    seen: set[int] = set()
    repeated: list[int] = []
    chosen: list[int] = []
    for i, row in enumerate(rows):
        if not row.normal:
            label = int(row.label.argmax())
            (repeated if label in seen else chosen).append(i)
            seen.add(label)
    spread = np.linspace(0, len(chosen) - 1, min(anomalous, len(chosen))).round().astype(int)
    chosen = [chosen[i] for i in spread] + repeated
    return chosen[:anomalous] + [i for i, row in enumerate(rows) if row.normal][:normal]


def indices_of(rows: list[Row], names: list[str]) -> list[int]:
    """Indices of videos by name.

    Raises:
        UserError: none is called so.
    """
    known = {row.video: i for i, row in enumerate(rows)}
    for name in names:
        if name not in known:
            raise UserError(
                f"no test video is called '{name}'; the first of {len(known)} is '{rows[0].video}'"
            )
    return [known[name] for name in names]


def caption(prediction: Prediction, row: Row, facts: Dataset) -> str:
    """Name and classes of a video, and the anomaly class that the model finds likeliest in it."""
    classes = ", ".join(name for name, y in zip(facts.names, row.label, strict=True) if y)
    if row.normal or prediction.probabilities is None:
        return f"{row.video}: {classes}"
    likeliest = facts.names[prediction.probabilities[:, 1:].max(axis=0).argmax() + 1]
    return f"{row.video}: {classes}; likeliest: {likeliest}"


def score_curves(
    methods: dict[str, ScoredVideos],
    indices: list[int],
) -> Figure:
    """A panel per video, the methods' scores laid over each other.

    Args:
        methods: by name, of the same videos with their ground truth.
        indices: of the videos to draw.
    """
    height = -(-len(indices) // PANELS_ABREAST)
    figure = new_figure(11, 1.9 * height + 0.4)
    axes = figure.subplots(height, PANELS_ABREAST, squeeze=False).flatten()
    first = next(iter(methods.values()))
    truth, rows, facts = first.truth, first.rows, first.facts
    for axis, i in zip(axes, indices, strict=False):
        edges = truth.edges[i]
        for start, end in truth.spans[i] or [(0, 0)]:  # so that the legend has it
            axis.axvspan(start, end, color=TRUTH, alpha=0.35, lw=0, label="annotated")
        for (name, scored), colour, line in zip(methods.items(), PALETTE, LINES, strict=False):
            score = scored.scores[i]
            axis.stairs(
                score, scored.edges[i], baseline=None, color=colour, ls=line, lw=1.6, label=name
            )
        # With several methods there is no telling whose class a caption would name.
        prediction = first.predictions[i]
        one = prediction if len(methods) == 1 else Prediction(prediction.score)
        axis.set_title(caption(one, rows[i], facts), fontsize=9)
        axis.set(xlim=(0, edges[-1]))
        if all(scored.are_probabilities for scored in methods.values()):
            axis.set(ylim=(0, 1.02))
    for axis in axes[len(indices) :]:
        axis.set_visible(False)
    for axis in axes[::PANELS_ABREAST]:
        axis.set_ylabel("score")
    for axis in axes[max(0, len(indices) - PANELS_ABREAST) : len(indices)]:
        axis.set_xlabel(facts.row.unit.removesuffix("s"))
    labelled = dict(zip(*reversed(axes[0].get_legend_handles_labels()), strict=True))
    figure.legend(
        labelled.values(), labelled.keys(), loc="outside upper center", ncols=len(labelled)
    )
    return figure
