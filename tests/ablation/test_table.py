"""The table, for people and for programs."""

import csv

import pytest
from scipy import stats

from helpers.grids import ROWS, write
from utils.ablation.cells import Cell, TimeLeft
from utils.ablation.grid import read_grid
from utils.ablation.table import csv_table, difference, result_of
from utils.ablation.text import latex_table, markdown_table
from utils.metric_names import OF_DEPLOYMENT
from utils.system.console import duration
from utils.system.errors import UserError


def test_the_table(tmp_path):
    grid = read_grid(write(tmp_path, ROWS), None, None, [])
    results = {("MIL", 1): {"auc1": 0.80, "average_map": None},
               ("MIL", 3): {"auc1": 0.90, "average_map": None},
               ("all, last", 2): {"auc1": 0.75, "average_map": 12.5}}  # fmt: skip
    table = markdown_table(grid, results, ["MIL, seed 2: broken"])
    lines = [[c.strip() for c in line.strip("| ").split("|")] for line in table.splitlines()]
    assert lines[0] == [
        "T, UCF-Crime",
        "AUC1 (%)",
        "paper",
        "average mAP (%)",
        "weights kept",
        "seeds",
    ]
    assert lines[2] == ["MIL", "**85.00 ± 7.07**", "84.51", "n/a", "best AUC1", "2 of 3"]
    assert lines[3] == ["all, last", "75.00", "", "12.50", "last step", "1 of 3"]
    assert "seeds 1, 2, 3" in table
    assert "- failed: MIL, seed 2: broken" in table
    assert len({len(line) for line in table.splitlines()[:4]}) == 1  # columns stand in line

    rows = list(csv.DictReader(csv_table(grid, results).splitlines()))
    assert float(rows[0]["mean"]) == pytest.approx(85)
    assert float(rows[0]["std"]) == pytest.approx(50**0.5)
    assert (rows[0]["seed2"], rows[1]["mean"], rows[0]["paper"]) == ("", "", "84.51")


@pytest.mark.parametrize("content", [b"", b'{"auc1": 0.9', b"\xff", b"[]"])
def test_a_result_that_is_damaged(content, tmp_path):
    path = tmp_path / "best.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"best\.json cannot be read \(.+\): remove its folder$"):
        result_of(path)


def results_of(grid, **metrics) -> dict:
    """By metric, for each row the values of its seeds."""
    found: dict = {}
    for name, of_rows in metrics.items():
        for row, values in zip(grid.rows, of_rows, strict=True):
            for seed, value in zip(grid.seeds, values, strict=True):
                metric = found.setdefault((row.name, seed), {"deployment": {}})
                (metric["deployment"] if name in OF_DEPLOYMENT else metric)[name] = value
    return found


@pytest.fixture
def grid(tmp_path):
    rows = {**ROWS, "metrics": ["auc1", "false_alarms_per_hour"]}
    return read_grid(write(tmp_path, rows), None, None, [])


def test_the_best_is_bold_where_less_is_better_too(grid):
    results = results_of(
        grid, auc1=[(0.8, 0.8, 0.8), (0.9, 0.9, 0.9)], false_alarms_per_hour=[(4, 4, 4), (9, 9, 9)]
    )
    mil, last = markdown_table(grid, results, []).splitlines()[2:4]
    assert "**4.00 ± 0.00**" in mil and "80.00" in mil and "**80.00" not in mil
    assert "**90.00 ± 0.00**" in last and "**9.00" not in last


def test_differences_from_the_first_row_are_paired_by_seed(grid):
    results = results_of(grid, auc1=[(0.80, 0.70, 0.90), (0.82, 0.73, 0.91)])
    found = difference(grid, results, grid.rows[1], "auc1")
    assert found.mean == pytest.approx(2)
    assert found.pairs == 3
    assert found.margin == pytest.approx(ttest_margin([2, 3, 1]))
    table = markdown_table(grid, results, [])
    low, high = found.mean - found.margin, found.mean + found.margin
    assert f"| +2.00 [{low:+.2f}, {high:+.2f}] |" in table
    assert "95 % interval over seeds (Student's t)" in table
    del results["all, last", 2], results["all, last", 3]
    assert difference(grid, results, grid.rows[1], "auc1") == (pytest.approx(2), None, 1)
    del results["all, last", 1]
    assert difference(grid, results, grid.rows[1], "auc1") is None


def ttest_margin(values) -> float:
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    return (high - low) / 2


def test_latex(grid):
    results = results_of(grid, auc1=[(0.80, 0.70, 0.90), (0.72, 0.63, 0.81)])
    odd = grid.rows[0]._replace(name="a_b & 50% #1 {x} ~^\\")
    results |= {(odd.name, seed): results["MIL", seed] for seed in grid.seeds}
    text = latex_table(grid._replace(rows=[odd, grid.rows[1]]), results)
    assert r"a\_b \& 50\% \#1 \{x\} \textasciitilde{}\textasciicircum{}\textbackslash{} &" in text
    assert r"\textbf{80.00 $\pm$ 10.00}" in text
    assert "$-$8.00 [$-$" in text
    assert text.count(r"\toprule") == text.count(r"\end{tabular}") == 2
    for line in text.splitlines():
        if line.endswith(r"\\"):
            assert line.replace(r"\&", "").count("&") in (0, 2, 5)


def test_the_time_that_is_left(tmp_path):
    grid = read_grid(write(tmp_path, ROWS), None, None, [])
    cells = [Cell(row, s, tmp_path, [], {}) for s in grid.seeds for row in grid.rows]
    clock = TimeLeft(cells, 1)
    assert clock.after(cells[0], 60) == ", about 5 min left"  # nothing is known of the other row
    assert clock.after(cells[1], 600) == ", about 22 min left"
    assert TimeLeft(cells[:1], 1).after(cells[0], 60) == ""
    assert [duration(t) for t in (45, 5300, 12_600)] == ["45 s", "88 min", "3.5 h"]
