"""Training steps and evaluation, shared by both data sets and all methods."""

from contextlib import contextmanager

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from losses import dsanet_losses
from mil import ranking_losses
from model import DSANet, hierarchical_belief_modulation
from sgnm import own_normal
from utils.datasets.ground_truth import GroundTruth, read_ground_truth
from utils.datasets.lists import Row, VideoFeatures, read_list, segment_batches
from utils.labels import Dataset
from utils.metrics import Prediction, compute_metrics
from utils.network.batch import Filled
from utils.network.outputs import Outputs
from utils.optimization import Optimization
from utils.system.device import autocast, to_device
from utils.system.errors import UserError
from utils.system.parallel import Share, gather, part_of, processes, share_of
from utils.system.signals import step_aside


def compute_losses(
    outputs: Outputs, labels, lengths, args, share: Share | None = None
) -> dict[str, torch.Tensor]:
    """The loss terms of the method that the options name, and their `total`."""
    if args.method == "mil":
        return ranking_losses(outputs.logits1, labels, lengths)
    weights = args.loss2_weight, args.separation_weight
    return dsanet_losses(outputs, labels, lengths, *weights, share)


def step_share(lengths: torch.Tensor, args) -> Share | None:
    """This process's share of a step, from the valid snippets of its videos (B,), on the CPU; None
    where it is alone."""
    if processes() == 1:
        return None
    normal = len(lengths)  # as many of each
    if args.select_normal == "video":
        normal = int(own_normal(lengths, args.normal_selection_ratio).sum())
    return share_of([len(lengths), int(lengths.sum()), normal])


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
        share = step_share(lengths, args)
        snippets, labels, lengths = (to_device(t, device) for t in (snippets, labels, lengths))
        with autocast(args.precision, device):
            outputs = model(filled.unpack(snippets), lengths, filled=filled)
        losses = compute_losses(outputs, labels, lengths, args, share)
        optimization.step(losses["total"])
        yield {name: loss.detach() for name, loss in losses.items()}


class Videos:
    """Features of videos, to be scored as the options say.

    They stay in memory, 2 KB a snippet: training evaluates many times.

    Args:
        args: options.
        names: of the videos.
        features: (T, 512) of each.

    Attributes:
        lengths: snippets of each video.
        batches: snippets and segment lengths in order, see `segment_batches`.
    """

    def __init__(self, args, names: list[str], features: list[torch.Tensor]):
        self.names = names
        self.method = args.method
        self.temperature = args.temp
        self.precision = args.precision
        self.visual_length = args.visual_length
        self.window = args.attn_window
        self.lengths = [len(of_video) for of_video in features]
        self.batches = segment_batches(features, args.visual_length, args.eval_batch)


class EvaluationSet(Videos):
    """The test videos and their ground truth, read and checked against each other.

    Args:
        args: options.
        facts: of the data set.
    """

    def __init__(self, args, facts: Dataset):
        self.facts = facts
        self.rows: list[Row] = read_list(args.test_list, facts, args.feature_root)
        self.truth: GroundTruth = read_ground_truth(args, facts, self.rows)
        loader = DataLoader(
            VideoFeatures(self.rows),
            batch_size=None,  # one video after another
            num_workers=args.num_workers,
            generator=torch.Generator(),  # so that the global random state is left alone
            worker_init_fn=step_aside,
        )
        loader = tqdm(loader, desc="reading test videos", unit="video", leave=False, disable=None)
        # Copies, because what another process sends holds a file open as long as it is kept.
        features = [of_video.clone() for of_video in loader]
        super().__init__(args, [row.video for row in self.rows], features)


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


def collect(
    model: DSANet, test: Videos, take, text: torch.Tensor | None = None
) -> list[tuple[np.ndarray, ...]]:
    """Put videos through the model.

    Args:
        take: function of the Outputs of some segments and their valid lengths (S,): what is wanted
            of them, a list of (S, N, …).
        text: of the classes, from `encode_text`, where the caller has it already.

    Returns:
        for each video in order the same of its T snippets, (T, …).

    Raises:
        UserError: something is not finite.
    """
    device = next(model.parameters()).device
    taken = []
    with eval_mode(model):
        if text is None:
            text = model.encode_text()  # once per evaluation, so never stale
        for snippets, lengths in tqdm(
            part_of(test.batches), desc="scoring", unit="batch", leave=False, disable=None, delay=1
        ):
            filled = Filled.of(lengths, test.visual_length, test.window, device)
            visual = filled.unpack(to_device(snippets, device))
            lengths = to_device(lengths, device)
            with autocast(test.precision, device):
                outputs = model(visual, lengths, text, filled)
            taken.append([filled.pack(values) for values in take(outputs, lengths)])
        taken = gather(taken)
        # (V, …) of every batch -> (T, …) of every video
        parts = [torch.cat(part).cpu().split(test.lengths) for part in zip(*taken, strict=True)]
    videos = [tuple(values.numpy() for values in video) for video in zip(*parts, strict=True)]
    for name, video in zip(test.names, videos, strict=True):
        if not all(np.isfinite(values).all() for values in video):
            raise UserError(
                f"the scores of {name} are not finite: the weights are damaged, or training "
                "diverged and wants a smaller --lr"
            )
    return videos


def score(model: DSANet, test: Videos, text: torch.Tensor | None = None) -> list[Prediction]:
    """Score every video, in order. `text` as in `collect`."""

    def take(outputs: Outputs, _) -> list[torch.Tensor]:
        scores = outputs.logits1.sigmoid()  # [S, N, 1]
        if test.method == "mil":
            return [scores]
        return [scores, class_probabilities(outputs, test)]

    return [Prediction(s[:, 0], *p) for s, *p in collect(model, test, take, text)]


def class_probabilities(outputs: Outputs, test: Videos) -> torch.Tensor:
    """(S, N, C) as the method infers them."""
    if test.method == "vadclip":
        return outputs.logits2.softmax(dim=-1)
    return hierarchical_belief_modulation(outputs.logits1, outputs.logits2, test.temperature)


def evaluate(model: DSANet, test: EvaluationSet) -> tuple[dict, list[Prediction]]:
    """Metrics of the model on the test set (see `compute_metrics`), and what they came from."""
    predictions = score(model, test)
    return compute_metrics(predictions, test.truth, test.rows, test.facts), predictions
