"""The table of `ablate.py` for people: Markdown and LaTeX."""

from collections.abc import Callable
from typing import NamedTuple

from utils.ablation.grid import Grid
from utils.ablation.table import (
    NOT_APPLICABLE,
    UNTESTED,
    Results,
    best_rows,
    by_seed,
    difference,
    mean_and_std,
    weights_kept,
)
from utils.metric_names import ALL_METRICS
from utils.system.markdown import aligned

LATEX = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"}
    | {"±": r"$\pm$", "↓": r"$\downarrow$"}
    | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
)


class Style(NamedTuple):
    """How a text is written.

    Attributes:
        text: what stands for itself, escaped.
        plus_minus, minus: the signs.
        bold: a text in bold.
    """

    text: Callable[[str], str]
    plus_minus: str
    minus: str
    bold: Callable[[str], str]


MARKDOWN = Style(lambda text: text.replace("|", "\\|"), "±", "-", lambda text: f"**{text}**")
TEX = Style(lambda text: text.translate(LATEX), r"$\pm$", "$-$", lambda text: rf"\textbf{{{text}}}")


def heading(metric: str) -> str:
    return ALL_METRICS[metric].heading + (" ↓" if ALL_METRICS[metric].lower else "")


def means(grid: Grid, results: Results, style: Style) -> list[list[str]]:
    """Header and rows: mean ± standard deviation, the best in bold, the paper's figures beside."""
    published = [m for m in grid.metrics if any(m in row.paper for row in grid.rows)]
    header, lines = [grid.title], []
    for metric in grid.metrics:
        header += [heading(metric)] + ["paper"] * (metric in published)
    best = {metric: best_rows(grid, results, metric) for metric in grid.metrics}
    for row in grid.rows:
        done = sum((row.name, seed) in results for seed in grid.seeds)
        line = [style.text(row.name)]
        for metric in grid.metrics:
            mean, std = mean_and_std(by_seed(grid, results, row, metric))
            figure = (NOT_APPLICABLE if done else "") if mean is None else f"{mean:.2f}"
            figure += "" if std is None else f" {style.plus_minus} {std:.2f}"
            line.append(style.bold(figure) if row.name in best[metric] else figure)
            if metric in published:
                line.append(f"{row.paper[metric]:.2f}" if metric in row.paper else "")
        lines.append([*line, style.text(weights_kept(row)), f"{done} of {len(grid.seeds)}"])
    return [[*map(style.text, [*header, "weights kept", "seeds"])], *lines]


def differences(grid: Grid, results: Results, style: Style) -> list[list[str]]:
    """Header and rows: of every row from the first, with 95 % intervals. Nothing where there is
    none."""
    lines, pairs = [], 0
    for row in grid.rows[1:]:
        line = [style.text(row.name)]
        for metric in grid.metrics:
            found = difference(grid, results, row, metric)
            pairs = max(pairs, found.pairs if found else 0)
            figure = NOT_APPLICABLE if found is None else f"{found.mean:+.2f}"
            if found and found.margin is not None:
                low, high = found.mean - found.margin, found.mean + found.margin
                figure += f" [{low:+.2f}, {high:+.2f}]"
            line.append(figure.replace("-", style.minus))
        lines.append(line)
    titles = [f"minus {grid.rows[0].name}", *map(heading, grid.metrics)]
    return [[*map(style.text, titles)], *lines] if pairs else []


def markdown_table(grid: Grid, results: Results, failures: list[str]) -> str:
    """Both tables, and what must be known of them."""
    header, *lines = means(grid, results, MARKDOWN)
    parts = [aligned(header, lines, texts=2), "", notes(grid, results)]
    if minus := differences(grid, results, MARKDOWN):
        parts += ["", aligned(minus[0], minus[1:]), "", note_on_differences(grid)]
    if grid.note:
        parts += ["", grid.note]
    return "\n".join([*parts, *(f"- failed: {failure}" for failure in failures)]) + "\n"


def latex_table(grid: Grid, results: Results) -> str:
    """Both tables, for `\\input`; they need the package booktabs."""
    header, *lines = means(grid, results, TEX)
    tables = [
        _tabular(["", *header[1:]], lines, f"{grid.title}. {notes(grid, results)} {grid.note}", 2)
    ]
    if minus := differences(grid, results, TEX):
        tables.append(_tabular(minus[0], minus[1:], note_on_differences(grid), 0))
    return "\n".join(tables)


def _tabular(header: list[str], lines: list[list[str]], note: str, texts: int) -> str:
    """As `aligned`, and the note below it in small print."""
    columns = "l" + "r" * (len(header) - 1 - texts) + "l" * texts
    said = rf"{{\footnotesize {TEX.text(note.strip())}}}"
    note = rf"\multicolumn{{{len(header)}}}{{p{{\linewidth}}}}{said}"
    head, *rows, note = (f"{line} " + r"\\" for line in (*map(" & ".join, [header, *lines]), note))
    begin, end = rf"\begin{{tabular}}{{{columns}}}", r"\end{tabular}"
    rules = r"\toprule", r"\midrule", r"\bottomrule"
    return "\n".join([begin, rules[0], head, rules[1], *rows, rules[2], note, end, ""])


def notes(grid: Grid, results: Results) -> str:
    said = f"Mean ± standard deviation over seeds {', '.join(map(str, grid.seeds))}."
    if len(grid.seeds) == 1:
        said = f"Of seed {grid.seeds[0]} alone."
    if any(row.parsed.select == "best" and row.parsed.select_on == "test" for row in grid.rows):
        said += " Best: the weights are chosen on the test set, as in the official code."
    if any(UNTESTED in result for result in results.values()):
        said += " There is no test set: all of this is of the validation videos."
    if any(row.parsed.clip_weights == "random" for row in grid.rows):
        said += " CLIP's text weights were random: these are no results."
    return said


def note_on_differences(grid: Grid) -> str:
    said = f"Difference from {grid.rows[0].name}: mean over pairs of runs with the same seed"
    if len(grid.seeds) == 1:
        return f"{said}."
    return f"{said}, and its 95 % interval over seeds (Student's t). Other videos are not in it."
