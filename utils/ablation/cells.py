"""The training runs of a table: a cell for every row and seed, each in a process and a folder of
its own."""

import fcntl
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from utils.ablation.grid import Grid, Variant
from utils.both_datasets import DATASETS
from utils.labels import dataset_of
from utils.options.parser import as_arguments
from utils.runs.identity import MAY_CHANGE, clip_hash, list_hashes
from utils.system.console import duration, say
from utils.system.errors import UserError
from utils.system.files import previous, write_json
from utils.system.machine import CORES

RETRY_SECONDS = 0.2


class Cell(NamedTuple):
    """One training run.

    Attributes:
        row: of the grid.
        seed: of the run.
        folder: everything of it lies there.
        arguments: of the training script.
        identity: what decides its result: options, and sha256 of lists, texts and CLIP's weights.
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


def make_cells(grid: Grid, out: Path, options: list[str]) -> list[Cell]:
    """A cell for every row and seed, seeds outermost: after a while every row has something.

    Raises:
        UserError: a list is missing.
    """
    of_rows = [identity(row, grid.recipe) for row in grid.rows]
    cells = []
    for seed in grid.seeds:
        for row, of_row in zip(grid.rows, of_rows, strict=True):
            folder = out / row.slug / f"seed{seed}"
            places = {
                "seed": seed,
                "output-dir": folder,
                "model-path": folder / "model.pth",
                "checkpoint-path": folder / "checkpoint.pth",
                "predictions": folder / "predictions.npz",
            }
            arguments = [*options, *as_arguments(row.options), *as_arguments(places)]
            cells.append(Cell(row, seed, folder, arguments, {"seed": seed} | of_row))
    return cells


def identity(row: Variant, recipe: str) -> dict:
    """What decides a row's results, whatever the seed.

    Raises:
        UserError: a list, or a file of CLIP's weights, is missing.
    """
    facts = dataset_of(row.parsed, DATASETS[recipe][1])
    options = {k: v for k, v in vars(row.parsed).items() if k not in {*MAY_CHANGE, "seed"}}
    try:
        files = {**list_hashes(row.parsed, facts, train=True), **clip_hash(row.parsed)}
        return {"dataset": recipe, **options, **files}  # as older folders have it
    except OSError as error:
        raise UserError(
            f"row '{row.name}': {error.filename} cannot be read: {error.strerror}"
        ) from None


def finished(cell: Cell) -> bool:
    """Whether the cell has its result.

    Raises:
        UserError: the folder holds a run of other options, or what it says of itself is damaged.
    """
    note = cell.folder / "cell.json"
    if not note.is_file() or not (cell.best.is_file() or cell.began):
        return False
    try:
        before, now = dict(json.loads(note.read_text(encoding="utf-8"))), cell.identity
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{note} cannot be read ({error}): remove it to train anew") from None
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
    """Begin a cell, or go on with it from its checkpoint.

    Args:
        cell: to train.
        script: that trains.
        threads: of the CPU, for PyTorch.
        lock: of the cell, which the process takes over and signs with its number.
    """
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
    lock.flush()
    return process


def clear(cell: Cell, keep_weights: bool) -> None:
    """Remove what a finished cell needs no more: a checkpoint takes three times the weights."""
    for path in (cell.checkpoint, previous(cell.checkpoint)):
        path.unlink(missing_ok=True)
    if not keep_weights:
        (cell.folder / "model.pth").unlink(missing_ok=True)


class TimeLeft:
    """How long the cells that are missing will take: each as long as those of its row did, or of
    any row as long as there is none.

    Args:
        cells: that are missing.
        jobs: at the same time.
    """

    def __init__(self, cells: list[Cell], jobs: int):
        self.missing = list(cells)
        self.jobs = jobs
        self.taken: dict[str, list[float]] = {}

    def after(self, cell: Cell, seconds: float) -> str:
        """`, about 12 min left`, once this one is finished; nothing after the last."""
        self.missing.remove(cell)
        self.taken.setdefault(cell.row.name, []).append(seconds)
        means = {name: sum(taken) / len(taken) for name, taken in self.taken.items()}
        usual = sum(means.values()) / len(means)
        left = sum(means.get(cell.row.name, usual) for cell in self.missing)
        # What runs beside this one is under way, but no one knows how far.
        return f", about {duration(left / min(self.jobs, len(self.missing)))} left" if left else ""


class Trainer:
    """Trains cells from several threads, so many at a time; all can be stopped at once.

    Args:
        script: that trains.
        jobs: at the same time.
    """

    def __init__(self, script: Path, jobs: int):
        self.script = script
        self.threads = max(1, CORES // jobs)
        self.job = threading.Semaphore(jobs)
        self.running: set[subprocess.Popen] = set()
        self.stopped = threading.Event()
        self.starting = threading.Lock()  # so that none starts while all are stopped

    def train(self, cell: Cell) -> tuple[Cell, int, float]:
        """The cell, its exit code and seconds. What another process trains is waited for without a
        job; and with pauses, since nothing could interrupt a wait for its lock."""
        for attempt in itertools.count():
            with self.job:
                if self.stopped.is_set():
                    return cell, -signal.SIGTERM, 0
                with lock_of(cell) as lock:
                    if lock:
                        begun = time.monotonic()
                        exit_code = 0 if finished(cell) else self._run(cell, lock)
                        return cell, exit_code, time.monotonic() - begun
            if not attempt:
                pid = (cell.folder / ".lock").read_text()
                say(f"{cell.name}: process {pid} is training it, waiting for that")
            self.stopped.wait(RETRY_SECONDS)

    def _run(self, cell: Cell, lock) -> int:
        with self.starting:
            if self.stopped.is_set():
                return -signal.SIGTERM
            process = start(cell, self.script, self.threads, lock)
            self.running.add(process)
        exit_code = process.wait()
        self.running.discard(process)
        return exit_code

    def stop(self) -> bool:
        """Tell what runs to end, and start nothing more; whether anything ran."""
        with self.starting:
            self.stopped.set()
            running = list(self.running)
        for process in running:
            process.terminate()
        return bool(running)


def run_cells(cells: list[Cell], script: Path, jobs: int, keep_weights: bool, tell) -> list[str]:
    """Run cells, `jobs` at a time. When this is stopped, so are they, and save their state.

    Args:
        cells: to run, where they are not finished.
        script: that trains.
        jobs: at the same time.
        keep_weights: or the metrics alone.
        tell: function of a finished cell, the seconds it took, and what to say of the time left.

    Returns:
        what failed and why, in the order of the cells.
    """
    trainer, failures, clock = Trainer(script, jobs), {}, TimeLeft(cells, jobs)
    pool = ThreadPoolExecutor(len(cells) or 1)  # a thread for each, with a job or without
    try:
        for future in as_completed([pool.submit(trainer.train, cell) for cell in cells]):
            cell, exit_code, seconds = future.result()
            if exit_code == 0 and cell.best.is_file():
                clear(cell, keep_weights)
                tell(cell, seconds, clock.after(cell, seconds))
            else:
                clock.missing.remove(cell)
                failures[cell.name] = f"{cell.name}: {reason(cell, exit_code)}"
                say(f"failed: {failures[cell.name]}")
    finally:
        any_stopped = trainer.stop()
        pool.shutdown()
        if any_stopped:
            say("stopped; the same command goes on")
    return [failures[cell.name] for cell in cells if cell.name in failures]


def reason(cell: Cell, exit_code: int) -> str:
    """Why a cell failed: the last line it printed."""
    path = cell.folder / "output.txt"
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "printed nothing")
    return f"{last[:300]} (exit code {exit_code}, all in {path})"
