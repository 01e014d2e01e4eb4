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


def decompose(
    visual: torch.Tensor, scores: torch.Tensor, complement: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Split (B, N, D) features by (B, N) scores S_det into event and background, each (B, 1, D).

    The background has its own weights, ∝ e^{10 (1−s)} − 1, as in the official code, or with
    `complement` the paper's, ∝ 1 − w_event.
    """
    w_event = soft_weights(scores)
    if complement:
        w_background = F.normalize(1 - w_event, p=1, dim=1, eps=1e-12)
    else:
        w_background = soft_weights(1 - scores)
    return w_event[:, None] @ visual, w_background[:, None] @ visual  # [B, 1, N] @ [B, N, D]


@in_float32
def dcsa_logits(
    visual: torch.Tensor, scores: torch.Tensor, text: torch.Tensor, complement: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """logits3 and logits4, each (B, 1, C): event and background against the texts (C, D)."""
    event, background = decompose(visual, scores, complement)
    return cosine_logits(event, text), cosine_logits(background, text)
