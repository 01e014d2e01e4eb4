"""A small grid file, for the tests of ablations."""

import yaml

ROWS = {
    "title": "T",
    "dataset": "ucf",
    "metrics": ["auc1", "average_map"],
    "seeds": [1, 2, 3],
    "rows": {
        "MIL": {"options": {"method": "mil"}, "paper": {"auc1": 84.51}},
        "all, last": {"options": {"select": "last"}},
    },
}


def write(folder, grid) -> str:
    path = folder / "grid.yml"
    path.write_text(grid if isinstance(grid, str) else yaml.safe_dump(grid, sort_keys=False))
    return str(path)
