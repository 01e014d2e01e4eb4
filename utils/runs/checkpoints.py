"""What a training run needs to go on where it stopped, and the file that keeps it.

CLIP's frozen text side is left out of it: a run is resumed where CLIP is at hand, and the hash of
its weights stands among the options that must be the same.
"""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from utils import checkpoint
from utils.optim import Optimization
from utils.runs.checkpoint_form import require_sound
from utils.system import group, parallel
from utils.system.console import plural, say
from utils.system.errors import UserError
from utils.system.files import previous, remove_left_behind, set_aside
from utils.system.seeds import random_states, set_random_states

FROM_DAMAGED_FILES = (
    ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError,
)  # fmt: skip


@dataclass
class RunState:
    """How far a run has come.

    Attributes:
        epoch: finished epochs.
        step: finished optimizer steps of the epoch under way.
        best_metrics: of the weights that are kept so far, with the epoch and step they are of.
        best_weights: these weights, and what else training changes.
        evaluated_this_epoch: whether there was an evaluation since the epoch began.
        pending: losses (terms,) of the steps since the last log line.
        log_lines: that the log has.
    """

    epoch: int = 0
    step: int = 0
    best_metrics: dict | None = None
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)
    evaluated_this_epoch: bool = False
    pending: list[torch.Tensor] = field(default_factory=list)
    log_lines: int = 0

    @property
    def place(self) -> str:
        return f"{plural(self.epoch, 'epoch')} and {plural(self.step, 'step')}"

    @classmethod
    def load(cls, kept: dict, device: torch.device) -> "RunState":
        """From what `vars` of one gave, which may lie on another device."""
        state = cls(**{name: kept[name] for name in cls.__dataclass_fields__})
        state.best_weights = {k: v.to(device) for k, v in state.best_weights.items()}
        state.pending = [losses.to(device) for losses in state.pending]
        return state


class Checkpoints:
    """The checkpoint of a run, and the one before it, `<name>.previous.pth`.

    Args:
        path: of the checkpoint.
        model, optimization: in training.
        fixed: options and hashes of files that a resumed run must have alike.
        made_with: what weights carry, see `utils/runs/made_with.py`.
        terms: losses of a step, and their total.

    Attributes:
        saved: the place of the last one in this run; None before the first.
    """

    def __init__(
        self, path: str, model: nn.Module, optimization: Optimization, fixed: dict,
        made_with: dict, terms: int,
    ):  # fmt: skip
        self.path = Path(path)
        self.model = model
        self.optimization = optimization
        self.fixed = fixed
        self.made_with = made_with
        self.terms = terms
        self.saved: str | None = None

    def save(self, state: RunState) -> None:
        """Write it in the main process; the others wait, because who ends first ends all."""
        best = state.best_metrics  # `ap` is the official name of what selects
        kept = {
            **vars(state),
            "model_state_dict": checkpoint.without_text(checkpoint.cpu_state(self.model)),
            "optimizer_state_dict": self.optimization.state_dict(),
            "random_states": random_states(),
            "ap": best and best.get(self.fixed["select_by"]),
            "options": self.fixed,
            "made_with": self.made_with,
        }
        group.main_only(checkpoint.save)(kept, self.path, keep=previous(self.path))
        parallel.wait_for_all()
        self.saved = state.place

    def resume(self) -> RunState:
        """Put model, optimization and random states back to where the run stopped.

        Returns:
            how far it had come.

        Raises:
            UserError: there is no checkpoint, or it is damaged or another run's.
        """
        path, kept = parallel.from_main(lambda: checkpoint.load_last(self.path))
        try:
            self._require_same_options(kept["options"], path)
            require_sound(kept, self.model, self.optimization, self.fixed, self.terms)
            checkpoint.fit(self.model, checkpoint.weights_of(kept, path), path)
            self.optimization.load_state_dict(kept["optimizer_state_dict"])
            state = RunState.load(kept, next(self.model.parameters()).device)
            set_random_states(kept["random_states"])
        except UserError:
            raise
        except FROM_DAMAGED_FILES as error:
            raise UserError(
                f"{path} is not a training checkpoint of this version (at {error}): leave out "
                "--resume to start anew"
            ) from None
        self.saved = state.place
        say(f"resuming {path}, after {state.place}")
        return state

    def _require_same_options(self, before: dict, path: Path) -> None:
        for name in {**before, **self.fixed}:  # either may know of one that the other does not
            then, now = before.get(name), self.fixed.get(name)
            if then != now:
                raise UserError(
                    f"{path} was written with {name} {then}, now it is {now}: a run is resumed "
                    "with the options, lists and features it began with"
                )

    def was_restarted(self) -> bool:
        """Whether torchrun starts this run again, and there is something to go on from."""
        kept = self.path.is_file() or previous(self.path).is_file()
        return kept and group.had_begun()

    def begin_anew(self) -> None:
        """Set an older run's aside: it must not be taken for this one's."""
        if aside := set_aside(self.path):
            say(f"begun anew: the checkpoint of an older run is now {aside}")
        previous(self.path).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove what a killed process left half-written."""
        remove_left_behind(self.path)
