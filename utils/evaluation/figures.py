"""Figures of many weightings of the videos at once.

A resample of the videos counts each of them so many times. So each figure is written once, as a
function of how often each video counts; that of the test set is where each counts once.
"""

from collections.abc import Callable, Iterable

import numpy as np

# By name (B,), or by name and what it is of, a class or an IoU. NaN where it is not defined.
Figures = dict[str, "np.ndarray | Figures"]
# (B, V), how often each video counts, in whole numbers -> the figures.
Part = Callable[[np.ndarray], Figures]


def by(names: Iterable[str], values: np.ndarray) -> Figures:
    """(B, names) -> (B,) by name."""
    return dict(zip(names, values.T, strict=True))


def joined(figures: list[Figures]) -> Figures:
    """The figures of all weightings, from those of some at a time."""
    return {
        name: joined([f[name] for f in figures])
        if isinstance(value, dict)
        else np.concatenate([f[name] for f in figures])
        for name, value in figures[0].items()
    }


def mapped(function, figures: Figures) -> dict:
    """What a function makes of the values of every figure."""
    return {
        name: mapped(function, value) if isinstance(value, dict) else function(value)
        for name, value in figures.items()
    }
