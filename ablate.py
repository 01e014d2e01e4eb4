"""Run a table of experiments: train every row with every seed, and print mean ± std.

    python ablate.py configs/table5_components.yml --out runs/table5 --feature-root /data/XD

What is finished is kept: the same command goes on where it was stopped or killed, and tries again
what failed. The grid files are described in configs/README.md; options of the training script may
follow and hold for every row that does not name them itself.

<out>/<row>/seed<seed>/   a training run: its weights, best.json, log.jsonl, output.txt …
<out>/table.md, table.csv the table
"""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections import deque
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from utils import PROJECT
from utils.ablation.grid import Grid, Variant, read_grid
from utils.ablation.table import csv_table, markdown_table, result_of, summary
from utils.both_datasets import DATASETS
from utils.checkpoint import previous
from utils.options.kinds import count, positive_int
from utils.options.parser import as_arguments
from utils.runs.training import MAY_CHANGE
from utils.system.console import say
from utils.system.errors import OneLineParser, UserError, command
from utils.system.files import require_writable, whole_file, write_json
from utils.system.machine import CORES
from utils.system.provenance import list_hashes

POLL_SECONDS = 0.2


class Cell(NamedTuple):
    """One training run.

    Attributes:
        row: of the grid.
        seed: of the run.
        folder: everything of it lies there.
        arguments: of the training script.
        identity: what decides its result: options, and sha256 of lists and texts.
    """

    row: Variant
    seed: int
    folder: Path
    arguments: list[str]
    identity: dict

    @property
    def name(self) -> str:
        return f"{self.row.name}, seed {self.seed}"

    @property
    def best(self) -> Path:
        return self.folder / "best.json"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pth"

    @property
    def began(self) -> bool:
        """Whether there is a checkpoint to go on from."""
        return self.checkpoint.is_file() or previous(self.checkpoint).is_file()


def script_of(dataset: str) -> Path:
    return PROJECT / f"{dataset}_train.py"


def make_cells(grid: Grid, out: Path, options: list[str]) -> list[Cell]:
    """A cell for every row and seed, seeds outermost: after a while every row has something.

    Raises:
        UserError: a list is missing.
    """
    of_rows = {row.name: identity(row, grid.dataset) for row in grid.rows}
    cells = []
    for seed in grid.seeds:
        for row in grid.rows:
            folder = out / row.slug / f"seed{seed}"
            places = {
                "seed": seed,
                "output-dir": folder,
                "model-path": folder / "model.pth",
                "checkpoint-path": folder / "checkpoint.pth",
            }
            arguments = [*options, *as_arguments(row.options), *as_arguments(places)]
            cells.append(Cell(row, seed, folder, arguments, {"seed": seed} | of_rows[row.name]))
    return cells


def identity(row: Variant, dataset: str) -> dict:
    """What decides a row's results, whatever the seed.

    Raises:
        UserError: a list is missing.
    """
    options = {k: v for k, v in vars(row.parsed).items() if k not in {*MAY_CHANGE, "seed"}}
    try:
        return {"dataset": dataset, **options, **list_hashes(row.parsed, train=True)}
    except OSError as error:
        raise UserError(
            f"row '{row.name}': {error.filename} cannot be read: {error.strerror}"
        ) from None


def finished(cell: Cell) -> bool:
    """Whether the cell has its result.

    Raises:
        UserError: the folder holds a run of other options.
    """
    note = cell.folder / "cell.json"
    if not note.is_file() or not (cell.best.is_file() or cell.began):
        return False
    before, now = json.loads(note.read_text(encoding="utf-8")), cell.identity
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            raise UserError(
                f"{cell.folder} was run with {name} {before.get(name)}, now it is "
                f"{now.get(name)}: name another --out, or remove the folder"
            )
    return cell.best.is_file()


@contextmanager
def lock_of(cell: Cell):
    """The cell's lock file, held; None where another process holds it: the training itself does as
    long as it runs, even if the process that started it was killed."""
    cell.folder.mkdir(parents=True, exist_ok=True)
    with open(cell.folder / ".lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock = None
        yield lock


def start(cell: Cell, script: Path, threads: int, lock) -> subprocess.Popen:
    """Begin a cell, or go on with it from its checkpoint."""
    resume = ["--resume"] * cell.began
    write_json(cell.folder / "cell.json", cell.identity)
    with open(cell.folder / "output.txt", "a") as output:
        process = subprocess.Popen(
            [sys.executable, script, *cell.arguments, *resume],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"OMP_NUM_THREADS": str(threads), **os.environ},
            pass_fds=[lock.fileno()],
            start_new_session=True,  # so that Ctrl-C comes to it once, from here
        )
    lock.truncate(0)
    lock.write(str(process.pid))
    return process


def clear(cell: Cell, keep_weights: bool) -> None:
    """Remove what a finished cell needs no more: a checkpoint takes three times the weights."""
    for path in (cell.checkpoint, previous(cell.checkpoint)):
        path.unlink(missing_ok=True)
    if not keep_weights:
        (cell.folder / "model.pth").unlink(missing_ok=True)


def run_cells(cells: list[Cell], script: Path, jobs: int, keep_weights: bool, tell) -> list[str]:
    """Run cells, `jobs` at a time. When this is stopped, so are they, and save their state.

    Args:
        cells: to run, where they are not finished.
        script: that trains.
        jobs: at the same time.
        keep_weights: or the metrics alone.
        tell: function of a finished cell and the seconds it took.

    Returns:
        what failed and why.
    """
    waiting, running, busy, failures = deque(cells), {}, set(), []
    threads = max(1, CORES // jobs)
    try:
        while waiting or running:
            for _ in range(len(waiting) if len(running) < jobs else 0):
                cell = waiting.popleft()
                with lock_of(cell) as lock:
                    if lock is None:
                        waiting.append(cell)
                        if cell.folder not in busy:
                            busy.add(cell.folder)
                            pid = (cell.folder / ".lock").read_text()
                            say(f"{cell.name}: process {pid} is training it, waiting for that")
                    elif finished(cell):  # by that other process
                        tell(cell, 0)
                    else:
                        process = start(cell, script, threads, lock)
                        running[process] = cell, time.monotonic()
                if len(running) == jobs:
                    break
            time.sleep(POLL_SECONDS)
            for process in [p for p in running if p.poll() is not None]:
                cell, begun = running.pop(process)
                if process.returncode == 0 and cell.best.is_file():
                    clear(cell, keep_weights)
                    tell(cell, time.monotonic() - begun)
                else:
                    failures.append(f"{cell.name}: {reason(cell, process.returncode)}")
                    say(f"failed: {failures[-1]}")
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()
        if running:
            say("stopped; the same command goes on")
    return failures


def reason(cell: Cell, exit_code: int) -> str:
    """Why a cell failed: the last line it printed."""
    path = cell.folder / "output.txt"
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "printed nothing")
    return f"{last[:300]} (exit code {exit_code}, all in {path})"


@command
def main(argv=None):
    parser = OneLineParser(
        description=__doc__.splitlines()[0],
        epilog="Any option of the training script may follow.",
        allow_abbrev=False,  # --seed is not --seeds
    )
    parser.add_argument("grid", help="YAML file, see configs/README.md")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs and the table")
    parser.add_argument("--jobs", type=positive_int, default=1, help="runs at the same time")
    parser.add_argument("--seeds", type=count, nargs="+", help="instead of the file's")
    parser.add_argument("--dataset", choices=DATASETS, help="instead of the file's")
    parser.add_argument(
        "--drop-weights", action="store_true", help="keep the metrics of a finished run alone"
    )
    args, options = parser.parse_known_args(argv)

    grid = read_grid(args.grid, args.dataset, args.seeds, options)
    require_writable(args.out / "table.md")
    cells = make_cells(grid, args.out, options)
    done = [cell for cell in cells if finished(cell)]
    for cell in done:
        clear(cell, not args.drop_weights)
    missing = [cell for cell in cells if cell not in done]
    say(f"{len(cells)} runs, {len(done)} of them finished before")
    results = {(cell.row.name, cell.seed): result_of(cell.best) for cell in done}

    def tell(cell: Cell, seconds: float) -> None:
        results[cell.row.name, cell.seed] = result_of(cell.best)
        figures = summary(grid, results[cell.row.name, cell.seed])
        say(f"[{len(results)}/{len(cells)}] {cell.name}: {figures} ({seconds:.0f} s)")

    script = script_of(grid.dataset)
    failures = run_cells(missing, script, args.jobs, not args.drop_weights, tell)
    table = markdown_table(grid, results, failures)
    for name, text in (("table.md", table), ("table.csv", csv_table(grid, results))):
        with whole_file(args.out / name) as partial:
            partial.write_text(text, encoding="utf-8")
    say("", table, f"also in {args.out / 'table.md'} and table.csv")
    if failures:
        sys.exit(1)


if __name__ == "__main__":
    main()
