"""Grid files of `ablate.py`: the rows of a table and the options that make them."""

import argparse
import itertools
import re
from pathlib import Path
from typing import NamedTuple

from utils.both_datasets import DATASETS
from utils.options.parser import as_arguments
from utils.system.errors import UserError
from utils.system.yaml_files import read_yaml

KEYS = ("title", "dataset", "metrics", "seeds", "options", "rows", "grid")
FRACTIONS = ("auc1", "ap1", "auc2", "ap2", "ano_auc")  # shown in percent
METRICS = (*FRACTIONS, "average_map", "average_anomaly_map")
MAIN_METRIC = {"ucf": "auc1", "xd": "ap1"}
LONGEST_NAME = 100  # of a folder, in characters
# What ablate.py says itself for every run.
ITS_OWN = ("seed", "output_dir", "model_path", "checkpoint_path", "use_checkpoint", "resume")


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        name: as the table shows it.
        slug: the same as the name of a folder.
        options: of the training script.
        paper: the published figures by metric, in percent.
        parsed: what the training script will make of its options.
    """

    name: str
    slug: str
    options: dict
    paper: dict[str, float]
    parsed: argparse.Namespace


class Grid(NamedTuple):
    """A table: every row is trained with every seed."""

    title: str
    dataset: str
    metrics: list[str]
    seeds: list[int]
    rows: list[Row]


def read_grid(path: str, dataset: str | None, seeds: list[int] | None, options: list[str]) -> Grid:
    """Read a grid file.

    Args:
        path: YAML with `title`, `dataset`, `seeds`, `metrics`, common `options`, and either `rows`
            (name -> options and the paper's figures) or `grid` (option -> values, every combination
            of which is a row).
        dataset, seeds: instead of the file's; the paper's figures hold for the file's only.
        options: further arguments of the training script.

    Raises:
        UserError: the file cannot be read, or says what it must not; the message names the row.
    """
    written = read_yaml(path, "grid")
    if not isinstance(written, dict) or ("rows" in written) == ("grid" in written):
        raise UserError(f"grid {path}: expected either 'rows' or 'grid', see configs/README.md")
    if odd := [str(key) for key in written if key not in KEYS]:
        raise UserError(f"grid {path}: unknown '{odd[0]}'; allowed are {', '.join(KEYS)}")
    name = dataset or _one_of(written.get("dataset", "xd"), DATASETS, "dataset", path)
    as_published = name == written.get("dataset", "xd")
    metrics = _list(written.get("metrics", [MAIN_METRIC[name], "average_map"]), "metrics", path)
    for metric in metrics:
        _one_of(metric, METRICS, "metrics", path)
    if not as_published:  # the other data set's main metric in the place of the file's
        metrics = [MAIN_METRIC[name] if m in MAIN_METRIC.values() else m for m in metrics]
        metrics = list(dict.fromkeys(metrics))
    seeds = seeds or _list(written.get("seeds", [234]), "seeds", path)
    if not all(type(seed) is int and seed >= 0 for seed in seeds) or len({*seeds}) < len(seeds):
        raise UserError(f"grid {path}: seeds are {seeds}, expected different whole numbers")

    _require_free([o.partition("=")[0].lstrip("-") for o in options if o[:2] == "--"], "")
    _parsed(name, options, "")  # so that what is wrong on the command line is not a row's
    common = _dict(written.get("options") or {}, "options", path)
    rows = []
    for title, row in _rows(written, path):
        if odd := [str(key) for key in row if key not in ("options", "paper")]:
            raise UserError(
                f"grid {path}, row '{title}': unknown '{odd[0]}'; allowed are options, paper"
            )
        own = common | _dict(row.get("options") or {}, f"options of row '{title}'", path)
        _require_free(own, f"grid {path}, row '{title}': ")
        spelled = [str(option).replace("-", "_") for option in own]
        if twice := [option for option in spelled if spelled.count(option) > 1]:
            raise UserError(f"grid {path}, row '{title}': {twice[0]} is there twice")
        paper = _dict(row.get("paper") or {}, f"paper of row '{title}'", path)
        for metric, value in paper.items():
            _one_of(metric, METRICS, f"paper of row '{title}'", path)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise UserError(
                    f"grid {path}, row '{title}': paper's {metric} is {value}, no number"
                )
        parsed = _parsed(name, [*options, *as_arguments(own)], f"grid {path}, row '{title}': ")
        slug = re.sub(r"[^a-z0-9.]+", "_", title.lower()).strip("_.")[:LONGEST_NAME] or "row"
        published = paper if as_published else {}
        rows.append(Row(title, slug, own, published, parsed))
    slugs = [row.slug for row in rows]
    if twice := [row.name for row in rows if slugs.count(row.slug) > 1]:
        raise UserError(f"grid {path}: rows '{twice[0]}' and '{twice[1]}' need different names")
    title = f"{written.get('title', Path(path).stem)}, {DATASETS[name][1].title}"
    return Grid(title, name, metrics, seeds, rows)


def _rows(written: dict, path: str) -> list[tuple[str, dict]]:
    if "rows" in written:
        rows = _dict(written["rows"], "rows", path)
        rows = [(str(n), _dict(row or {}, f"row '{n}'", path)) for n, row in rows.items()]
    else:
        axes = _dict(written["grid"], "grid", path)
        values = [_list(axis, f"grid, {option}", path) for option, axis in axes.items()]
        combinations = [dict(zip(axes, point, strict=True)) for point in itertools.product(*values)]
        rows = [(", ".join(f"{k} {v}" for k, v in c.items()), {"options": c}) for c in combinations]
    if not rows:
        raise UserError(f"grid {path} has no rows")
    return rows


def _require_free(names, where: str) -> None:
    names = [str(name).replace("-", "_") for name in names]
    for name in names:
        if name in ITS_OWN:
            raise UserError(
                f"{where}{name} is set by ablate.py for every run: use --out, --seeds or 'seeds'"
            )


def _parsed(dataset: str, arguments: list[str], where: str) -> argparse.Namespace:
    """The options as the training script reads them; its complaints name the row."""
    try:
        return DATASETS[dataset][0].read(arguments)
    except UserError as error:
        raise UserError(f"{where}{error}") from None


def _one_of(value, allowed, what: str, path: str):
    if not isinstance(value, str) or value not in allowed:
        raise UserError(f"grid {path}: {what} {value}; allowed are {', '.join(allowed)}")
    return value


def _list(value, what: str, path: str) -> list:
    if not isinstance(value, list) or not value:
        raise UserError(f"grid {path}: {what} is {value}, expected a list")
    return value


def _dict(value, what: str, path: str) -> dict:
    if not isinstance(value, dict):
        raise UserError(f"grid {path}: {what} is {value}, expected lines 'name: value'")
    return value
