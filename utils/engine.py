"""Training steps, evaluation and optimizers, shared by both data sets."""

from contextlib import contextmanager

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from losses import dsanet_losses
from model import DSANet, hierarchical_belief_modulation
from utils.datasets import Row, VideoFeatures, read_list, segment_batches
from utils.device import autocast, to_device
from utils.errors import UserError
from utils.ground_truth import GroundTruth, read_ground_truth
from utils.interruption import step_aside
from utils.labels import Dataset
from utils.metrics import Prediction, compute_metrics
from utils.optim import StableAdamW, WarmCosineScheduler
from utils.padding import Filled

WARMUP_STEPS = 100
SGNM_PREFIX = "video_anomaly_refiner."


class Optimization:
    """The two optimizers and their schedules (§ Implementation details of the paper).

    SG-NM: StableAdamW under a warm cosine, per step. Everything else: AdamW under a cosine, per
    epoch.

    Args:
        model: whose trainable parameters are optimised.
        lr: base learning rate of both.
        epochs: length of the cosine of the main parameters.
        planned_steps: length of the warm cosine.
    """

    def __init__(self, model: nn.Module, *, lr: float, epochs: int, planned_steps: int):
        trainable = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        sgnm = [p for name, p in trainable if name.startswith(SGNM_PREFIX)]
        main = [p for name, p in trainable if not name.startswith(SGNM_PREFIX)]
        self.main = torch.optim.AdamW(main, lr=lr, fused=True)
        self.sgnm = StableAdamW(sgnm, lr=lr, weight_decay=1e-4, amsgrad=True, eps=1e-10)
        self.main_schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.main, T_max=epochs)
        self.sgnm_schedule = WarmCosineScheduler(
            self.sgnm,
            base_value=lr,
            final_value=0.1 * lr,
            total_iters=planned_steps,
            warmup_iters=WARMUP_STEPS,
        )

    def step(self, loss: torch.Tensor) -> None:
        """One update along the gradient of the loss."""
        for optimizer in (self.main, self.sgnm):
            optimizer.zero_grad()
        loss.backward()
        for optimizer in (self.main, self.sgnm):
            optimizer.step()
        self.sgnm_schedule.step()

    def end_epoch(self) -> None:
        self.main_schedule.step()

    def state_dict(self) -> dict:
        return {name: part.state_dict() for name, part in vars(self).items()}

    def load_state_dict(self, state: dict) -> None:
        for name, part in vars(self).items():
            part.load_state_dict(state[name])


def train_one_epoch(model: DSANet, batches, optimization: Optimization, args, done: int = 0):
    """Train on batches of snippets (V, D), labels (B, C), lengths (B,).

    Args:
        batches: what is left of the epoch.
        done: steps of the epoch that were done before.

    Yields:
        the losses of every optimizer step, detached.
    """
    device = next(model.parameters()).device
    model.train()
    for snippets, labels, lengths in tqdm(
        batches, desc="training", unit="step", initial=done, leave=False, disable=None
    ):
        # From here to the yield nothing waits for the device.
        filled = Filled.of(lengths, args.visual_length, args.attn_window, device)
        snippets, labels, lengths = (to_device(t, device) for t in (snippets, labels, lengths))
        with autocast(args.precision, device):
            outputs = model(filled.unpack(snippets), lengths, filled=filled)
        losses = dsanet_losses(outputs, labels, lengths, args.loss2_weight)
        optimization.step(losses["total"])
        yield {name: loss.detach() for name, loss in losses.items()}


class EvaluationSet:
    """The test videos and their ground truth, read and checked against each other.

    The features stay in memory, 2 KB a snippet: training evaluates many times.

    Args:
        args: options.
        facts: of the data set.

    Attributes:
        lengths: snippets of each video.
        batches: snippets and segment lengths in list order, see `segment_batches`.
    """

    def __init__(self, args, facts: Dataset):
        self.facts = facts
        self.rows: list[Row] = read_list(args.test_list, facts, args.feature_root)
        self.truth: GroundTruth = read_ground_truth(args, facts, self.rows)
        self.temperature = args.temp
        self.precision = args.precision
        self.visual_length = args.visual_length
        self.window = args.attn_window
        videos = DataLoader(
            VideoFeatures(self.rows),
            batch_size=None,  # one video after another
            num_workers=args.num_workers,
            generator=torch.Generator(),  # so that the global random state is left alone
            worker_init_fn=step_aside,
        )
        videos = tqdm(videos, desc="reading test videos", unit="video", leave=False, disable=None)
        # Copies, because what another process sends holds a file open as long as it is kept.
        videos = [features.clone() for features in videos]
        self.lengths = [len(features) for features in videos]
        self.batches = segment_batches(videos, args.visual_length, args.eval_batch)


@contextmanager
def eval_mode(model: nn.Module):
    """The model in eval mode and without gradients, left as it was found."""
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(training)


def score(model: DSANet, test: EvaluationSet) -> list[Prediction]:
    """Score every test video, in list order."""
    device = next(model.parameters()).device
    scores, probabilities = [], []
    with eval_mode(model):
        text = model.encode_text()  # once per evaluation, so never stale
        for snippets, lengths in tqdm(
            test.batches, desc="scoring", unit="batch", leave=False, disable=None
        ):
            filled = Filled.of(lengths, test.visual_length, test.window, device)
            visual = filled.unpack(to_device(snippets, device))
            with autocast(test.precision, device):
                outputs = model(visual, to_device(lengths, device), text, filled)
            p = hierarchical_belief_modulation(outputs.logits1, outputs.logits2, test.temperature)
            scores.append(filled.pack(outputs.logits1).squeeze(-1).sigmoid())
            probabilities.append(filled.pack(p))
        # [S, N, …] of every batch -> [Σ T, …], the valid snippets of all videos in order
        videos = zip(
            torch.cat(scores).cpu().split(test.lengths),
            torch.cat(probabilities).cpu().split(test.lengths),
            strict=True,
        )
    predictions = [Prediction(s.numpy(), p.numpy()) for s, p in videos]
    for row, prediction in zip(test.rows, predictions, strict=True):
        if not all(np.isfinite(values).all() for values in prediction):
            raise UserError(
                f"the scores of {row.video} are not finite: the weights are damaged, or training "
                "diverged and wants a smaller --lr"
            )
    return predictions


def evaluate(model: DSANet, test: EvaluationSet) -> tuple[dict, list[Prediction]]:
    """Metrics of the model on the test set (see `compute_metrics`), and what they came from."""
    predictions = score(model, test)
    return compute_metrics(predictions, test.truth, test.rows, test.facts), predictions
