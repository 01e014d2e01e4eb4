"""Which of several processes this is. Alone, there is one, and it is the main one.

No PyTorch here: `utils/system/meeting.py` fills in what the processes of a run have agreed on.
"""

import os
import sys
from functools import wraps
from typing import NamedTuple

BEGUN = "begun"  # a key of the launcher's store, see utils/system/meeting.py


class Group(NamedTuple):
    """The processes that have met.

    Attributes:
        rank: of this one; 0 is the main process, the one that prints and writes files.
        count: of all.
        store: of keys and values, which all of them reach (a `torch.distributed.Store`).
        launcher: torchrun's own store, which outlives these processes.
    """

    rank: int = 0
    count: int = 1
    store: object = None
    launcher: object = None


_group = Group()


def set_group(group: Group) -> None:
    global _group
    _group = group


def processes() -> int:
    return _group.count


def rank() -> int:
    """0 is the main process, the one that prints and writes files."""
    return _group.rank


def main_only(function):
    """Decorator: it does nothing in the other processes."""

    @wraps(function)
    def run(*args, **kwargs):
        return None if rank() else function(*args, **kwargs)

    return run


def first_to_say(message: str) -> bool:
    """Whether no process on this machine has said it before."""
    try:
        key = f"{os.environ.get('GROUP_RANK')}: {message}"
        return _group.store is None or _group.store.add(key, 1) == 1
    except RuntimeError:  # it is gone, with the process that kept it
        return True


def leave(code: int = 0) -> None:
    """End this process where it is one of several: the work is done. At once, because Python may
    abort when it takes its objects apart while gloo's threads still run."""
    if processes() > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def mark_begun() -> None:
    """Tell processes that torchrun may start after these that the run has begun."""
    if _group.launcher:
        _group.launcher.set(BEGUN, "")


def had_begun() -> bool:
    """Whether processes before these had begun the run."""
    return _group.launcher is not None and _group.launcher.check([BEGUN])
