"""The table of `ablate.py` in numbers: means over seeds, and differences from the first row."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from utils.ablation.grid import Grid, Variant
from utils.metric_names import ALL_METRICS, value_of
from utils.system.errors import UserError

NOT_APPLICABLE = "n/a"  # of a method that tells no classes
UNTESTED = "untested"
LEVEL = 0.95  # of an interval

Results = dict[tuple[str, int], dict]  # the metrics of a run by row and seed


class Difference(NamedTuple):
    """Of a row from the first one, of pairs of runs with the same seed.

    Attributes:
        mean: over the pairs.
        margin: to both sides, of the 95 % interval by Student's t; None of a single pair.
        pairs: how many.
    """

    mean: float
    margin: float | None
    pairs: int


def result_of(path: Path) -> dict:
    """The metrics that a training run left: of the test set or, where there is none, of the
    validation videos, and then `untested`."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found.keys() == {"epoch", "step", "validation"}:
            return {UNTESTED: True, **found["validation"]}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise UserError(f"{path} cannot be read ({error}): remove its folder") from None
    return found


def summary(grid: Grid, result: dict) -> str:
    """The metrics of one run in a line."""
    figures = []
    for metric in grid.metrics:
        value = value_of(result, metric)
        figure = NOT_APPLICABLE if value is None else f"{ALL_METRICS[metric].shown(value):.2f}"
        figures.append(f"{ALL_METRICS[metric].title} {figure}")
    return ", ".join(figures)


def by_seed(grid: Grid, results: Results, row: Variant, metric: str) -> dict[int, float]:
    """In the metric's unit, of the seeds that have one."""
    found = {seed: value_of(results.get((row.name, seed), {}), metric) for seed in grid.seeds}
    return {s: ALL_METRICS[metric].shown(value) for s, value in found.items() if value is not None}


def mean_and_std(values: dict[int, float]) -> tuple[float | None, float | None]:
    """Of the seeds' values, the standard deviation of the sample (n − 1); None of too few."""
    values = [*values.values()]
    mean = float(np.mean(values)) if values else None
    return mean, float(np.std(values, ddof=1)) if len(values) > 1 else None


def difference(grid: Grid, results: Results, row: Variant, metric: str) -> Difference | None:
    """None where no seed has both."""
    first = by_seed(grid, results, grid.rows[0], metric)
    pairs = [v - first[s] for s, v in by_seed(grid, results, row, metric).items() if s in first]
    if not pairs:
        return None
    count, margin = len(pairs), None
    if count > 1:
        margin = stdtrit(count - 1, (1 + LEVEL) / 2) * np.std(pairs, ddof=1) / count**0.5
    return Difference(float(np.mean(pairs)), margin and float(margin), count)


def best_rows(grid: Grid, results: Results, metric: str) -> set[str]:
    """Names of the rows whose mean is the best, as far as two decimals show; none of a single row
    that has one."""
    means = {row.name: mean_and_std(by_seed(grid, results, row, metric))[0] for row in grid.rows}
    means = {name: round(mean, 2) for name, mean in means.items() if mean is not None}
    if len(means) < 2:
        return set()
    best = (min if ALL_METRICS[metric].lower else max)(means.values())
    return {name for name, mean in means.items() if mean == best}


def weights_kept(row: Variant) -> str:
    if row.parsed.select == "last":
        return "last step"
    where = " (validation)" if row.parsed.select_on == "validation" else ""
    return f"best {ALL_METRICS[row.parsed.select_by].title}{where}"


def csv_table(grid: Grid, results: Results) -> str:
    """For programs: a line per row and metric, with the value of every seed."""
    records = []
    for row in grid.rows:
        for metric in grid.metrics:
            values = by_seed(grid, results, row, metric)
            mean, std = mean_and_std(values)
            from_first = difference(grid, results, row, metric) if row != grid.rows[0] else None
            records.append(
                {
                    "row": row.name,
                    "metric": metric,
                    "mean": mean,
                    "std": std,
                    "paper": row.paper.get(metric),
                    "difference": from_first and from_first.mean,
                    "difference_margin": from_first and from_first.margin,
                    "weights": weights_kept(row),
                    **{f"seed{seed}": values.get(seed) for seed in grid.seeds},
                }
            )
    return pd.DataFrame(records).to_csv(index=False)
