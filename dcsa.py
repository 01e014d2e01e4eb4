"""DCSA: decoupled contrastive semantic alignment (DSANet, arXiv 2511.10334).

The detection scores split a video softly into its event and its background; each is pooled into one
feature and aligned with the class texts on its own: the event with the video's label, the
background with "normal".
"""

import torch
from torch.nn import functional as F

from utils.device import in_float32
from utils.layers import cosine_logits

SCALE = 10.0  # sharpness of the split


def soft_weights(scores: torch.Tensor) -> torch.Tensor:
    """(B, N) scores in [0, 1] -> (B, N) weights ∝ e^{10 s} − 1, summing to 1 over N.

    All N positions take part, padding included. Where every score is 0 all weights are 0.
    """
    return F.normalize(torch.expm1(SCALE * scores), p=1, dim=1, eps=1e-12)


def decompose(visual: torch.Tensor, scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Split (B, N, D) features by (B, N) scores S_det into event and background, each (B, 1, D).

    The background has its own weights, ∝ e^{10 (1−s)} − 1; the paper has 1 − w_event.
    """
    event = soft_weights(scores)[:, None] @ visual  # [B, 1, N] @ [B, N, D]
    background = soft_weights(1 - scores)[:, None] @ visual
    return event, background


@in_float32
def dcsa_logits(
    visual: torch.Tensor, scores: torch.Tensor, text: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """logits3 and logits4, each (B, 1, C): event and background against the texts (C, D)."""
    event, background = decompose(visual, scores)
    return cosine_logits(event, text), cosine_logits(background, text)
