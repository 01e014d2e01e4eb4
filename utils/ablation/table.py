"""The table of `ablate.py`: mean ± standard deviation over seeds, the paper's figures beside."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from utils.ablation.grid import Grid, Variant
from utils.metric_names import METRICS, value_of
from utils.system.errors import UserError

NOT_APPLICABLE = "n/a"  # of a method that tells no classes

Results = dict[tuple[str, int], dict]  # the metrics of a run by row and seed


def result_of(path: Path) -> dict:
    """The metrics that a training run left."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}): remove its folder") from None


def summary(grid: Grid, result: dict) -> str:
    """The metrics of one run in a line."""
    figures = []
    for metric in grid.metrics:
        value = value_of(result, metric)
        figure = NOT_APPLICABLE if value is None else f"{METRICS[metric].shown(value):.2f}"
        figures.append(f"{METRICS[metric].title} {figure}")
    return ", ".join(figures)


def by_seed(grid: Grid, results: Results, row: Variant, metric: str) -> dict[int, float]:
    """In the metric's unit, of the seeds that have one."""
    found = {seed: value_of(results.get((row.name, seed), {}), metric) for seed in grid.seeds}
    return {s: METRICS[metric].shown(value) for s, value in found.items() if value is not None}


def mean_and_std(values: dict[int, float]) -> tuple[float | None, float | None]:
    """Of the seeds' values, the standard deviation of the sample (n − 1); None of too few."""
    values = [*values.values()]
    mean = float(np.mean(values)) if values else None
    return mean, float(np.std(values, ddof=1)) if len(values) > 1 else None


def _kept(row: Variant) -> str:
    if row.parsed.select == "last":
        return "last epoch"
    where = " (validation)" if row.parsed.select_on == "validation" else ""
    return f"best {METRICS[row.parsed.select_by].title}{where}"


def markdown_table(grid: Grid, results: Results, failures: list[str]) -> str:
    """For people."""
    published = [m for m in grid.metrics if any(m in row.paper for row in grid.rows)]
    header, lines = [grid.title], []
    for metric in grid.metrics:
        header += [METRICS[metric].heading] + ["paper"] * (metric in published)
    header += ["weights kept", "seeds"]
    for row in grid.rows:
        done = sum((row.name, seed) in results for seed in grid.seeds)
        line = [row.name]
        for metric in grid.metrics:
            mean, std = mean_and_std(by_seed(grid, results, row, metric))
            figure = (NOT_APPLICABLE if done else "") if mean is None else f"{mean:.2f}"
            line.append(figure if std is None else f"{figure} ± {std:.2f}")
            if metric in published:
                line.append(f"{row.paper[metric]:.2f}" if metric in row.paper else "")
        lines.append([*line, _kept(row), f"{done} of {len(grid.seeds)}"])
    widths = [max(map(len, column)) for column in zip(header, *lines, strict=True)]
    numbers = [0 < i < len(widths) - 2 for i in range(len(widths))]

    def joined(cells: list[str]) -> str:
        columns = zip(cells, widths, numbers, strict=True)
        return f"| {' | '.join(c.rjust(w) if n else c.ljust(w) for c, w, n in columns)} |"

    rule = ["-" * (w - n) + ":" * n for w, n in zip(widths, numbers, strict=True)]
    text = [joined(header), joined(rule), *map(joined, lines), "", _notes(grid)]
    if grid.note:
        text += ["", grid.note]
    return "\n".join([*text, *(f"- failed: {failure}" for failure in failures)]) + "\n"


def _notes(grid: Grid) -> str:
    notes = f"Mean ± standard deviation over seeds {', '.join(map(str, grid.seeds))}."
    if len(grid.seeds) == 1:
        notes = f"Of seed {grid.seeds[0]} alone."
    if any(row.parsed.select == "best" and row.parsed.select_on == "test" for row in grid.rows):
        notes += " Best: the weights are chosen on the test set, as in the official code."
    if any(row.parsed.clip_weights == "random" for row in grid.rows):
        notes += " CLIP's text weights were random: these are no results."
    return notes


def csv_table(grid: Grid, results: Results) -> str:
    """For programs: a line per row and metric, with the value of every seed."""
    records = []
    for row in grid.rows:
        for metric in grid.metrics:
            values = by_seed(grid, results, row, metric)
            mean, std = mean_and_std(values)
            records.append(
                {
                    "row": row.name,
                    "metric": metric,
                    "mean": mean,
                    "std": std,
                    "paper": row.paper.get(metric),
                    "weights": _kept(row),
                    **{f"seed{seed}": values.get(seed) for seed in grid.seeds},
                }
            )
    return pd.DataFrame(records).to_csv(index=False)
