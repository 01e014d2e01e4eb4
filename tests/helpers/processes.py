"""Scripts as processes of their own: alone, by torchrun, or as torchrun starts them."""

import os
import subprocess
import sys
import time
from pathlib import Path

from torch import distributed

from helpers.scripts import options_of
from utils import PROJECT

PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}

# They run a script with a small CLIP, the second one in double precision, too.
SMALL_CLIP, DOUBLE = "tests/helpers/small_clip.py", "tests/helpers/double.py"


def start(name: str, folder: Path, options: dict, **how) -> subprocess.Popen:
    """A training run as a process of its own."""
    return subprocess.Popen(
        [sys.executable, SMALL_CLIP, f"{name}_train.py", *options_of(folder, options)],
        cwd=PROJECT,
        text=True,
        **{"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, **how},
    )


def double(command: list[str], *torchrun_options: str, count: int = 1) -> subprocess.Popen:
    """A script and its arguments, or several with `--` between them, in double precision; alone, or
    by torchrun."""
    if count > 1:
        return torchrun(count, command, *torchrun_options, launcher=DOUBLE)
    return subprocess.Popen(
        [sys.executable, DOUBLE, *command],
        cwd=PROJECT, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, **PIPES,
    )  # fmt: skip


def torchrun(
    count: int, command: list[str], *how: str, launcher: str = SMALL_CLIP, **more
) -> subprocess.Popen:
    """A script and its arguments in so many processes."""
    # As `torchrun` itself, whose folder need not be on the PATH.
    run = [sys.executable, "-m", "torch.distributed.run", f"--nproc_per_node={count}", *how]
    return subprocess.Popen(
        [*run, "--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", launcher, *command],
        cwd=PROJECT, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, **PIPES, **more,
    )  # fmt: skip


def by_hand(script: str, of_each: list[list[str]]) -> list[subprocess.Popen]:
    """As torchrun starts them, but each with arguments of its own, and nobody to end the others."""
    store = distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    port, store = store.port, None
    common = {"WORLD_SIZE": str(len(of_each)), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [
        subprocess.Popen(
            [sys.executable, SMALL_CLIP, script, *arguments], cwd=PROJECT, text=True, **PIPES,
            env={**os.environ, **common, "OMP_NUM_THREADS": "1", "RANK": str(rank)},
        )
        for rank, arguments in enumerate(of_each)
    ]  # fmt: skip


def workers(process: subprocess.Popen) -> list[int]:
    """Processes that torchrun started, in order."""
    found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True)
    return sorted(map(int, found.stdout.split()))


def wait_until(condition, process: subprocess.Popen) -> None:
    while not condition() and process.poll() is None:
        time.sleep(0.001)


def ended(process: subprocess.Popen) -> tuple[int, str, str]:
    """Exit code, what was printed, and errors."""
    out, errors = process.communicate(timeout=200)
    return process.returncode, out, errors


def finish(process: subprocess.Popen) -> None:
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
