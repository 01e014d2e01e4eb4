"""In which order an epoch walks the training videos, and which of them are this process's."""

from itertools import chain, islice

import numpy as np
import torch
from torch.utils.data import BatchSampler, SubsetRandomSampler

from utils.system.console import plural
from utils.system.errors import UserError
from utils.system.group import processes, rank


class Shuffled(BatchSampler):
    """Batches of indices in random order.

    Args:
        indices: of the rows.
        batch_size: rows of a batch.
        generator: draws the order.
        drop_last: leave out an incomplete last batch.

    Attributes:
        batch_size: videos of a kind in a batch, of all processes together.
        smallest: rows of the smallest batch.
        kinds: how many kinds of videos follow one another in a batch.
    """

    kinds = 1

    def __init__(self, indices, batch_size: int, generator: torch.Generator, drop_last=False):
        super().__init__(SubsetRandomSampler(indices, generator), batch_size, drop_last)
        self.smallest = batch_size if drop_last else len(indices) % batch_size or batch_size


class Order:
    """The batches of an epoch: another order in each, the same whenever that epoch is walked again.

    Args:
        batches: a batch sampler that draws from the generator.
        generator: seeded anew for every epoch.
        seed: of the run.
        passes: over the batches that make an epoch.
        most_steps: of the run, whose last epoch is then cut short; None for no end.
    """

    def __init__(
        self,
        batches,
        generator: torch.Generator,
        seed: int,
        passes: int = 1,
        most_steps: int | None = None,
    ):
        self.batches = batches
        self.generator = generator
        self.seed = seed
        self.passes = passes
        self.most_steps = most_steps
        self.begin(0)

    def begin(self, epoch: int, done: int = 0) -> None:
        """Walk epoch 0, 1, … next, without its first `done` steps."""
        self.epoch, self.done = epoch, done

    def __len__(self) -> int:
        """Steps of the epoch, with those that are done."""
        steps = self.passes * len(self.batches)
        if self.most_steps is None:
            return steps
        return min(steps, self.most_steps - self.epoch * steps)

    def __iter__(self):
        seed = np.random.SeedSequence((self.seed, self.epoch)).generate_state(1)[0]
        self.generator.manual_seed(int(seed))
        passes = chain.from_iterable(iter(self.batches) for _ in range(self.passes))
        return islice(passes, self.done, len(self))

    def batch(self, step: int) -> list[int]:
        """The rows of step 1, 2, … of the epoch."""
        self.begin(self.epoch, step - 1)
        return next(iter(self))


class Parts:
    """This process's part of each batch of an order.

    Args:
        order: of the epochs. Every kind of video in its batches is split.

    Raises:
        UserError: a batch cannot be shared.
    """

    def __init__(self, order: Order):
        self.order, self.kinds = order, order.batches.kinds
        batch_size = order.batches.batch_size
        if batch_size % processes():
            raise UserError(
                f"--batch-size {batch_size} cannot be shared evenly by {processes()} "
                "processes: choose a multiple of their number"
            )
        if order.batches.smallest < processes():
            raise UserError(
                f"the last batch of an epoch has {plural(order.batches.smallest, 'video')}, fewer "
                f"than there are processes ({processes()}): choose another --batch-size, or fewer"
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
