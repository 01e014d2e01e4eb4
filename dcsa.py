"""DCSA: decoupled contrastive semantic alignment (DSANet, arXiv 2511.10334).

The detection scores split a video softly into its event and its background; each is pooled into one
feature and aligned with the class texts on its own: the event with the video's label, the
background with "normal".
"""

import torch
from torch.nn import functional as F

from utils.network.layers import cosine_logits
from utils.system.device import in_float32

SCALE = 10.0  # sharpness of the split


def normalize(weights: torch.Tensor, valid: torch.Tensor | None) -> torch.Tensor:
    """(B, N) weights -> the same summing to 1 over the N positions, or over the valid ones."""
    if valid is not None:
        weights = weights.masked_fill(~valid, 0.0)
    return F.normalize(weights, p=1, dim=1, eps=1e-12)


def soft_weights(scores: torch.Tensor, valid: torch.Tensor | None = None) -> torch.Tensor:
    """(B, N) scores in [0, 1] -> (B, N) weights ∝ e^{10 s} − 1, summing to 1 over N.

    Where every score is 0 all weights are 0.
    """
    return normalize(torch.expm1(SCALE * scores), valid)


def decompose(
    visual: torch.Tensor,
    scores: torch.Tensor,
    complement: bool = False,
    valid: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Split features into event and background, each (B, 1, D).

    Args:
        visual: (B, N, D).
        scores: (B, N) S_det.
        complement: weigh the background by 1 − w_event, as in the paper, and not by weights of its
            own, ∝ e^{10 (1−s)} − 1, as the official code does.
        valid: (B, N) which positions take part; None for all, padding included, as in the official
            code.
    """
    w_event = soft_weights(scores, valid)
    w_background = normalize(1 - w_event, valid) if complement else soft_weights(1 - scores, valid)
    return w_event[:, None] @ visual, w_background[:, None] @ visual  # [B, 1, N] @ [B, N, D]


@in_float32
def dcsa_logits(
    visual: torch.Tensor,
    scores: torch.Tensor,
    text: torch.Tensor,
    complement: bool = False,
    valid: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """logits3 and logits4, each (B, 1, C): event and background against the texts (C, D)."""
    event, background = decompose(visual, scores, complement, valid)
    return cosine_logits(event, text), cosine_logits(background, text)
