"""Figures of a test run."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from utils.datasets import SNIPPET_FRAMES, Row
from utils.files import whole_file
from utils.ground_truth import GroundTruth
from utils.labels import Dataset
from utils.metrics import Prediction

# Okabe and Ito's palette, legible to the colour-blind.
SCORE, TRUTH = "#0072B2", "#E69F00"


def choose_videos(rows: list[Row], anomalous: int, normal: int) -> list[int]:
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


def caption(prediction: Prediction, row: Row, facts: Dataset) -> str:
    """Name and label of a video, and the anomaly class that the model finds likeliest in it."""
    label = "-".join(code for code, y in zip(facts.classes, row.label, strict=True) if y)
    if row.normal:
        return f"{row.video} ({label})"
    likeliest = facts.classes[prediction.probabilities[:, 1:].max(axis=0).argmax() + 1]
    return f"{row.video} ({label}), taken for {likeliest}"


def score_curves(
    path: Path,
    predictions: list[Prediction],
    truth: GroundTruth,
    rows: list[Row],
    facts: Dataset,
    anomalous: int = 6,
    normal: int = 2,
) -> None:
    """Scores of a few test videos over their ground truth, as a picture file.

    Per video: the detection score, and the annotated frames shaded.
    """
    indices = choose_videos(rows, anomalous, normal)
    figure = Figure(figsize=(11, 1.9 * ((len(indices) + 1) // 2)), layout="constrained")
    axes = figure.subplots((len(indices) + 1) // 2, 2, squeeze=False).flatten()
    starts = np.cumsum([0] + [len(p.score) for p in predictions]) * SNIPPET_FRAMES
    for axis, i in zip(axes, indices, strict=False):
        frames = np.arange(len(predictions[i].score)) * SNIPPET_FRAMES
        abnormal = truth.frames[starts[i] : starts[i + 1]]
        axis.fill_between(
            np.arange(len(abnormal)), abnormal, step="post", color=TRUTH, alpha=0.35, lw=0,
            label="annotated",
        )  # fmt: skip
        axis.step(frames, predictions[i].score, where="post", color=SCORE, lw=1.6, label="score")
        axis.set_title(caption(predictions[i], rows[i], facts), fontsize=9)
        axis.set(xlim=(0, len(abnormal)), ylim=(0, 1.02))
    for axis in axes[len(indices) :]:
        axis.set_visible(False)
    for axis in axes[:2]:
        axis.set_ylabel("score")
    for axis in axes[max(0, len(indices) - 2) : len(indices)]:
        axis.set_xlabel("frame")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    with whole_file(path) as partial:
        figure.savefig(partial, dpi=130)
