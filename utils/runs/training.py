"""A training run between its steps: it logs, evaluates, keeps the best weights, and can be resumed.

<output-dir>       options, provenance, log and metrics, see `utils/runs/record.py`
<checkpoint-path>  written after every epoch and every --checkpoint-every steps; the one before is
                   kept beside it as `<name>.previous.pth`, see `utils/runs/checkpoints.py`
<model-path>       the weights that were kept
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch

from utils import checkpoint
from utils.datasets.lists import Row
from utils.datasets.order import Order
from utils.engine import evaluate
from utils.evaluation.predictions import save_predictions
from utils.evaluation.report import official_lines
from utils.evaluation.scored_videos import Prediction
from utils.optim import Optimization
from utils.options.methods import METHODS
from utils.plan import Plan
from utils.runs.checkpoints import Checkpoints, RunState
from utils.runs.divergence import broken_loss, broken_weights, diverged, first_broken, saturated
from utils.runs.evaluation_sets import EvaluationSets
from utils.runs.identity import MUST_AGREE, clip_hash, fixed_options, list_hashes
from utils.runs.lock import Lock
from utils.runs.made_with import made_with
from utils.runs.memory import require_memory
from utils.runs.progress import SETS, TERMS, RunProgress, loss_line, place_of
from utils.runs.record import Record
from utils.system import group, parallel
from utils.system.command import lost_another_process
from utils.system.console import note, say
from utils.system.device import give_back_memory
from utils.system.errors import UserError
from utils.system.files import older, remove_left_behind, require_different, require_writable
from utils.system.signals import Interruption


class Run:
    """Keeps the log and the best weights of a run, and writes what stands above.

    As a context it sees that the run can be made, resumes it if asked to, and lets SIGINT and
    SIGTERM wait for the end of the step.

    Args:
        args: options.
        model: in training.
        optimization: of the model.
        rows: of the training list.
        order: in which an epoch walks them.
        plan: how long the run is.
        sets: what weights are selected and tested on.

    Raises:
        UserError: a file cannot be written, or the checkpoint to resume is damaged or another
            run's.
    """

    def __init__(
        self, args, model, optimization: Optimization, rows: list[Row], order: Order, plan: Plan,
        sets: EvaluationSets,
    ):  # fmt: skip
        self.args = args
        self.method = METHODS[args.method]
        self.model = model
        self.optimization = optimization
        self.rows = rows
        self.order = order
        self.sets = sets
        self.hashes = {**list_hashes(args, sets.facts, train=True), **clip_hash(args)}
        # These follow from the number of processes, too, where the batch was made smaller.
        self.steps_of_epoch = order.passes * len(order.batches)
        of_epoch = {"steps_of_an_epoch": self.steps_of_epoch}
        fixed = {"dataset": sets.facts.name, **fixed_options(args), **self.hashes, **of_epoch}
        clip = self.hashes.get("clip_weights")
        self.made_with = made_with(args, sets.facts, clip, sets.held_out)
        path = args.checkpoint_path
        self.terms = (*TERMS[args.method], "total")
        self.checkpoints = Checkpoints(
            path, model, optimization, fixed, self.made_with, len(self.terms)
        )
        self.progress = RunProgress(args, sets.facts, rows, plan, self.steps_of_epoch)
        self.record = Record(args, next(model.parameters()).device)
        self.lock = Lock(args.model_path, path, self.record.log_path)
        self.interruption = Interruption(shared=group.processes() > 1)
        self.state = RunState()
        self.resumed = args.use_checkpoint
        self.begun = False

    @property
    def epoch(self) -> int:
        """Finished epochs."""
        return self.state.epoch

    @property
    def step(self) -> int:
        """Finished optimizer steps of the epoch under way."""
        return self.state.step

    def __enter__(self) -> "Run":
        if self.method.one_process and group.processes() > 1:
            raise UserError(
                f"--method {self.args.method} trains in one process: {self.method.one_process}"
            )
        alike = {name: getattr(self.args, name) for name in MUST_AGREE}
        parallel.require_equal_settings({**self.checkpoints.fixed, **alike})
        args = self.args
        self._require_memory()
        written = args.model_path, args.checkpoint_path, self.record.log_path, args.predictions
        parallel.from_main(lambda: require_writable(*written))
        require_different(
            model_path=args.model_path,
            checkpoint_path=args.checkpoint_path,
            predictions=args.predictions,
        )
        if args.predictions and self.sets.test is None:
            note("there is no test set, so --predictions are not written")
        parallel.from_main(self.lock.take)
        self.resumed |= parallel.from_main(self.checkpoints.was_restarted)
        if self.resumed:
            self.state = self.checkpoints.resume()
        self.interruption.__enter__()
        return self

    def __exit__(self, kind, error, _) -> None:
        self.progress.end()
        self.interruption.__exit__()
        self.lock.give_back()
        if kind is None or kind is SystemExit:
            group.leave(error.code if error else 0)
        if kind is None or not issubclass(kind, RuntimeError):
            return
        go_on = "no checkpoint was due yet"
        if saved := self.checkpoints.saved:
            go_on = f"to go on after {saved}, give the same command and --resume"
        if lost_another_process(error):
            lost = f"another process was lost within a step; {go_on}"
            if group.first_to_say(lost):
                print(lost, file=sys.stderr)
        elif self.interruption.exit_code:
            # The signal reached the processes that read features, too, and there is no next batch.
            say(f"stopped within a step; {go_on}")
            group.leave(self.interruption.exit_code)
            sys.exit(self.interruption.exit_code)

    def _require_memory(self) -> None:
        clips = len(self.order.batch(1)) // group.processes()
        require_memory(self.args, self.model, clips, training=True)
        for videos in filter(None, (self.sets.selection, self.sets.test)):
            require_memory(self.args, self.model, videos.most_at_once, training=False)

    def after_step(self, losses: dict[str, torch.Tensor]) -> None:
        """Log, evaluate and save when it is time; all count the optimizer steps of the epoch."""
        self._begin()
        self.state.step += 1
        self.progress.step()
        self.state.pending.append(torch.stack([losses[term] for term in self.terms]))
        if self.step % self.args.log_every == 0:
            self._log_losses()
        due = self.args.eval_every and self.step % self.args.eval_every == 0
        if due and not self._is_early(self.epoch + 1, self.step):
            self._evaluate()
        every = self.args.checkpoint_every
        self._save_and_stop(due=every and self.step % every == 0)

    def end_epoch(self) -> None:
        """Evaluate if nothing did, load the best weights back if the method does so, and save a
        checkpoint."""
        self._begin()
        if self.state.pending:
            self._log_losses()
        best = self.state.best_metrics or {"epoch": 0, "step": 0}
        of_now = (best["epoch"], best["step"]) == (self.epoch + 1, self.step)
        last_is_due = self.args.select == "last" and not of_now
        if not self.state.evaluated_this_epoch or last_is_due:
            self._evaluate()
        self.state.evaluated_this_epoch = False
        if self.method.goes_back:
            self._load_best()
        self.optimization.end_epoch()
        self.state.epoch, self.state.step = self.epoch + 1, 0
        self._save_and_stop(due=True)

    def finish(self) -> None:
        """Save the weights that were kept, and their metrics: those of the test set, and of the
        validation videos where these selected them."""
        self._begin()
        self.progress.end()
        self._load_best()
        best = self.state.best_metrics or {"epoch": self.epoch, "step": 0}
        on_validation = self.args.select_on == "validation"
        on_test, predictions = {}, None
        if self.sets.test and (on_validation or self.args.predictions):
            on_test, predictions = evaluate(self.model, self.sets.test)
        if on_validation:
            place = {name: best[name] for name in ("epoch", "step")}
            best = {
                **place,
                **on_test,
                "validation": {n: v for n, v in best.items() if n not in place},
            }
        self._keep(best, predictions)

    def _load_best(self) -> None:
        if self.args.select == "best":
            self.model.load_state_dict(self.state.best_weights, strict=False)

    @group.main_only
    def _keep(self, best: dict, predictions: list[Prediction] | None) -> None:
        """Weights, their scores of the test set, and, last, their metrics."""
        path = Path(self.args.model_path)
        if path.is_file():
            say(f"the weights that were at {path} are now {older(path)}")
        checkpoint.save_weights(self.model, path, self.made_with, keep=older(path))
        if predictions and self.args.predictions:
            save_predictions(self.args.predictions, self.sets.test.scored(predictions))
        self.record.best(best)
        which = "of the last step"
        if self.args.select == "best":
            which = f"best on the {SETS[self.args.select_on]}"
        say("", f"Weights {which}, {self.args.model_path}:")
        if "validation" in best:
            say("validation: " + official_lines(best["validation"])[0])
        if self.sets.test:
            say(*official_lines(best))

    @group.main_only
    def _begin(self) -> None:
        """Once, and not before the first step, so that bad input leaves older files alone."""
        if not self.begun:
            self.begun = True
            self.checkpoints.tidy()
            remove_left_behind(self.args.model_path)
            if not self.resumed:
                self.checkpoints.begin_anew()
            group.mark_begun()
            lines = self.state.log_lines if self.resumed else None
            place = f"after {self.state.place}"
            self.state.log_lines = self.record.begin(place, self.hashes, lines)
            done = self.epoch * self.steps_of_epoch + self.step
            say(*self.progress.begin(self.record.device, done))

    def _read_losses(self) -> torch.Tensor:
        """(steps since the last log line, terms) on the CPU; the device is waited for once.

        Raises:
            UserError: one is not finite.
        """
        values = parallel.mean(torch.stack(self.state.pending).cpu())
        if found := first_broken(values):
            row, column = found
            step = self.step - len(values) + row + 1
            losses = {t: f"{v:g}" for t, v in zip(self.terms, values[row].tolist(), strict=True)}
            files = [self.rows[i].path for i in self.order.batch(step)]
            what = {"epoch": self.epoch + 1, "step": step, "losses": losses}
            self.record.diverged({**what, "batch": list(map(str, files))})
            term = self.terms[column]
            place = f"epoch {self.epoch + 1}, step {step}"
            written = self.record.diverged_path
            raise self._diverged(broken_loss(place, term, losses[term], files, written))
        return values

    def _diverged(self, what: str) -> UserError:
        return diverged(what, self.checkpoints.path, self.checkpoints.saved)

    def _end_if(self, what: str | None) -> None:
        if what:
            raise self._diverged(f"within {self.state.place}: {what}")

    def _log_losses(self) -> None:
        means = self._read_losses().mean(dim=0).tolist()
        means = dict(zip(self.terms, means, strict=True))
        self.state.pending.clear()
        self._log({"losses": means, **self.optimization.rates})
        say(loss_line(place_of(self.epoch + 1, self.step), means, self.optimization.rates))

    def _evaluate(self) -> None:
        if self.state.pending:
            self._read_losses()
        if self.sets.selection is None:
            return
        metrics, predictions = evaluate(self.model, self.sets.selection)
        self._end_if(saturated(predictions))
        self.state.evaluated_this_epoch = True
        self._log({"metrics": metrics})
        best, key = self.state.best_metrics, self.args.select_by
        superseded = best is None or self._is_early(best["epoch"], best["step"])
        if superseded or self.args.select == "last" or metrics[key] > best[key]:
            self.state.best_metrics = {"epoch": self.epoch + 1, "step": self.step, **metrics}
            self.state.best_weights = {
                n: v.clone() for n, v in checkpoint.trained(self.model).items()
            }
        kept = self.state.best_metrics if self.args.select == "best" else None
        say(*self.progress.evaluated(place_of(self.epoch + 1, self.step), metrics, kept))
        give_back_memory()

    def _is_early(self, epoch: int, step: int) -> bool:
        """Whether a step of epoch 1, 2, … lies before `--eval-from`."""
        return (epoch - 1) * self.steps_of_epoch + step < self.args.eval_from

    def _log(self, line: dict) -> None:
        self.record.log({"epoch": self.epoch + 1, "step": self.step, **line})
        self.state.log_lines += 1

    def _save_and_stop(self, due: bool) -> None:
        """Save a checkpoint if one is due, or a signal reached any of the processes; end then."""
        stop_code = parallel.largest(self.interruption.exit_code)
        if not (due or stop_code):
            return
        pending = list(self._read_losses()) if self.state.pending else []
        self._end_if(broken_weights(self.model))
        self.checkpoints.save(replace(self.state, pending=pending))
        give_back_memory()
        if stop_code:
            say(
                f"stopped after {self.state.place}, saved {self.args.checkpoint_path}; to go on, "
                "give the same command and --resume"
            )
            sys.exit(stop_code)
