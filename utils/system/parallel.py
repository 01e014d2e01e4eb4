"""Several processes that train as one, as torchrun starts them. Alone, all of this does nothing.

Every step is that of a single process: its batch is split evenly, each loss is weighted by this
process's share of what it is a mean over, and DistributedDataParallel averages the gradients. All
else that the processes tell each other (how many snippets each has, the scores of test videos,
whether one was asked to stop) goes over gloo, on the CPU, so that nothing waits for a GPU.
"""

import os
import sys
import time
import uuid
from datetime import timedelta
from functools import wraps
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from utils.datasets.order import Order
from utils.system.console import be_quiet
from utils.system.errors import UserError

MEET = timedelta(seconds=30)  # to reach the master; it is tried at two addresses
ANSWER = timedelta(minutes=10)  # to do one's part of a step, an evaluation or a checkpoint
BEGUN = "begun"

torchruns: dist.Store | None = None  # it lives as long as torchrun does
store: dist.Store | None = None  # that of the processes that have met


def start() -> None:
    """Join the processes that torchrun started. All but the first one stay silent, errors aside.
    What comes before it, every process says.

    Raises:
        UserError: the master, or one of the processes, cannot be reached.
    """
    global store, torchruns
    if int(os.environ.get("WORLD_SIZE", 1)) == 1 or dist.is_initialized():
        return
    master = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
    try:
        torchruns, rank, count = next(dist.rendezvous("env://", timeout=MEET))
        # What processes that are gone wrote there must not be taken for what these write.
        store = dist.PrefixStore(_round(torchruns, rank, count), torchruns)
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=ANSWER)
        wait_for_all()
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"process {os.environ.get('RANK')} cannot reach the others by way of {master}: "
            f"{' '.join(str(error).split())[:200]}; is torchrun up on all machines?"
        ) from None
    if rank:
        be_quiet()


def _round(store: dist.Store, rank: int, count: int) -> str:
    """A name that just these processes agree on. (On several machines torchrun's own count of
    restarts may differ.) The first process welcomes whoever says hello until all have come."""
    me = uuid.uuid4().hex
    if rank:
        store.set(f"hello {rank}", me)
        round_name = store.get(f"welcome {me}").decode()
        store.set(f"{round_name} {rank}", "here")
        return round_name
    end = time.monotonic() + MEET.total_seconds()
    absent = set(range(1, count))
    while absent:
        for other in list(absent):
            if store.check([f"{me} {other}"]):
                absent.remove(other)
            elif store.check([f"hello {other}"]):  # perhaps of one that is gone
                store.set(f"welcome {store.get(f'hello {other}').decode()}", me)
        if time.monotonic() > end:
            raise RuntimeError(f"processes {sorted(absent)} have not come")
        time.sleep(0.05)
    return me


def mark_begun() -> None:
    """Tell processes that torchrun may start after these that the run has begun."""
    if torchruns:
        torchruns.set(BEGUN, "")


def had_begun() -> bool:
    """Whether processes before these had begun the run."""
    return torchruns is not None and torchruns.check([BEGUN])


def processes() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """0 is the main process, the one that prints and writes files."""
    return dist.get_rank() if dist.is_initialized() else 0


def main_only(function):
    """Decorator: it does nothing in the other processes."""

    @wraps(function)
    def run(*args, **kwargs):
        return None if rank() else function(*args, **kwargs)

    return run


def first_to_say(message: str) -> bool:
    """Whether no process on this machine has said it before."""
    try:
        return store is None or store.add(f"{os.environ.get('GROUP_RANK')}: {message}", 1) == 1
    except RuntimeError:  # it is gone, with the process that kept it
        return True


def leave(code: int = 0) -> None:
    """End this process where it is one of several: the work is done. At once, because Python may
    abort when it takes its objects apart while gloo's threads still run."""
    if processes() > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def wait_for_all() -> None:
    total([0.0])


def patient_group() -> dist.ProcessGroup | None:
    """All processes, who wait for each other as long as it takes."""
    if processes() == 1:
        return None
    return dist.new_group(backend="gloo", timeout=timedelta(days=365))


def total(values: list[float], group: dist.ProcessGroup | None = None) -> list[float]:
    """Sums over all processes."""
    if processes() == 1:
        return values
    summed = torch.tensor(values, dtype=torch.float64)
    dist.all_reduce(summed, group=group)
    return summed.tolist()


def mean(values: torch.Tensor) -> torch.Tensor:
    """Means over all processes, of a tensor on the CPU."""
    if processes() > 1:
        dist.all_reduce(values)
        values /= processes()
    return values


def largest(value: int) -> int:
    """The largest of all processes'."""
    if processes() == 1:
        return value
    most = torch.tensor(value)
    dist.all_reduce(most, dist.ReduceOp.MAX)
    return int(most)


def part_of(items: list) -> list:
    """Every n-th, for this process."""
    return items[rank() :: processes()]


def gather(parts: list[list[torch.Tensor]]) -> list[list[torch.Tensor]]:
    """What all processes made of their `part_of` a list, in the order of that list, on the CPU."""
    if processes() == 1:
        return parts
    own = [[tensor.cpu() for tensor in part] for part in parts]
    of_all: list = [None] * processes()
    dist.all_gather_object(of_all, own)
    count = sum(map(len, of_all))
    return [of_all[i % processes()][i // processes()] for i in range(count)]


def from_main(make):
    """What `make` gives in the main process, or its error, in every process."""
    if processes() == 1:
        return make()
    box: list = [None, UserError("the main process failed")]
    try:
        if not rank():
            box = [make(), None]
    except UserError as error:
        box = [None, error]
    finally:
        dist.broadcast_object_list(box)  # in any case, so that nobody waits in vain
    value, error = box
    if error:
        raise error
    return value


def require_same(facts: dict) -> None:
    """See that all processes were started alike.

    Raises:
        UserError: one was not.
    """
    for name, value in from_main(lambda: facts).items():
        if facts.get(name) != value:
            raise UserError(
                f"process {rank()} was started with {name} {facts.get(name)}, process 0 with "
                f"{value}: start all of them with the same options and lists"
            )


def wrap(model: nn.Module) -> nn.Module:
    """The model whose backward pass averages the gradients over all processes."""
    if processes() == 1:
        return model
    device = next(model.parameters()).device
    torch._dynamo.config.optimize_ddp = False  # it cannot cut graphs of varying sizes
    return DistributedDataParallel(
        model,
        device_ids=[device] if device.type == "cuda" else None,
        forward_sync_buffers=False,  # they are constants
        static_graph=True,  # what a switch turns off gets no gradient, in any step
    )


class Parts:
    """This process's part of each batch of an order.

    Args:
        order: of the epochs.
        args: options, of which the batch size counts.
        kinds: of videos that follow one another in a batch, each of which is split.

    Raises:
        UserError: a batch cannot be shared.
    """

    def __init__(self, order: Order, args, kinds: int = 1):
        self.order = order
        self.kinds = kinds
        if args.method == "mil" and processes() > 1:
            raise UserError(
                "--method mil trains in one process: it ranks all pairs of a batch, and is small"
            )
        if args.batch_size % processes():
            raise UserError(
                f"--batch-size {args.batch_size} cannot be shared evenly by {processes()} "
                "processes: choose a multiple of their number"
            )
        if order.batches.smallest < processes():
            raise UserError(
                f"the last batch of an epoch has {order.batches.smallest} videos, fewer than "
                f"there are processes ({processes()}): choose another --batch-size, or fewer"
            )

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self):
        for batch in self.order:
            size = len(batch) // self.kinds
            videos = []
            for first in range(0, len(batch), size):
                start, end = (size * i // processes() for i in (rank(), rank() + 1))
                videos += batch[first + start : first + end]
            yield videos


class Share(NamedTuple):
    """How much weighs this process's mean, over each kind of thing, in the mean over all: its
    number of these, times the processes, over that of all."""

    videos: float
    snippets: float
    normal: float  # snippets that SG-NM takes for normal


def share_of(own: list[int]) -> Share:
    """From this process's numbers of them."""
    return Share(*(processes() * a / b for a, b in zip(own, total(own), strict=True)))
