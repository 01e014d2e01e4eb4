"""A training run on disk: its options, its log, its best weights, and where to resume it.

<output-dir>/options.yml   the options it used
<output-dir>/log.jsonl     a line per logged step and per evaluation
<output-dir>/best.json     metrics of the weights that were kept, and when they were reached
<checkpoint-path>          written after every epoch
<model-path>               the weights that were kept
"""

import json
import sys
from pathlib import Path

import torch
import yaml
from tqdm import tqdm

from utils import checkpoint
from utils.engine import EvaluationSet, Optimization, evaluate
from utils.errors import UserError
from utils.files import require_writable, whole_file, write_json
from utils.metrics import official_lines

# The official names of the losses, in the order of the official log line.
LOG_NAMES = {
    "mil": "loss1",
    "align": "loss2",
    "separation": "loss3",
    "event": "loss4",
    "background": "loss5",
    "consistency": "consistency_loss",
    "compactness": "g_loss",
}


class Run:
    """Keeps the log and the best weights of a run, and writes what stands above.

    Args:
        args: options.
        model: in training.
        optimization: of the model.
        test: what the weights are selected on.

    Attributes:
        first_epoch: 0, or where the checkpoint goes on.
    """

    def __init__(self, args, model, optimization: Optimization, test: EvaluationSet):
        self.args = args
        self.model = model
        self.optimization = optimization
        self.test = test
        self.first_epoch = 0
        self.best_metrics: dict | None = None
        self.best_weights: dict[str, torch.Tensor] = {}
        self.evaluated_this_epoch = False
        self.pending: list[dict[str, torch.Tensor]] = []  # losses since the last log line
        self.folder = Path(args.output_dir)
        self.log_path = self.folder / "log.jsonl"
        self.begun = False
        require_writable(args.model_path, args.checkpoint_path, self.log_path)
        if args.use_checkpoint:
            self._resume()

    @property
    def metric(self) -> str:
        return self.test.facts.selection_metric

    def after_step(self, epoch: int, step: int, losses: dict[str, torch.Tensor]) -> None:
        """Log and evaluate when it is time; both count the optimizer steps of the epoch."""
        if not self.begun:  # only now: until the first step, bad input leaves older files alone
            self._begin_files()
        self.pending.append(losses)
        if step % self.args.log_every == 0:
            self._log_losses(epoch, step)
        if self.args.eval_every and step % self.args.eval_every == 0:
            self._evaluate(epoch, step)

    def end_epoch(self, epoch: int, step: int) -> None:
        """Evaluate if nothing did, load the best weights back, and save a checkpoint."""
        if self.pending:
            self._log_losses(epoch, step)
        if not self.evaluated_this_epoch or self.args.select == "last":
            self._evaluate(epoch, step)
        self.evaluated_this_epoch = False
        if self.args.select == "best":
            self.model.load_state_dict(self.best_weights, strict=False)
        self.optimization.end_epoch()
        self._save_checkpoint(epoch + 1)

    def finish(self) -> None:
        """Save the weights that were kept, and their metrics."""
        checkpoint.save(checkpoint.cpu_state(self.model), self.args.model_path)
        write_json(self.folder / "best.json", self.best_metrics)
        which = "best on the test set" if self.args.select == "best" else "of the last step"
        say("", f"Weights {which}, {self.args.model_path}:", *official_lines(self.best_metrics))

    def _log_losses(self, epoch: int, step: int) -> None:
        names = list(self.pending[0])
        values = torch.stack([losses[name] for losses in self.pending for name in names])
        means = values.view(-1, len(names)).mean(dim=0).tolist()  # the device is waited for once
        means = dict(zip(names, means, strict=True))
        self.pending.clear()
        schedule = self.optimization.sgnm_schedule  # stands at the next step already
        rates = {
            "lr": self.optimization.main.param_groups[0]["lr"],
            "lr_sgnm": schedule.value(schedule.last_epoch - 1),
        }
        self._log({"epoch": epoch + 1, "step": step, "losses": means, **rates})
        line = " | ".join(f"{name}: {means[key]:.4f}" for key, name in LOG_NAMES.items())
        say(f"epoch: {epoch + 1} | step: {step} | {line}")

    def _evaluate(self, epoch: int, step: int) -> None:
        metrics, _ = evaluate(self.model, self.test)
        self.evaluated_this_epoch = True
        self._log({"epoch": epoch + 1, "step": step, "metrics": metrics})
        say(*official_lines(metrics))
        if (
            self.best_metrics is None
            or self.args.select == "last"
            or metrics[self.metric] > self.best_metrics[self.metric]
        ):
            self.best_metrics = {"epoch": epoch + 1, "step": step, **metrics}
            self.best_weights = self._trainable_weights()

    def _log(self, record: dict) -> None:
        with self.log_path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(record) + "\n")

    def _save_checkpoint(self, epochs_done: int) -> None:
        state = {
            "epoch": epochs_done,
            "model_state_dict": checkpoint.cpu_state(self.model),
            "optimizer_state_dict": self.optimization.state_dict(),
            "ap": self.best_metrics[self.metric],
            "best_metrics": self.best_metrics,
            "options": self._fixed_options(),
        }
        checkpoint.save(state, self.args.checkpoint_path)

    def _resume(self) -> None:
        """Go on after the last finished epoch; the best weights are the model's, see end_epoch."""
        path = self.args.checkpoint_path
        if not Path(path).is_file():
            raise UserError(
                f"checkpoint {path} not found: leave out --use-checkpoint to start anew"
            )
        state = checkpoint.load(path)
        checkpoint.load_weights(self.model, path)
        fixed = self._fixed_options()
        try:
            before = {name: state["options"][name] for name in fixed}
            self.optimization.load_state_dict(state["optimizer_state_dict"])
            self.first_epoch = state["epoch"]
            self.best_metrics = state["best_metrics"]
        except (KeyError, ValueError, TypeError) as error:
            raise UserError(f"{path} is no checkpoint of this run: {error!r}") from None
        for name, value in fixed.items():
            if before[name] != value:
                raise UserError(
                    f"{path} was written with {name} {before[name]}, now it is {value}: a run is "
                    "resumed with the options it began with"
                )
        self.best_weights = self._trainable_weights()

    def _trainable_weights(self) -> dict[str, torch.Tensor]:
        return {
            name: p.detach().clone() for name, p in self.model.named_parameters() if p.requires_grad
        }

    def _fixed_options(self) -> dict:
        """What a resumed run must not change."""
        names = ("seed", "max_epoch", "batch_size", "lr", "loss2_weight", "DNP_use", "select",
                 "precision")  # fmt: skip
        return {"dataset": self.test.facts.name, **{n: getattr(self.args, n) for n in names}}

    def _begin_files(self) -> None:
        """Write the options; keep of an older log what the resumed checkpoint had seen."""
        self.begun = True
        left_out = ("config", "use_checkpoint")
        options = {k: v for k, v in vars(self.args).items() if v is not None and k not in left_out}
        with whole_file(self.folder / "options.yml") as partial:
            partial.write_text(yaml.safe_dump(options, sort_keys=False), encoding="utf-8")
        kept = []
        if self.first_epoch and self.log_path.is_file():
            for line in self.log_path.read_text(encoding="utf-8").splitlines(keepends=True):
                try:
                    if json.loads(line)["epoch"] <= self.first_epoch:
                        kept.append(line)
                except (ValueError, KeyError):  # cut off when the run was
                    continue
        with whole_file(self.log_path) as partial:
            partial.write_text("".join(kept), encoding="utf-8")


def say(*lines: str) -> None:
    """Print without tearing a progress bar apart."""
    for line in lines:
        tqdm.write(line, file=sys.stdout)
    sys.stdout.flush()
