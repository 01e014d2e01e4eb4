"""How the processes that torchrun started find each other.

torchrun keeps a store of keys and values for as long as it runs, so also over restarts of the
processes, and on several machines its counts of restarts may differ. So the processes agree on a
name for each meeting, and all that they write later stands under that name:

| key | written by | says |
|---|---|---|
| `hello R` | process R | its token, a new one each time that it is started |
| `welcome T` | process 0 | to the process with token T: the name of the meeting |
| `M R` | process R | that it has come to meeting M |
| `begun` | process 0 | to processes after a restart: the run had begun |
"""

import os
import time
import uuid
from datetime import timedelta

import torch
import torch.distributed as dist

from utils.system.console import be_quiet, note
from utils.system.errors import UserError
from utils.system.group import Group, processes, set_group
from utils.system.parallel import wait_for_all

MEET = timedelta(seconds=30)  # to reach the master; it is tried at two addresses
ANSWER = timedelta(minutes=10)  # to do one's part of a step, an evaluation or a checkpoint
POLL_SECONDS = 0.05


def join_processes() -> None:
    """Join the processes that torchrun started. All but the main one stay silent from then on,
    errors aside. What comes before it, every process says. One that torchrun started alone only
    keeps torchrun's store, which tells whether it was started again.

    Raises:
        UserError: the master, or one of the processes, cannot be reached.
    """
    alone = int(os.environ.get("WORLD_SIZE", 1)) == 1
    if processes() > 1 or (alone and "TORCHELASTIC_RUN_ID" not in os.environ):
        return
    master = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
    try:
        launcher, rank, count = next(dist.rendezvous("env://", timeout=MEET))
        if alone:
            return set_group(Group(launcher=launcher))
        name = knock(launcher, rank) if rank else welcome_all(launcher, count)
        store = dist.PrefixStore(name, launcher)
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=ANSWER)
        set_group(Group(rank, count, store, launcher))
        wait_for_all()
    except (RuntimeError, ValueError) as error:
        if alone:  # it can do without
            return note(
                "torchrun's store cannot be reached: a restart without --resume begins anew"
            )
        raise UserError(
            f"process {os.environ.get('RANK')} cannot reach the others by way of {master}: "
            f"{' '.join(str(error).split())[:200]}; is torchrun up on all machines?"
        ) from None
    if rank:
        be_quiet()


def knock(store: dist.Store, rank: int) -> str:
    """Come to the meeting that the main process holds; its name."""
    token = uuid.uuid4().hex
    store.set(f"hello {rank}", token)
    name = store.get(f"welcome {token}").decode()
    store.set(f"{name} {rank}", "here")
    return name


def welcome_all(store: dist.Store, count: int) -> str:
    """Hold a meeting: welcome whoever says hello until all have come; its name.

    Raises:
        RuntimeError: some have not come in time.
    """
    name = uuid.uuid4().hex
    end = time.monotonic() + MEET.total_seconds()
    absent = set(range(1, count))
    while absent:
        for other in list(absent):
            if store.check([f"{name} {other}"]):
                absent.remove(other)
            elif store.check([f"hello {other}"]):  # perhaps of one that is gone
                store.set(f"welcome {store.get(f'hello {other}').decode()}", name)
        if time.monotonic() > end:
            raise RuntimeError(f"processes {sorted(absent)} have not come")
        time.sleep(POLL_SECONDS)
    return name
