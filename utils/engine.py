"""Training steps and evaluation, shared by both data sets and all methods."""

from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from losses import Share, dsanet_losses, reconstruction_error
from mil import ranking_losses
from model import DSANet, hierarchical_belief_modulation
from sgnm import normal_counts
from utils.datasets.batches import chunk_batches, read_videos
from utils.datasets.lists import Row, read_list
from utils.datasets.official_truth import TruthFiles
from utils.datasets.truth_of_list import read_ground_truth
from utils.evaluation.metrics import Evaluation
from utils.evaluation.scored_videos import Prediction, ScoredVideos
from utils.labels import Dataset
from utils.network.batch import Filled, Outputs
from utils.optim import Optimization
from utils.options.methods import METHODS, OF_RTFM
from utils.system.device import autocast, to_device
from utils.system.errors import UserError
from utils.system.group import processes
from utils.system.parallel import gather, part_of, total


def compute_losses(
    outputs: Outputs, labels, lengths, args, share: Share | None = None, model=None
) -> dict[str, torch.Tensor]:
    """The loss terms of the method that the options name, and their `total`. RTFM and CLIP-TSA
    compute theirs in the `model`, because they draw a dropout mask."""
    if args.method == "mil":
        return ranking_losses(outputs.logits1, labels, lengths)
    if args.method in OF_RTFM:
        return model.losses(outputs)
    weights = args.loss2_weight, args.separation_weight
    return dsanet_losses(outputs, labels, lengths, *weights, share)


def share_of(own: list[int]) -> Share:
    """Share from this process's counts, in the order of Share's fields."""
    return Share(*(processes() * a / b for a, b in zip(own, total(own), strict=True)))


def step_share(lengths: torch.Tensor, is_normal: torch.Tensor | None, args) -> Share | None:
    """The Share of this process's part of a step; None if it is the only process. `lengths` (B,)
    on the CPU, `is_normal` as SG-NM gets it."""
    if processes() == 1:
        return None
    normal = len(lengths)  # every clip gives equally many
    if args.select_normal == "video" or is_normal is not None:
        normal = int(normal_counts(lengths, args.normal_selection_ratio, is_normal).sum())
    return share_of([len(lengths), int(lengths.sum()), normal])


def train_one_epoch(model: DSANet, batches, optimization: Optimization, args):
    """Train on batches of snippets (V, D), labels (B, C), lengths (B,).

    Args:
        batches: what is left of the epoch.

    Yields:
        the losses of every optimizer step, detached.
    """
    device = next(model.parameters()).device
    model.train()
    for snippets, labels, lengths in batches:
        # Nothing from here to the yield waits for the device, except `summed` during a warm-up.
        filled = Filled.of(lengths, args.visual_length, args.attn_window, device)
        is_normal = labels[:, 0] > 0 if optimization.steps < args.normal_warmup else None
        share = step_share(lengths, is_normal, args)
        told = {} if is_normal is None else {"is_normal": to_device(is_normal, device)}
        snippets, labels, lengths = (to_device(t, device) for t in (snippets, labels, lengths))
        with autocast(args.precision, device):
            outputs = model(filled.unpack(snippets), lengths, filled=filled, **told)
        losses = compute_losses(outputs, labels, lengths, args, share, model)
        optimization.step(losses["total"])
        yield {name: loss.detach() for name, loss in losses.items()}


class Scoring(NamedTuple):
    """How videos are scored.

    Attributes:
        method: as `--method` names it.
        temperature: β of the class probabilities; 1 with VadCLIP.
        precision: of matrix products.
        visual_length: N, snippets of a chunk; of a method that sees whole videos, of the window in
            which a live source is seen.
        window: of the temporal encoder, in snippets.
        batch: chunks scored at once; bounds the memory.
        residual: weight of SG-NM's reconstruction error in the score.
    """

    method: str
    temperature: float
    precision: str
    visual_length: int
    window: int
    batch: int
    residual: float

    @classmethod
    def of(cls, args) -> "Scoring":
        """As the options say."""
        return cls(
            args.method,
            1.0 if args.method == "vadclip" else args.temp,
            args.precision,
            args.visual_length,
            args.attn_window,
            args.eval_batch,
            args.score_residual,
        )

    @property
    def whole_videos(self) -> bool:
        """Whether each video is one chunk."""
        return METHODS[self.method].sees_whole_videos


class Videos:
    """Features of videos, to be scored. They stay in memory, 2 KB a snippet: training evaluates
    many times.

    Args:
        scoring: how.
        names: of the videos.
        features: (T, D) of each.

    Attributes:
        lengths: snippets of each video.
        batches: snippets and chunk lengths in order, see `chunk_batches`; of a method that sees
            whole videos, each video is one.
    """

    def __init__(self, scoring: Scoring, names: list[str], features: list[torch.Tensor]):
        self.scoring = scoring
        self.names = names
        self.lengths = [len(of_video) for of_video in features]
        if scoring.whole_videos:
            self.batches = [(v, torch.tensor([len(v)])) for v in features]
        else:
            self.batches = chunk_batches(features, scoring.visual_length, scoring.batch)

    @property
    def most_at_once(self) -> int:
        """Chunks that are scored together, at most."""
        return max(len(lengths) for _, lengths in self.batches)


class EvaluationSet(Videos):
    """Videos to test on, and what is known of them.

    Args:
        args: options.
        facts: of the data set.
        rows: of these videos; None for those of the test list, with its ground truth, which is then
            checked against them.

    Attributes:
        truth: ground truth; None where it is not known when something happens.
    """

    def __init__(self, args, facts: Dataset, rows: list[Row] | None = None):
        self.facts = facts
        self.left_out = facts.left_out(args)
        self.truth = None
        if rows is None:
            rows = read_list(args.test_list, facts, args.feature_root)
            self.truth = read_ground_truth(TruthFiles.of(args), args.test_list, rows, facts)
        self.rows = rows
        features = read_videos(rows, args.num_workers)
        super().__init__(Scoring.of(args), [row.video for row in rows], features)

    def scored(self, predictions: list[Prediction]) -> ScoredVideos:
        """Predictions of these videos, and what is known of them."""
        return ScoredVideos(predictions, self.truth, self.rows, self.facts, left_out=self.left_out)


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


def forward_chunks(model: DSANet, test: Videos, text: torch.Tensor | None = None):
    """Put chunks of videos through the model, which is in eval mode (`eval_mode`).

    Args:
        text: of the classes, from `encode_text`, where the caller has it already.

    Yields:
        for each batch of this process's chunks the Outputs, the chunks' valid lengths (S,), and
        where they hold snippets.
    """
    device = next(model.parameters()).device
    scoring = test.scoring
    if text is None:
        text = model.encode_text()  # once per evaluation, so never stale
    for snippets, lengths in tqdm(
        part_of(test.batches), desc="scoring", unit="batch", leave=False, disable=None, delay=1
    ):
        n = len(snippets) if scoring.whole_videos else scoring.visual_length
        filled = Filled.of(lengths, n, scoring.window, device)
        visual = filled.unpack(to_device(snippets, device))
        lengths = to_device(lengths, device)
        with autocast(scoring.precision, device):
            outputs = model(visual, lengths, text, filled)
        yield outputs, lengths, filled


def per_video(batches: list[list[torch.Tensor]], test: Videos) -> list[tuple[np.ndarray, ...]]:
    """Values of the snippets of every batch, (V, …) each, as every process has them -> those of
    every video in order, (T, …) each.

    Raises:
        UserError: something is not finite.
    """
    whole = [torch.cat(part).cpu() for part in zip(*gather(batches), strict=True)]
    parts = [[of_video.numpy() for of_video in part.split(test.lengths)] for part in whole]
    videos = list(zip(*parts, strict=True))
    for name, video in zip(test.names, videos, strict=True):
        if not all(np.isfinite(values).all() for values in video):
            raise UserError(
                f"the scores of {name} are not finite: the weights are damaged, or training "
                "diverged and wants a smaller --lr"
            )
    return videos


def score(model: DSANet, test: Videos, text: torch.Tensor | None = None) -> list[Prediction]:
    """Score every video, in order. `text` as in `forward_chunks`."""
    batches = []
    with eval_mode(model):
        for outputs, _, filled in forward_chunks(model, test, text):
            values = [detection_scores(outputs, test.scoring)]  # [S, N, 1]
            if outputs.logits2 is not None:
                values.append(class_probabilities(outputs, test.scoring))  # [S, N, C]
            batches.append([filled.pack(of_chunks) for of_chunks in values])
    return [Prediction(s[:, 0], *p) for s, *p in per_video(batches, test)]


def detection_scores(outputs: Outputs, scoring: Scoring) -> torch.Tensor:
    """(S, N, 1): S_det, and the share of SG-NM's reconstruction error that `--score-residual` asks
    for."""
    scores = outputs.logits1.sigmoid()
    if not scoring.residual:
        return scores
    return scores.lerp(reconstruction_error(outputs)[..., None], scoring.residual)


def class_probabilities(outputs: Outputs, scoring: Scoring) -> torch.Tensor:
    """(S, N, C) as the method infers them.

    With one anomaly class belief modulation would give it all of the detection score and say what
    that says already, so there the alignment speaks for itself, as with VadCLIP.
    """
    if scoring.method == "vadclip" or outputs.logits2.shape[-1] == 2:
        return outputs.logits2.softmax(dim=-1)
    return hierarchical_belief_modulation(outputs.logits1, outputs.logits2, scoring.temperature)


def evaluate(model: DSANet, test: EvaluationSet) -> tuple[dict, list[Prediction]]:
    """Metrics of the model on the test set (see `Evaluation`), and what they came from."""
    predictions = score(model, test)
    return Evaluation(test.scored(predictions)).metrics(), predictions
