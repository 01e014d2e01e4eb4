"""How long a training run is. Small data sets get what the published ones have by themselves:
batches that can be filled, epochs of some steps, a warm-up that is a small part of the run."""

import math
from typing import NamedTuple

from utils.optim import WARMUP_STEPS
from utils.options.methods import METHODS
from utils.system.console import note, plural
from utils.system.errors import UserError
from utils.system.group import processes

MIN_EPOCH_STEPS = 10  # of a method that goes back to the best weights at the end of every epoch
MIN_EPOCH_STEPS_CHECKPOINT_ONLY = 100  # of one that only saves a checkpoint there
WARMUP_SHARE = 0.1  # of the run, at most


class Plan(NamedTuple):
    """How long a run is, fitted to the size of the training set.

    Attributes:
        passes: over the videos that make an epoch.
        epochs: of the run.
        sgnm_steps: that the schedule of SG-NM is planned for.
        warmup: steps of these.
        most_steps: optimizer steps of the run; None for all of its epochs.
    """

    passes: int
    epochs: int
    sgnm_steps: int
    warmup: int
    most_steps: int | None

    @classmethod
    def of(cls, args, steps: int, sgnm_steps: int) -> "Plan":
        """Prints a note for everything it adapts to a small training set.

        Args:
            args: options.
            steps: optimizer steps of a pass.
            sgnm_steps: of a pass, as the schedule of SG-NM counts them.
        """
        epochs, most, warmup = args.max_epoch, args.max_steps, WARMUP_STEPS
        adapts = args.adapt
        fewest = (
            MIN_EPOCH_STEPS if METHODS[args.method].goes_back else MIN_EPOCH_STEPS_CHECKPOINT_ONLY
        )
        passes = math.ceil(fewest / steps) if adapts else 1
        if passes > 1:
            note(
                f"a pass over the training list is {plural(steps, 'step')}: an epoch makes "
                f"{passes} passes before weights are evaluated"
            )
        if most:
            needed = math.ceil(most / (steps * passes))
            bound = "max_epoch" in args.given
            if bound and epochs < needed and "max_steps" not in args.given:
                ended = epochs * steps * passes
                note(f"--max-epoch {epochs} ends the run after {ended} of {most} steps")
            epochs = min(needed, epochs) if bound else needed
        planned = epochs * passes * sgnm_steps
        if most:
            planned = min(planned, math.ceil(most * sgnm_steps / steps))
        if adapts and planned * WARMUP_SHARE < warmup and args.method == "dsanet":
            warmup = math.ceil(planned * WARMUP_SHARE)
            note(f"the run is short: SG-NM warms up over its first {plural(warmup, 'step')}")
        return cls(passes, epochs, planned, warmup, most)


def batch_size_for(args, fewest: int, what: str) -> int:
    """`--batch-size`, or less where there is not as much to fill a batch with.

    Args:
        fewest: how much there is.
        what: it is, for what is said.

    Raises:
        UserError: there is none for every process.
    """
    if fewest >= args.batch_size:
        return args.batch_size
    size = fewest // processes() * processes()
    if not size:
        raise UserError(
            f"{args.train_list} has {fewest} {what} for {processes()} processes: no step "
            "could be trained"
        )
    note(f"{args.train_list} has {fewest} {what}: --batch-size is {size} instead of "
         f"{args.batch_size}")  # fmt: skip
    return size
