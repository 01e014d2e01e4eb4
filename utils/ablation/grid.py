"""Grid files of `ablate.py`: the rows of a table and the options that make them."""

import argparse
import itertools
import re
from collections import Counter
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from utils.both_datasets import DATASETS
from utils.labels import dataset_of
from utils.metric_names import ALL_METRICS, METRICS
from utils.options.datasets import SELECTABLE_WITHOUT_EVENTS
from utils.options.parser import as_arguments
from utils.system.errors import UserError
from utils.system.yaml_files import read_yaml

LONGEST_NAME = 100  # of a folder, in bytes
MAIN_METRIC = {name: parser.get_default("select_by") for name, (parser, _) in DATASETS.items()}
# What ablate.py says itself for every run.
ITS_OWN = (
    "seed", "output_dir", "model_path", "checkpoint_path", "predictions", "use_checkpoint",
    "resume",
)  # fmt: skip


class Variant(NamedTuple):
    """One row of the table.

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
    """A table: every row is trained with every seed. The note explains the paper's figures."""

    title: str
    recipe: str  # ucf or xd, whose training script and defaults it takes
    metrics: list[str]
    seeds: list[int]
    rows: list[Variant]
    note: str = ""


def read_grid(
    path: str,
    recipe: str | None,
    seeds: list[int] | None,
    options: list[str],
    metrics: list[str] | None = None,
) -> Grid:
    """Read a grid file.

    Args:
        path: YAML with `title`, `note`, `dataset`, `seeds`, `metrics`, common `options`, and either
            `rows` (name -> options and the paper's figures) or `grid` (option -> values, every
            combination of which is a row).
        recipe, seeds: instead of the file's; the paper's figures hold for the file's only.
        options: further arguments of the training script.
        metrics: instead of the file's.

    Raises:
        UserError: the file cannot be read, or says what it must not; the message names the row.
    """
    written = read_yaml(path, "grid")
    with _at(f"grid {path}"):
        said = _said(written)
    _different_numbers(seeds or [])
    recipe = recipe or said["dataset"]
    _require_free(o.partition("=")[0].lstrip("-") for o in options if o.startswith("--"))
    with _command_line_first(recipe, options), _at(f"grid {path}"):
        rows = [
            _variant(title, row, said["options"], options, recipe) for title, row in _rows(said)
        ]
        names = Counter(row.name for row in rows)
        if max(names.values()) > 1:
            raise UserError(f"two rows are called '{max(names, key=names.get)}'")
    rows = _with_different_slugs(rows)
    chosen, metrics = metrics, said["metrics"] or [MAIN_METRIC[recipe], "average_map"]
    if recipe != said["dataset"]:
        metrics = [MAIN_METRIC[recipe] if m in MAIN_METRIC.values() else m for m in metrics]
        rows = [row._replace(paper={}) for row in rows]
    facts = dataset_of(rows[0].parsed, DATASETS[recipe][1])
    for row in rows:
        with _at(f"grid {path}: row '{row.name}'"):
            facts.left_out(row.parsed)
    if facts.is_own:
        rows = [row._replace(paper={}) for row in rows]
    if not facts.has_events:
        of_videos = [m for m in metrics if ALL_METRICS[m].of_videos]
        metrics = of_videos or [*SELECTABLE_WITHOUT_EVENTS]
    title = f"{said['title'] or Path(path).stem}, {facts.title}"
    metrics = list(dict.fromkeys(chosen or metrics))
    of_parts = [m for m in metrics if m not in METRICS]  # of seen and of unseen classes
    if of_parts and not any(row.parsed.leave_out for row in rows):
        raise UserError(
            f"grid {path}: {of_parts[0]} needs classes that are left out of training: say "
            "--leave-out CLASS ..."
        )
    note = said["note"] if any(m in row.paper for row in rows for m in metrics) else ""
    return Grid(title, recipe, metrics, seeds or said["seeds"], rows, note)


@contextmanager
def _at(place: str):
    """An error names the place, too."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{place}: {error}") from None


@contextmanager
def _command_line_first(recipe: str, options: list[str]):
    """What is wrong on the command line is not a row's. (It is read alone only then, because rows
    may have what it needs: the method of `--crops`.)"""
    try:
        yield
    except UserError as error:
        try:
            DATASETS[recipe][0].read(options)
        except UserError as alone:
            if str(error).endswith(str(alone)):
                raise alone from None
        raise


# What a grid file says, by key.


def _known_metrics(metrics, what: str = "metrics") -> None:
    for metric in metrics:
        if not isinstance(metric, str) or metric not in ALL_METRICS:
            raise UserError(f"{what} {metric}; allowed are {', '.join(ALL_METRICS)}")


def _known_dataset(name) -> None:
    if not isinstance(name, str) or name not in DATASETS:
        raise UserError(f"dataset {name}; allowed are {', '.join(DATASETS)}")


def _different_numbers(seeds: list) -> None:
    if not all(type(seed) is int and seed >= 0 for seed in seeds) or len({*seeds}) < len(seeds):
        raise UserError(f"seeds are {seeds}, expected different whole numbers")


KEYS = {  # kind of the value, default, and a check that raises UserError
    "title": (object, None, None),
    "note": (str, "", None),
    "dataset": (object, "xd", _known_dataset),
    "metrics": (list, None, _known_metrics),
    "seeds": (list, [234], _different_numbers),
    "options": (dict, {}, None),
    "rows": (dict, {}, None),
    "grid": (dict, {}, None),
}


def _said(written) -> dict:
    """A value for every key, the default where nothing is written."""
    if not isinstance(written, dict) or ("rows" in written) == ("grid" in written):
        raise UserError("expected either 'rows' or 'grid', see configs/README.md")
    _require_known(written, KEYS)
    said = {}
    for key, (kind, default, check) in KEYS.items():
        value = written.get(key)
        said[key] = default if value is None else _of_kind(kind, value, key)
        if check and value is not None:
            check(value)
    return said


def _require_known(names, known) -> None:
    if odd := [str(name) for name in names if name not in known]:
        raise UserError(f"unknown '{odd[0]}'; allowed are {', '.join(known)}")


def _of_kind(kind: type, value, what: str):
    if not isinstance(value, kind) or value == []:
        expected = {list: "a list", dict: "lines 'name: value'", str: "a text"}
        raise UserError(f"{what} is {value}, expected {expected[kind]}")
    return value


# Rows.


def _rows(said: dict) -> list[tuple[str, dict]]:
    """Name and content of every row; of a grid, every combination of its values is one."""
    rows = [(str(n), _of_kind(dict, row or {}, f"row '{n}'")) for n, row in said["rows"].items()]
    axes = {o: _of_kind(list, values, f"grid, {o}") for o, values in said["grid"].items()}
    for point in itertools.product(*axes.values()) if axes else ():
        options = dict(zip(axes, point, strict=True))
        name = ", ".join(f"{option} {value}" for option, value in options.items())
        rows.append((name, {"options": options}))
    if not rows:
        raise UserError("it has no rows")
    return rows


def _variant(name: str, row: dict, common: dict, options: list[str], recipe: str) -> Variant:
    """A row as it is trained.

    Args:
        name: of the row.
        row: what is written of it: `options` and `paper`.
        common: options of every row, below its own.
        options: of the command line, below both.
        recipe: whose training script.
    """
    own = common | _of_kind(dict, row.get("options") or {}, f"options of row '{name}'")
    paper = _of_kind(dict, row.get("paper") or {}, f"paper of row '{name}'")
    _known_metrics(paper, f"paper of row '{name}'")
    with _at(f"row '{name}'"):
        _require_known(row, ("options", "paper"))
        for metric, value in paper.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise UserError(f"paper's {metric} is {value}, no number")
        _require_free(own)
        spelled = [str(option).replace("-", "_") for option in own]
        if twice := [option for option in spelled if spelled.count(option) > 1]:
            raise UserError(f"{twice[0]} appears twice")
        parsed = DATASETS[recipe][0].read([*options, *as_arguments(own)])
    slug = re.sub(r"(?:_|[^\w.])+", "_", name.lower()).strip("_.")
    slug = slug.encode()[:LONGEST_NAME].decode(errors="ignore") or "row"
    return Variant(name, slug, own, paper, parsed)


def _with_different_slugs(rows: list[Variant]) -> list[Variant]:
    """The same rows; where an earlier one has the slug, a hash of the name comes behind it."""
    found: dict[str, Variant] = {}
    for row in rows:
        if row.slug in found:
            row = row._replace(slug=f"{row.slug}_{sha256(row.name.encode()).hexdigest()[:6]}")
        found[row.slug] = row
    return [*found.values()]


def _require_free(names) -> None:
    for name in names:
        if (option := str(name).replace("-", "_")) in ITS_OWN:
            raise UserError(
                f"{option} is set by ablate.py for every run: use --out, --seeds or 'seeds'"
            )
