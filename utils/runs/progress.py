"""What a training run says on its way: where it runs, how far it is, its losses, and which weights
are the best so far."""

from tqdm import tqdm

import losses
import mil
import rtfm
from utils.datasets.lists import Row
from utils.evaluation.report import official_lines
from utils.labels import Dataset
from utils.metric_names import METRICS
from utils.options.methods import METHODS
from utils.plan import Plan
from utils.system.console import plural
from utils.system.device import where

TERMS = {  # of the loss, by method
    "dsanet": losses.LOSSES,
    "vadclip": losses.LOSSES,
    "mil": mil.LOSSES,
    "rtfm": rtfm.LOSSES,
    "clip-tsa": rtfm.LOSSES,
}
SETS = {"test": "test set", "validation": "validation videos"}


class RunProgress:
    """One bar for the whole run, where stderr is a terminal, and lines beside it.

    Args:
        args: options.
        facts: of the data set.
        rows: of the training list.
        plan: of the run.
        steps_of_epoch: of a whole one.
    """

    def __init__(self, args, facts: Dataset, rows: list[Row], plan: Plan, steps_of_epoch: int):
        self.args = args
        self.facts = facts
        self.rows = rows
        self.plan = plan
        self.steps_of_epoch = steps_of_epoch
        self.bar: tqdm | None = None

    def begin(self, device, done: int) -> list[str]:
        """Draw the bar, of which so many steps are done; what to say."""
        steps = self.plan.epochs * self.steps_of_epoch
        if self.plan.most_steps:
            steps = min(steps, self.plan.most_steps)
        self.bar = tqdm(
            desc="training", unit="step", total=steps, initial=min(done, steps), leave=False,
            disable=None, smoothing=0,  # so that the time left counts on evaluations, too
        )  # fmt: skip
        videos = len({row.video for row in self.rows})
        in_rows = f" in {len(self.rows):,} rows" if len(self.rows) > videos else ""
        return [
            f"{METHODS[self.args.method].title} on {self.facts.title}: {videos:,} training videos"
            f"{in_rows}, {plural(self.plan.epochs, 'epoch')} of {self.steps_of_epoch:,} steps, "
            f"{steps:,} steps in all",
            f"computing {where(device, self.args.precision)}",
        ]

    def step(self) -> None:
        if self.bar:  # the other processes of a run have none
            self.bar.update()

    def end(self) -> None:
        if self.bar:
            self.bar.close()

    def evaluated(self, place: str, metrics: dict, best: dict | None) -> list[str]:
        """What to say of an evaluation.

        Args:
            place: epoch and step of it, see `place_of`.
            metrics: found.
            best: those of the best weights so far; None where the last are kept.
        """
        lines = [f"{place} | {SETS[self.args.select_on]}:", *official_lines(metrics)]
        if best:
            metric = METRICS[self.args.select_by]
            value = best[self.args.select_by]
            shown = f"{value:.4f}" if metric.fraction else f"{value:.2f}"
            of = place_of(best["epoch"], best["step"])
            lines.append(f"best {metric.title} so far: {shown} | {'now' if of == place else of}")
        return lines


def place_of(epoch: int, step: int) -> str:
    """Epoch 1, 2, … and its step 1, 2, …, as every line begins."""
    return f"epoch: {epoch} | step: {step}"


def loss_line(place: str, means: dict[str, float], rates: dict[str, float]) -> str:
    """Losses since the last such line, their total first, and the learning rates of its step."""
    losses = {"total": means["total"], **means}
    shown = [f"{name}: {value:.4f}" for name, value in losses.items()]
    return " | ".join([place, *shown, *(f"{name}: {rate:.3e}" for name, rate in rates.items())])
