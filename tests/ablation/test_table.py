"""The table, for people and for programs."""

import csv

import pytest

from helpers.grids import ROWS, write
from utils.ablation.grid import read_grid
from utils.ablation.table import csv_table
from utils.ablation.text import markdown_table


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
    assert lines[3] == ["all, last", "75.00", "", "12.50", "last epoch", "1 of 3"]
    assert "seeds 1, 2, 3" in table
    assert "- failed: MIL, seed 2: broken" in table
    assert len({len(line) for line in table.splitlines()[:4]}) == 1  # columns stand in line

    rows = list(csv.DictReader(csv_table(grid, results).splitlines()))
    assert float(rows[0]["mean"]) == pytest.approx(85)
    assert float(rows[0]["std"]) == pytest.approx(50**0.5)
    assert (rows[0]["seed2"], rows[1]["mean"], rows[0]["paper"]) == ("", "", "84.51")
