"""In which order an epoch walks the training videos, and every random state of a run."""

import random
from itertools import islice

import numpy as np
import torch
from torch.utils.data import BatchSampler, SubsetRandomSampler


def set_seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def random_states() -> dict:
    """The global random states, as plain values and tensors."""
    name, keys, *rest = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": (name, keys.tolist(), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_random_states(states: dict) -> None:
    """Put back what `random_states` gave; a machine with other GPUs keeps theirs."""
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    torch.set_rng_state(states["torch"])
    if len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])


class Shuffled(BatchSampler):
    """Batches of indices in random order.

    Args:
        indices: of the rows.
        batch_size: rows of a batch.
        generator: draws the order.
        drop_last: leave out an incomplete last batch.

    Attributes:
        smallest: rows of the smallest batch.
    """

    def __init__(self, indices, batch_size: int, generator: torch.Generator, drop_last=False):
        super().__init__(SubsetRandomSampler(indices, generator), batch_size, drop_last)
        self.smallest = batch_size if drop_last else len(indices) % batch_size or batch_size


class Order:
    """The batches of an epoch: another order in each, the same whenever that epoch is walked again.

    Args:
        batches: a batch sampler that draws from the generator.
        generator: seeded anew for every epoch.
        seed: of the run.
    """

    def __init__(self, batches, generator: torch.Generator, seed: int):
        self.batches = batches
        self.generator = generator
        self.seed = seed
        self.begin(0)

    def begin(self, epoch: int, done: int = 0) -> None:
        """Walk epoch 0, 1, … next, without its first `done` steps."""
        self.epoch, self.done = epoch, done

    def __len__(self) -> int:
        """Steps of a whole epoch."""
        return len(self.batches)

    def __iter__(self):
        seed = np.random.SeedSequence((self.seed, self.epoch)).generate_state(1)[0]
        self.generator.manual_seed(int(seed))
        return islice(self.batches, self.done, None)

    def batch(self, step: int) -> list[int]:
        """The rows of step 1, 2, … of the epoch."""
        self.begin(self.epoch, step - 1)
        return next(iter(self))
