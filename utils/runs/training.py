"""A training run between its steps: it logs, evaluates, keeps the best weights, and can be resumed.

<output-dir>       options, provenance, log and metrics, see `utils/runs/record.py`
<checkpoint-path>  written after every epoch and every --checkpoint-every steps; the one before is
                   kept beside it as `<name>.previous.pth`
<model-path>       the weights that were kept
"""

import sys
from pathlib import Path

import numpy as np
import torch

from utils import checkpoint

from utils.system import group, parallel
from utils.system.console import say
from utils.datasets.lists import Row
from utils.engine import EvaluationSet, evaluate
from utils.system.errors import UserError
from utils.system.command import lost_another_process
from utils.system.files import older, remove_left_behind, require_writable, set_aside
from utils.system.signals import Interruption
from utils.metrics import Prediction, official_lines
from utils.optim import Optimization
from utils.datasets.order import Order
from utils.system.seeds import (random_states, set_random_states)
from utils.runs.identity import MUST_AGREE, fixed_options, list_hashes
from utils.runs.record import Record, log_names

# A score this near to 0 or 1 passes no gradient on: binary cross-entropy's is cut off there.
SATURATED = 1e-12
BATCH_SHOWN = 6  # files of a batch that an error names


class Run:
    """Keeps the log and the best weights of a run, and writes what stands above.

    As a context it lets SIGINT and SIGTERM wait for the end of the step.

    Args:
        args: options.
        model: in training.
        optimization: of the model.
        rows: of the training list.
        order: in which an epoch walks them.
        test: what the weights are selected on.

    Attributes:
        epoch: finished epochs.
        step: finished optimizer steps of the epoch under way.

    Raises:
        UserError: a file cannot be written, or the checkpoint to resume is damaged or another
            run's.
    """

    def __init__(
        self, args, model, optimization: Optimization, rows: list[Row], order: Order,
        test: EvaluationSet,
    ):  # fmt: skip
        self.args = args
        self.model = model
        self.optimization = optimization
        self.rows = rows
        self.order = order
        self.test = test
        self.device = next(model.parameters()).device
        self.interruption = Interruption(shared=group.processes() > 1)
        self.stop_code = 0  # of the signal that reached any of the processes
        self.epoch = self.step = 0
        self.best_metrics: dict | None = None
        self.best_weights: dict[str, torch.Tensor] = {}
        self.saved: str | None = None  # the place of the last checkpoint
        self.evaluated_this_epoch = False
        self.pending: list[torch.Tensor] = []  # (terms,) of the steps since the last log line
        self.names = log_names(args.method)
        self.terms = (*self.names, "total")
        self.record = Record(args, self.device)
        self.list_hashes = list_hashes(args, train=True)
        self.fixed = self._fixed_options()
        self.begun = False
        alike = {name: getattr(args, name) for name in MUST_AGREE}
        parallel.require_same({**self.fixed, **alike})
        written = args.model_path, args.checkpoint_path, self.record.log_path
        parallel.from_main(lambda: require_writable(*written))
        if parallel.from_main(self._was_restarted):
            args.use_checkpoint = True
        if args.use_checkpoint:
            self._resume()

    def __enter__(self) -> "Run":
        self.interruption.__enter__()
        return self

    def __exit__(self, kind, error, _) -> None:
        self.interruption.__exit__()
        if kind is None or kind is SystemExit:
            group.leave(error.code if error else 0)
        if kind is None or not issubclass(kind, RuntimeError):
            return
        go_on = "no checkpoint was due yet"
        if self.saved:
            go_on = f"to go on after {self.saved}, give the same command and --resume"
        if lost_another_process(error):
            lost = f"another process was lost within a step; {go_on}"
            if group.first_to_say(lost):
                print(lost, file=sys.stderr)
        elif self.interruption.exit_code:
            # The signal reached the processes that read features, too, and there is no next batch.
            say(f"stopped within a step; {go_on}")
            group.leave(self.interruption.exit_code)
            sys.exit(self.interruption.exit_code)

    @property
    def place(self) -> str:
        return f"{self.epoch} epochs and {self.step} steps"

    def after_step(self, losses: dict[str, torch.Tensor]) -> None:
        """Log, evaluate and save when it is time; all count the optimizer steps of the epoch."""
        self._begin()
        self.step += 1
        self.pending.append(torch.stack([losses[term] for term in self.terms]))
        if self.step % self.args.log_every == 0:
            self._log_losses()
        if self.args.eval_every and self.step % self.args.eval_every == 0:
            self._evaluate()
        self.stop_code = parallel.largest(self.interruption.exit_code)
        every = self.args.checkpoint_every
        if self.stop_code or (every and self.step % every == 0):
            self._save_checkpoint()
        self._stop_if_asked()

    def end_epoch(self) -> None:
        """Evaluate if nothing did, load the best weights back, and save a checkpoint."""
        self._begin()
        if self.pending:
            self._log_losses()
        if not self.evaluated_this_epoch or self.args.select == "last":
            self._evaluate()
        self.evaluated_this_epoch = False
        if self.args.select == "best":
            self.model.load_state_dict(self.best_weights, strict=False)
        self.optimization.end_epoch()
        self.epoch, self.step = self.epoch + 1, 0
        self.stop_code = parallel.largest(self.interruption.exit_code)
        self._save_checkpoint()
        self._stop_if_asked()

    @group.main_only
    def finish(self) -> None:
        """Save the weights that were kept, and their metrics."""
        self._begin()
        path = Path(self.args.model_path)
        if path.is_file():
            say(f"the weights that were at {path} are now {older(path)}")
        checkpoint.save(checkpoint.cpu_state(self.model), path, keep=older(path))
        self.record.best(self.best_metrics)
        which = "best on the test set" if self.args.select == "best" else "of the last step"
        say("", f"Weights {which}, {self.args.model_path}:", *official_lines(self.best_metrics))

    def _read_losses(self) -> torch.Tensor:
        """(steps since the last log line, terms) on the CPU; the device is waited for once.

        Raises:
            UserError: one is not finite.
        """
        values = parallel.mean(torch.stack(self.pending).cpu())
        broken = ~values.isfinite()
        if broken.any():
            row = int(broken.any(dim=1).nonzero()[0])
            term = self.terms[int(broken[row].nonzero()[0])]
            step = self.step - len(values) + row + 1
            losses = {t: f"{v:g}" for t, v in zip(self.terms, values[row].tolist(), strict=True)}
            files = [self.rows[i].path for i in self.order.batch(step)]
            batch = {"batch": list(map(str, files))}
            self.record.diverged({"epoch": self.epoch + 1, "step": step, "losses": losses, **batch})
            shown = ", ".join(file.stem for file in files[:BATCH_SHOWN])
            more = f", … ({len(files)}, all in {self.record.diverged_path})"
            logged = self.names.get(term, term)
            name = term if logged == term else f"{term} ({logged})"
            raise self._diverged(
                f"in epoch {self.epoch + 1}, step {step}: {name} is {losses[term]}; the batch was "
                f"{shown}{more if len(files) > BATCH_SHOWN else ''}"
            )
        return values

    def _diverged(self, what: str) -> UserError:
        kept = f"; {self.args.checkpoint_path}, after {self.saved}, is kept" if self.saved else ""
        return UserError(f"training diverged {what}: start anew with a smaller --lr{kept}")

    def _log_losses(self) -> None:
        means = self._read_losses().mean(dim=0).tolist()
        means = dict(zip(self.terms, means, strict=True))
        self.pending.clear()
        self._log({"losses": means, **self.optimization.rates})
        line = " | ".join(f"{name}: {means[key]:.4f}" for key, name in self.names.items())
        say(f"epoch: {self.epoch + 1} | step: {self.step} | {line}")

    def _evaluate(self) -> None:
        if self.pending:
            self._read_losses()
        metrics, predictions = evaluate(self.model, self.test)
        self._require_contrast(predictions)
        self.evaluated_this_epoch = True
        self._log({"metrics": metrics})
        say(*official_lines(metrics))
        if (
            self.best_metrics is None
            or self.args.select == "last"
            or metrics[self.args.select_by] > self.best_metrics[self.args.select_by]
        ):
            self.best_metrics = {"epoch": self.epoch + 1, "step": self.step, **metrics}
            self.best_weights = self._trainable_weights()

    def _require_contrast(self, predictions: list[Prediction]) -> None:
        scores = np.concatenate([p.score for p in predictions])
        if (np.minimum(scores, 1 - scores) < SATURATED).all():
            raise self._diverged(
                f"within {self.place}: every score of every test video is 0 or 1, from where no "
                "gradient leads back"
            )

    def _log(self, record: dict) -> None:
        self.record.log({"epoch": self.epoch + 1, "step": self.step, **record})

    def _stop_if_asked(self) -> None:
        if self.stop_code:
            say(
                f"stopped after {self.place}, saved {self.args.checkpoint_path}; to go on, give "
                "the same command and --resume"
            )
            sys.exit(self.stop_code)

    def _save_checkpoint(self) -> None:
        weights = checkpoint.cpu_state(self.model)
        pending = self._read_losses() if self.pending else torch.empty(0, len(self.terms))
        trained = [name for name, p in self.model.named_parameters() if p.requires_grad]
        if not all(weights[name].isfinite().all() for name in trained):
            raise self._diverged(f"within {self.place}: the weights are not finite")
        state = {
            "epoch": self.epoch,
            "step": self.step,
            "model_state_dict": weights,
            "optimizer_state_dict": self.optimization.state_dict(),
            "ap": self.best_metrics and self.best_metrics[self.args.select_by],
            "best_metrics": self.best_metrics,
            "best_weights": self.best_weights,
            "evaluated_this_epoch": self.evaluated_this_epoch,
            "pending": pending,
            "log_lines": self.record.lines,
            "random_states": random_states(),
            "options": self.fixed,
        }
        path = self.args.checkpoint_path
        group.main_only(checkpoint.save)(state, path, keep=checkpoint.previous(path))
        parallel.wait_for_all()  # who ends earlier would end the main process with it
        self.saved = self.place

    def _resume(self) -> None:
        path, state = parallel.from_main(lambda: checkpoint.load_last(self.args.checkpoint_path))
        try:
            before = {name: state["options"][name] for name in self.fixed}
            self._require_same(before, path)
            checkpoint.fit(self.model, checkpoint.weights_of(state, path), path)
            self.optimization.load_state_dict(state["optimizer_state_dict"])
            self.epoch, self.step = state["epoch"], state["step"]
            self.best_metrics = state["best_metrics"]
            self.best_weights = {k: v.to(self.device) for k, v in state["best_weights"].items()}
            self.evaluated_this_epoch = state["evaluated_this_epoch"]
            self.pending = list(state["pending"].to(self.device))
            self.record.lines = state["log_lines"]
            set_random_states(state["random_states"])
        except UserError:
            raise
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise UserError(
                f"{path} is no training checkpoint of this version (at {error}): leave out "
                "--resume to start anew"
            ) from None
        self.saved = self.place
        say(f"resuming {path}, after {self.place}")

    def _was_restarted(self) -> bool:
        """Whether torchrun starts this run again, and there is something to go on from."""
        path = Path(self.args.checkpoint_path)
        kept = path.is_file() or checkpoint.previous(path).is_file()
        return kept and group.had_begun()

    def _require_same(self, before: dict, path: Path) -> None:
        for name, value in self.fixed.items():
            if before[name] != value:
                raise UserError(
                    f"{path} was written with {name} {before[name]}, now it is {value}: a run is "
                    "resumed with the options and lists it began with"
                )

    def _trainable_weights(self) -> dict[str, torch.Tensor]:
        return {
            name: p.detach().clone() for name, p in self.model.named_parameters() if p.requires_grad
        }

    def _fixed_options(self) -> dict:
        """What a resumed run must not change."""
        options = fixed_options(self.args)
        return {"dataset": self.test.facts.name, **options, **self.list_hashes}

    @group.main_only
    def _begin(self) -> None:
        """Once, and not before the first step, so that bad input leaves older files alone."""
        if not self.begun:
            self.begun = True
            path = Path(self.args.checkpoint_path)
            remove_left_behind(path)
            remove_left_behind(self.args.model_path)
            if not self.args.use_checkpoint:  # an older run's must not be taken for this one's
                if aside := set_aside(path):
                    say(f"begun anew: the checkpoint of an older run is now {aside}")
                checkpoint.previous(path).unlink(missing_ok=True)
            group.mark_begun()
            self.record.begin(f"after {self.place}", self.list_hashes)
