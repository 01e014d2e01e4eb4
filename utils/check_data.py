"""Read every file of the lists before a long run, and report all that is wrong in one table.

    python -m utils.check_data ucf --feature-root /data/UCFClipFeatures

Takes the options of the training script. Exit code 0 if all is well, 1 if anything is not, 2 if a
list or an option cannot be read. What is allowed but most likely a mistake is a warning, and does
not count. `--check-data` does the same at the start of a run.
"""

import os
import sys
from functools import partial
from typing import NamedTuple

import numpy as np
from tqdm.contrib.concurrent import thread_map

from utils.both_datasets import parse
from utils.datasets.features import read_features
from utils.datasets.lists import Row, list_rows
from utils.datasets.official_truth import TruthFiles
from utils.datasets.truth_of_list import read_ground_truth
from utils.labels import Dataset
from utils.system import group
from utils.system.command import command
from utils.system.console import note, plural, say
from utils.system.errors import UserError

EXIT_PROBLEMS = 1
# Rows of CLIP ViT-B/16 have norms near 10. Those of a file that was normalised have 1, but for what
# float16 rounds off.
NORMALISED = 1.0
NORM_TOLERANCE = 1e-2


class Problem(NamedTuple):
    """Something wrong, and where."""

    file: str
    line: int | None
    what: str


class Findings(NamedTuple):
    """What is wrong, what is most likely a mistake, and how many files were read."""

    problems: list[Problem]
    warnings: list[Problem]
    files: int


class Seen(NamedTuple):
    """A feature file, read: what is wrong with it, and the median norm of its rows if nothing."""

    problem: str | None
    norm: float = 0.0


def find_problems(args, facts: Dataset, train: bool = True) -> Findings:
    """What is wrong with the lists of a run and the files they name.

    Args:
        args: options, of which the lists, the feature folder and the number of workers count.
        facts: of the data set.
        train: with the training list.

    Raises:
        UserError: a list cannot be read at all.
    """
    problems, warnings, files = [], [], 0
    videos: dict[str, dict[str, int]] = {}  # by list, line of each video
    tested = not facts.is_own or os.path.isfile(args.test_list)
    if not tested:
        note(f"there is no {args.test_list}: the training list alone is checked")
    paths = [args.train_list] * train + [args.test_list] * tested
    for path in paths:
        rows = list(list_rows(path, facts, args.feature_root))
        problems += [Problem(path, n, str(row)) for n, row in rows if isinstance(row, UserError)]
        usable = [(n, row) for n, row in rows if isinstance(row, Row)]
        problems += [Problem(path, *found) for found in _repeated(usable)]
        seen = thread_map(
            partial(_read, facts=facts), [row for _, row in usable],
            max_workers=max(1, args.num_workers), desc=f"reading {path}", unit="file", leave=False,
            disable=None,
        )  # fmt: skip
        problems += [
            Problem(path, n, file.problem)
            for (n, _), file in zip(usable, seen, strict=True)
            if file.problem
        ]
        warnings += _normalised(path, usable, seen)
        files += len(usable)
        videos[path] = {row.video: n for n, row in usable}
        all_sound = len(usable) == len(rows) and not any(file.problem for file in seen)
        if path == args.test_list and all_sound:
            problems += _ground_truth_problem(args, facts, [row for _, row in usable])
    if train:
        problems += [
            Problem(args.test_list, n, f"video {video} is also in {args.train_list}, line "
                    f"{videos[args.train_list][video]}: results would be of training data")
            for video, n in videos.get(args.test_list, {}).items()
            if video in videos[args.train_list]
        ]  # fmt: skip
    problems.sort(key=lambda problem: (paths.index(problem.file), problem.line or 0))
    return Findings(problems, warnings, files)


def _read(row: Row, facts: Dataset) -> Seen:
    try:
        features = read_features(row.path, width=row.width)
        if row.length is not None:
            facts.row.edges(len(features), row.length)
    except UserError as error:
        named = str(row.path) in str(error)
        return Seen(str(error) if named else f"feature file {row.path}: {error}")
    empty = np.flatnonzero(~features.any(axis=1))
    if len(empty):
        return Seen(
            f"feature file {row.path} has {len(empty)} of {len(features)} rows of zeros, first row "
            f"{empty[0]}: extract it again"
        )
    with np.errstate(over="ignore"):
        return Seen(None, float(np.median(np.linalg.norm(features, axis=1))))


def _normalised(path: str, rows: list[tuple[int, Row]], seen: list[Seen]) -> list[Problem]:
    """One warning for all files of a list that are."""
    found = [
        (line, row.path)
        for (line, row), file in zip(rows, seen, strict=True)
        if abs(file.norm - NORMALISED) <= NORM_TOLERANCE
    ]
    if not found:
        return []
    line, first = found[0]
    return [
        Problem(path, None, f"{len(found)} of {len(rows)} feature files have rows of norm 1, first "
                f"{first} in line {line}: they seem normalised, but the network needs them as "
                "CLIP gives them, with norms near 10: use others, or extract them again")
    ]  # fmt: skip


def _repeated(rows: list[tuple[int, Row]]):
    """Line and problem of each row whose file an earlier row has."""
    first: dict = {}
    for line, row in rows:
        if row.path in first:
            yield line, f"feature file {row.path} is in line {first[row.path]} already"
        first.setdefault(row.path, line)


def _ground_truth_problem(args, facts: Dataset, rows: list[Row]) -> list[Problem]:
    try:
        read_ground_truth(TruthFiles.of(args), args.test_list, rows, facts)
        return []
    except UserError as error:
        return [Problem(args.test_list, None, str(error))]


def require_sound_data(args, facts: Dataset, train: bool = True) -> None:
    """Print what `find_problems` finds; leave with exit code 1 if there is any problem.

    Raises:
        UserError: several processes would do the same.
    """
    if group.processes() > 1:
        raise UserError("--check-data is for one process: run python -m utils.check_data before")
    problems, warnings, files = find_problems(args, facts, train)
    _print_table(problems)
    if warnings:
        say("warnings:")
        _print_table(warnings)
    counts = [_count(problems, "problem")] + [_count(warnings, "warning")] * bool(warnings)
    say(f"{files} files read, {', '.join(counts)}")
    if problems:
        sys.exit(EXIT_PROBLEMS)


def _print_table(found: list[Problem]) -> None:
    places = [p.file if p.line is None else f"{p.file}, line {p.line}" for p in found]
    width = max(map(len, places), default=0)
    for place, problem in zip(places, found, strict=True):
        say(f"{place:{width}}  {problem.what}")


def _count(found: list[Problem], what: str) -> str:
    return plural(len(found), what) if found else f"no {what}s"


@command
def main(argv=None) -> None:
    args, facts = parse(
        argv, "check_data", "read every file of the lists and report all that is wrong"
    )
    require_sound_data(args, facts)


if __name__ == "__main__":
    main()
