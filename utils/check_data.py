"""Read every file of the lists before a long run, and report all that is wrong in one table.

    python -m utils.check_data ucf --feature-root /data/UCFClipFeatures

Takes the options of the training script. Exit code 0 if all is well, 1 if anything is not, 2 if a
list or an option cannot be read. `--check-data` does the same at the start of a run.
"""

import sys
from typing import NamedTuple

import numpy as np
from tqdm.contrib.concurrent import thread_map

from utils.both_datasets import parse
from utils.datasets.features import read_features
from utils.datasets.ground_truth import TruthFiles, read_ground_truth
from utils.datasets.lists import Row, list_rows
from utils.labels import Dataset
from utils.system import group
from utils.system.command import command
from utils.system.errors import UserError

EXIT_PROBLEMS = 1


class Problem(NamedTuple):
    """Something wrong, and where."""

    file: str
    line: int | None
    what: str


def find_problems(args, facts: Dataset, train: bool = True) -> tuple[list[Problem], int]:
    """What is wrong with the lists of a run and the files they name, and how many files were read.

    Args:
        args: options, of which the lists, the feature folder and the number of workers count.
        facts: of the data set.
        train: with the training list.

    Raises:
        UserError: a list cannot be read at all.
    """
    problems, files = [], 0
    videos: dict[str, dict[str, int]] = {}  # by list, line of each video
    paths = [args.train_list, args.test_list] if train else [args.test_list]
    for path in paths:
        rows = list(list_rows(path, facts, args.feature_root))
        problems += [Problem(path, n, str(row)) for n, row in rows if isinstance(row, UserError)]
        usable = [(n, row) for n, row in rows if isinstance(row, Row)]
        problems += [Problem(path, *found) for found in _repeated(usable)]
        found = thread_map(
            _feature_problem, [row for _, row in usable], max_workers=max(1, args.num_workers),
            desc=f"reading {path}", unit="file", leave=False, disable=None,
        )  # fmt: skip
        problems += [
            Problem(path, n, what) for (n, _), what in zip(usable, found, strict=True) if what
        ]
        files += len(usable)
        videos[path] = {row.video: n for n, row in usable}
        if path == args.test_list and len(usable) == len(rows) and not any(found):
            problems += _ground_truth_problem(args, facts, [row for _, row in usable])
    if train:
        problems += [
            Problem(args.test_list, n, f"video {video} is also in {args.train_list}, line "
                    f"{videos[args.train_list][video]}: results would be of training data")
            for video, n in videos[args.test_list].items()
            if video in videos[args.train_list]
        ]  # fmt: skip
    return sorted(problems, key=lambda p: (paths.index(p.file), p.line or 0)), files


def _feature_problem(row: Row) -> str | None:
    try:
        features = read_features(row.path)
    except UserError as error:
        return str(error)
    empty = np.flatnonzero(~features.any(axis=1))
    if len(empty):
        return (
            f"feature file {row.path} has {len(empty)} of {len(features)} rows of zeros, first row "
            f"{empty[0]}: extract it again"
        )
    return None


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
    """Print the table of `find_problems`; leave with exit code 1 if it has any row.

    Raises:
        UserError: several processes would do the same.
    """
    if group.processes() > 1:
        raise UserError("--check-data is for one process: run python -m utils.check_data before")
    problems, files = find_problems(args, facts, train)
    places = [p.file if p.line is None else f"{p.file}, line {p.line}" for p in problems]
    width = max(map(len, places), default=0)
    for place, problem in zip(places, problems, strict=True):
        print(f"{place:{width}}  {problem.what}")
    print(f"{files} files read, {len(problems) or 'no'} problem{'s' * (len(problems) != 1)}")
    if problems:
        sys.exit(EXIT_PROBLEMS)


@command
def main(argv=None) -> None:
    args, facts = parse(argv, "read every file of the lists and report all that is wrong")
    require_sound_data(args, facts)


if __name__ == "__main__":
    main()
