"""CLIP-text adapter: CLIP's frozen text transformer with light adapters in its first blocks.

DSANet (arXiv 2511.10334), the text branch. The adapters let the class texts move towards the video
domain without touching CLIP's weights.
"""

import torch
from torch import nn

from utils.network.clip_text import TextTransformer


class Adapter(nn.Module):
    """One bias-free linear layer and LeakyReLU."""

    def __init__(self, width: int):
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(width, width, bias=False), nn.LeakyReLU())
        nn.init.xavier_uniform_(self.fc[0].weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x)


class ClipTextAdapter(nn.Module):
    """Adapters for the first `adapt_until` blocks, and one more for the output.

    Args:
        width: D, of the text transformer.
        adapt_until: number of adapted blocks (paper: 3 on UCF-Crime, 1 on XD-Violence).
        weight: share of the adapter's output in an adapted block, `t_w` (0.1 / 0.6).
    """

    def __init__(self, *, width: int, adapt_until: int, weight: float):
        super().__init__()
        self.adapt_until = adapt_until
        self.weight = weight
        self.text_adapter = nn.ModuleList(Adapter(width) for _ in range(adapt_until + 1))

    def forward(self, clip: TextTransformer, tokens: torch.Tensor) -> torch.Tensor:
        """(P, L) token ids -> (P, D), one feature per text, not normalised.

        CLIP's own text projection is not used: the output adapter takes its place.
        """
        end_of_text = tokens.argmax(dim=-1)  # the largest token id
        return self.text_adapter[-1](clip.transform(clip.embed(tokens), end_of_text, self._adapt))

    def _adapt(self, block: int, x: torch.Tensor) -> torch.Tensor:
        """(L, P, D) behind a block -> what the next one reads."""
        if block >= self.adapt_until:
            return x
        adapted = self.text_adapter[block](x)
        # Scaled to the length of x first, so that `weight` alone decides the share.
        scale = x.norm(dim=-1, keepdim=True) / (adapted.norm(dim=-1, keepdim=True) + 1e-6)
        return self.weight * scale * adapted + (1 - self.weight) * x
