"""The processes that read features."""

import torch
from torch.utils.data import DataLoader, Dataset

from utils.system.handles import require_handles
from utils.system.signals import step_aside


def reader(dataset: Dataset, workers: int, **how) -> DataLoader:
    """A DataLoader whose processes leave the run's random state and its signals alone.

    Args:
        dataset: that is read.
        workers: processes; 0 for this one.
        how: further arguments of a DataLoader.

    Raises:
        UserError: there are too few file handles for so many processes.
    """
    require_handles(workers)
    return DataLoader(
        dataset,
        num_workers=workers,
        generator=torch.Generator(),  # of its own, so that the global one, and the weights, stay
        worker_init_fn=step_aside,
        **how,
    )
