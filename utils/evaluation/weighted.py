"""Metrics of many weightings of the videos at once.

A resample of the videos counts each of them so many times. So each metric is written once, as a
function of how often each video counts; that of the test set is where each counts once.
"""

from collections.abc import Callable, Iterable

import numpy as np

# By name (B,), or by name and what it is of, a class or an IoU. NaN where it is not defined.
Values = dict[str, "np.ndarray | Values"]
# (B, V), how often each video counts, in whole numbers -> metrics.
MetricFunction = Callable[[np.ndarray], Values]


def by(names: Iterable[str], values: np.ndarray) -> Values:
    """(B, names) -> (B,) by name."""
    return dict(zip(names, values.T, strict=True))


def mean_of_defined(values: np.ndarray, axis: int = 0) -> np.ndarray:
    """Mean along an axis of what is not NaN; NaN where all is."""
    known = np.isfinite(values)
    return np.where(known, values, 0).sum(axis=axis) / known.sum(axis=axis)


def combined(function, values: list[Values]) -> Values:
    """Apply a function to the list of values, one from each, of every metric that all have."""
    return {
        name: combined(function, [of_one[name] for of_one in values])
        if isinstance(value, dict)
        else function([of_one[name] for of_one in values])
        for name, value in values[0].items()
        if all(name in of_one for of_one in values)
    }


def mapped(function, values: Values) -> dict:
    """Apply a function to the values of every metric."""
    return {
        name: mapped(function, value) if isinstance(value, dict) else function(value)
        for name, value in values.items()
    }
