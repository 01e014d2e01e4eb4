"""What a model says of a batch."""

from typing import NamedTuple

import torch


class Outputs(NamedTuple):
    """Of B videos of N snippets, for C classes; see DSANet.forward. None where a part is off."""

    text_features: torch.Tensor | None  # (C, D), unit rows but with learnable prompts
    logits1: torch.Tensor  # (B, N, 1) detection
    logits2: torch.Tensor | None  # (B, N, C) alignment
    logits3: torch.Tensor | None  # (B, 1, C) event against text, with DCSA
    logits4: torch.Tensor | None  # (B, 1, C) background against text, with DCSA
    visual_features: torch.Tensor | None  # (B, N, D)
    reconstructed_features: torch.Tensor | None  # (B, N, D) in training with SG-NM
    compactness: torch.Tensor | None  # scalar in training with SG-NM
