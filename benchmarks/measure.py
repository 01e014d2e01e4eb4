"""Time, floating-point operations, memory and operators of a piece of code."""

import resource
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from utils.system.device import set_precision
from utils.system.errors import UserError

KILLED = "a process that measures was killed: is there too little memory? (--only names sections)"


class Result(NamedTuple):
    """One row of the table."""

    name: str
    plain: float | None  # seconds, or what `unit` says; None where there is none
    ours: float
    unit: str = "s"
    gflop: float | None = None  # of ours
    peak: float | None = None  # GFLOP/s of matrix products, measured beside it


def seconds(run, device: torch.device) -> float:
    wait(device)
    start = time.perf_counter()
    run()
    wait(device)
    return time.perf_counter() - start


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class OwnProcess:
    """A function that is made and called in a process of its own, where PyTorch and the C library
    stand as they come.

    Args:
        make: gives the function; it and the arguments must be picklable.
        device: on which the function computes.
    """

    def __init__(self, make, *args, device: torch.device):
        context = torch.multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        threads = torch.get_num_threads()
        self.process = context.Process(
            target=_serve, args=(other, threads, device, make, *args), daemon=True
        )
        self.process.start()
        other.close()

    def __call__(self):
        try:
            self.pipe.send(True)
            self.pipe.recv()
        except (EOFError, ConnectionError):
            raise _ended(self.process) from None

    def close(self):
        self.pipe.send(False)
        self.process.join()


def _serve(pipe, threads, device, make, *args):
    torch.set_num_threads(threads)
    run = make(*args)
    while pipe.recv():
        run()
        wait(device)
        pipe.send(None)


def best_times(runs: dict, device: torch.device, repeats: int) -> dict[str, float]:
    """Shortest time of each function. They take turns, so that a busy neighbour hits all alike;
    the first turn warms up and does not count."""
    times = {name: [] for name in runs}
    for turn in range(repeats + 1):
        for name, run in runs.items():
            taken = seconds(run, device)
            if turn:
                times[name].append(taken)
    return {name: min(values) for name, values in times.items()}


def matrix_peak(device: torch.device, precision: str) -> float:
    """GFLOP/s of this machine's matrix products, the faster of the network's shape and a square."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    set_precision(precision)
    rates = []
    for m, k, n in ((4096, 512, 2048), (2048, 2048, 2048)):
        a = torch.randn(m, k, device=device, dtype=dtype)
        b = torch.randn(k, n, device=device, dtype=dtype)
        best = best_times({"product": lambda a=a, b=b: a @ b}, device, repeats=8)["product"]
        rates.append(2 * m * k * n / best / 1e9)
    return max(rates)


def gflop(run) -> float:
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() / 1e9


def kept_for_backward(forward, weights: Iterable[torch.Tensor]) -> float:
    """GB of the tensors that a forward pass keeps for its backward pass, without the weights, which
    are there in any case."""
    kept, there = {}, {weight.untyped_storage().data_ptr() for weight in weights}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in there:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = forward()  # alive until the end, so that no address is used twice
    del outputs
    return sum(kept.values()) / 1e9


def peak_memory(device: torch.device) -> float:
    """GB that the process, or the GPU, has held at most."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    if peak := memory_of_process("self", "VmHWM"):  # what follows would count its parent, too
        return peak
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def memory_of_process(process: int | str, field: str) -> float:
    """GB that Linux says of a process: `VmHWM`, the most it held, or `RssAnon`, what it holds
    beside mapped files. 0 once it has ended, and on other systems."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(x.split()[1]) * 1024 / 1e9 for x in lines if x.startswith(field)), 0.0)


def printed_by(command: list[str], **how) -> str:
    """What a command prints, in a process of its own.

    Raises:
        UserError: it failed.
    """
    done = subprocess.run(command, capture_output=True, text=True, **how)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        killed = done.returncode < 0 or not lines
        raise UserError(KILLED if killed else lines[-1].removeprefix("error: "))
    return done.stdout


def grown_memory(make, *args) -> float:
    """GB that a process of its own holds at most while it calls a function, beyond what it held
    before; see `OwnProcess`."""
    context = torch.multiprocessing.get_context("spawn")
    pipe, other = context.Pipe()
    process = context.Process(target=_grow, args=(other, make, *args), daemon=True)
    process.start()
    other.close()
    try:
        return pipe.recv()
    except EOFError:
        raise _ended(process) from None
    finally:
        process.join()


def _ended(process) -> UserError:
    """Why a process ended before its time."""
    process.join()
    killed = process.exitcode < 0
    return UserError(KILLED if killed else "a process that measures failed: its error is above")


def _grow(pipe, make, *args):
    run, before = make(*args), peak_memory(torch.device("cpu"))
    run()
    pipe.send(peak_memory(torch.device("cpu")) - before)


class Operators(TorchDispatchMode):
    """Counts operators that compute something, each a kernel launch or more on a GPU, and those
    that would make the host wait for it: reading a value, or a shape that depends on values.

    A copy to the host (`cpu`, `tolist`) leaves no trace on the CPU and is not seen.
    """

    WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "equal", "bincount")
    FREE = ("empty", "detach", "new_empty", "alias", "lift_fresh")

    def __init__(self):
        super().__init__()
        self.launches = self.waits = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name.startswith(self.WAITING) or _by_mask(name, args):
            self.waits += 1
        elif not func.is_view and not name.startswith(self.FREE):
            self.launches += 1
        return func(*args, **(kwargs or {}))


def _by_mask(name: str, args) -> bool:
    """Whether an indexing operator has a mask for an index, or repeats by values."""
    if name.startswith("repeat_interleave"):
        return True
    indices = args[1] if name.startswith("index") and len(args) > 1 else ()
    return isinstance(indices, (list, tuple)) and any(
        isinstance(i, torch.Tensor) and i.dtype == torch.bool for i in indices
    )
