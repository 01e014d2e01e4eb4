"""Snippets by class before and after the network, as t-SNE lays them out."""

import numpy as np
from matplotlib.figure import Figure
from sklearn.manifold import TSNE

from utils.figures.style import MARKERS, PALETTE, QUIET, new_figure
from utils.labels import Dataset

PER_CLASS, NORMAL_SNIPPETS = 80, 400  # drawn at most
PERPLEXITY = 30
SEED = 0


def sample(classes: np.ndarray) -> np.ndarray:
    """Indices of some snippets of every class, (S,) class indices -> (M,)."""
    rng = np.random.default_rng(SEED)
    chosen = []
    for c in np.unique(classes):
        of_class = np.flatnonzero(classes == c)
        most = PER_CLASS if c else NORMAL_SNIPPETS
        chosen.append(rng.permutation(of_class)[:most])
    return np.sort(np.concatenate(chosen))


def layout(features: np.ndarray) -> np.ndarray:
    """(M, D) -> (M, 2), by cosine distance."""
    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    tsne = TSNE(metric="cosine", init="pca", perplexity=perplexity, random_state=SEED)
    return tsne.fit_transform(features)


def snippet_maps(
    before: np.ndarray, after: np.ndarray, classes: np.ndarray, facts: Dataset
) -> Figure:
    """
    Args:
        before: (M, 512) CLIP features.
        after: (M, 512) visual features v.
        classes: (M,) indices, 0 normal.
        facts: of the data set.
    """
    figure = new_figure(10, 4.6)
    panels = (("CLIP features", before), ("visual features of the network", after))
    for axis, (title, features) in zip(figure.subplots(1, 2), panels, strict=True):
        points = layout(features)
        for c in np.unique(classes):
            style = {"c": QUIET, "marker": ".", "s": 12}
            if c:
                # Through the colours without the light ones, then again, hollow and shifted.
                colour, marker = PALETTE[(c - 1) % 7], MARKERS[(c - 1 + (c - 1) // 7) % 7]
                style = {"c": colour, "marker": marker, "s": 16}
                if c >= 8:
                    style = {"facecolors": "none", "edgecolors": colour, "marker": marker, "s": 20}
            x, y = points[classes == c].T
            axis.scatter(x, y, label=facts.names[c], linewidths=0.8, **style)
        axis.set_title(title, fontsize=10)
        axis.set_xticks([])
        axis.set_yticks([])
    handles = figure.axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=7, frameon=False, fontsize=8)
    return figure
