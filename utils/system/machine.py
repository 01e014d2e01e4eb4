"""What a machine can be asked for. No PyTorch here, so that options are read without it."""

import os
from pathlib import Path

# Cores this process may use.
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
LIMIT = Path("/sys/fs/cgroup/memory.max")
PRECISIONS = ("fp32", "tf32", "bf16")  # of matrix products


def memory() -> int | None:
    """Bytes that the processes here can have at most: the machine's or, if it has a limit of its
    own that can be seen, the container's. None where the system does not say."""
    if not hasattr(os, "sysconf"):
        return None
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(whole, int(LIMIT.read_text()))
    except (OSError, ValueError):  # no container, or one without a limit ("max")
        return whole
