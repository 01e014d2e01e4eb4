"""The losses of DSANet (arXiv 2511.10334), without a loop over the batch.

A video has a label for the whole and none for its snippets. Multiple-instance learning speaks of
its k most anomalous snippets instead, k = ⌊len/16⌋ + 1.
"""

from typing import NamedTuple

import torch
from torch.nn import functional as F

from utils.network.batch import Outputs, valid_mask

SNIPPETS_PER_VOTE = 16  # k = ⌊len / 16⌋ + 1 snippets vote for a video
SMOOTHING = 0.1  # label smoothing ε of event and background
# In the official log these are loss1 to loss5, consistency_loss and g_loss.
LOSSES = ("mil", "align", "separation", "event", "background", "consistency", "compactness")
BACKGROUND_LEAK = 0.01  # target of the anomaly classes for the background


class Share(NamedTuple):
    """Weights that turn the means of one process into its part of the mean over the whole batch:
    for each kind of item, processes × its own count / count of all. (DistributedDataParallel then
    averages over the processes.)"""

    videos: float
    snippets: float
    normal: float  # snippets that SG-NM takes for normal


# What each term is a mean over, see Share; separation looks at the texts alone.
MEAN_OVER = {
    "mil": "videos",
    "align": "videos",
    "event": "videos",
    "background": "videos",
    "consistency": "snippets",
    "compactness": "normal",
}


def topk_mean(values: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Mean of each video's k largest valid values: (B, N, X), (B,) -> (B, X)."""
    lengths = lengths.to(values.device)
    k = lengths // SNIPPETS_PER_VOTE + 1
    most = values.shape[1] // SNIPPETS_PER_VOTE + 1
    valid = valid_mask(lengths, values.shape[1])[..., None]
    top = values.masked_fill(~valid, float("-inf")).topk(most, dim=1).values
    voting = valid_mask(k, most)[..., None]
    return top.masked_fill(~voting, 0.0).sum(dim=1) / k[:, None]


def soft_cross_entropy(logits: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of (B, C) logits against the distributions weights / Σ weights, mean over B."""
    target = weights / weights.sum(dim=-1, keepdim=True)
    return -(target * logits.log_softmax(dim=-1)).sum(dim=-1).mean()


def smoothed_cross_entropy(logits: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The same against (1 − ε)·weights / Σ weights + ε / C."""
    target = weights / weights.sum(dim=-1, keepdim=True)
    return soft_cross_entropy(logits, (1 - SMOOTHING) * target + SMOOTHING / logits.shape[-1])


def video_cross_entropy(scores: torch.Tensor, anomalous: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy of (B,) scores of videos, mean over B."""
    # NaN scores must give a NaN loss. binary_cross_entropy would raise on the CPU instead, and end
    # in an assertion on a GPU that does not name the cause.
    return F.binary_cross_entropy(scores.nan_to_num(), anomalous) + 0 * scores.sum()


def mil_loss(logits1: torch.Tensor, labels: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Detection: is the video anomalous, by its top snippets? (loss1)"""
    return video_cross_entropy(topk_mean(logits1.sigmoid(), lengths).squeeze(-1), 1 - labels[:, 0])


def align_loss(logits2: torch.Tensor, labels: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Classification: which anomaly, by each class's top snippets? (loss2)"""
    return soft_cross_entropy(topk_mean(logits2, lengths), labels)


def separation_loss(text: torch.Tensor) -> torch.Tensor:
    """|cos| of the normal text to the anomaly texts, on average. (loss3)"""
    text = F.normalize(text, dim=-1)
    return (text[1:] @ text[0]).abs().mean()


def background_loss(logits4: torch.Tensor) -> torch.Tensor:
    """The background is normal, whatever the video's label. (loss5)"""
    target = torch.full_like(logits4, BACKGROUND_LEAK)
    target[:, 0] = 1.0
    return smoothed_cross_entropy(logits4, target)


def reconstruction_error(outputs: Outputs) -> torch.Tensor:
    """How badly normality rebuilds each snippet, (1 − cos(v, v_rec)) / 2 in [0, 1] -> (B, N)."""
    cosine = F.cosine_similarity(outputs.visual_features, outputs.reconstructed_features, dim=-1)
    return (1 - cosine) / 2


def consistency_loss(outputs: Outputs, lengths: torch.Tensor) -> torch.Tensor:
    """A snippet's score must equal how badly normality rebuilds it.

    Mean squared difference over all valid snippets of the batch, pooled; both sides learn.
    """
    scores = outputs.logits1.squeeze(-1).sigmoid()
    valid = valid_mask(lengths.to(scores.device), scores.shape[1])
    error = (scores - reconstruction_error(outputs)) ** 2
    return error.masked_fill(~valid, 0.0).sum() / valid.sum()


def dsanet_losses(
    outputs: Outputs,
    labels: torch.Tensor,
    lengths: torch.Tensor,
    loss2_weight: float,
    separation_weight: float = 1.0,
    share: Share | None = None,
) -> dict[str, torch.Tensor]:
    """All loss terms of a batch and their weighted sum.

    Args:
        outputs: of the model, for B videos.
        labels: (B, C) multi-hot, class 0 normal.
        lengths: (B,) valid snippets.
        loss2_weight: weight of the align term (UCF-Crime 1.1, XD-Violence 5.0).
        separation_weight: weight of the separation term (VadCLIP: 0.1 and 1e-4).
        share: this process's, if a step is split over several; the averaged losses are then those
            of the whole batch.

    Returns:
        scalars by name; `total` is what to minimise. Without DCSA `event` and `background` are 0.
        Without SG-NM `consistency` and `compactness` are 0 and align has weight 1: the official
        code drops the weight together with the branch.
    """
    labels = labels.to(outputs.logits1.device)
    losses = {
        "mil": mil_loss(outputs.logits1, labels, lengths),
        "align": align_loss(outputs.logits2, labels, lengths),
        "separation": separation_loss(outputs.text_features),
    }
    weights = {"separation": separation_weight}
    if outputs.logits3 is None:
        losses |= dict.fromkeys(("event", "background"), labels.new_zeros(()))
    else:
        losses["event"] = smoothed_cross_entropy(outputs.logits3.squeeze(1), labels)
        losses["background"] = background_loss(outputs.logits4.squeeze(1))
    if outputs.compactness is None:
        losses |= dict.fromkeys(("consistency", "compactness"), labels.new_zeros(()))
    else:
        losses["consistency"] = consistency_loss(outputs, lengths)
        losses["compactness"] = outputs.compactness
        weights["align"] = loss2_weight
    if share is not None:
        losses |= {name: losses[name] * getattr(share, kind) for name, kind in MEAN_OVER.items()}
    losses["total"] = sum(weights.get(name, 1.0) * loss for name, loss in losses.items())
    return losses
