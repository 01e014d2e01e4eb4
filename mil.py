"""The multiple-instance ranking baseline (Sultani et al., CVPR 2018), on the same CLIP features.

The clip's N snippets are the segments of MIL (32 in the paper). A small network scores each of
them alone; the highest-scored segment of an anomalous video must rank above that of every normal
one. It says when, and cannot say what. Chosen by `--method mil`.
"""

import torch
from torch import nn
from torch.nn import functional as F

from utils.network.backbone import WIDTH
from utils.network.batch import Outputs, stretch
from utils.system.device import in_float32

HIDDEN = (512, 32)
DROPOUT = 0.6
SMOOTHNESS_WEIGHT = SPARSITY_WEIGHT = 8e-5
LOSSES = ("ranking", "smoothness", "sparsity")


class MILRanking(nn.Module):
    """Features -> 512 -> 32 -> 1, ReLU behind the first layer, dropout between layers.

    Args:
        width: of the features.
    """

    def __init__(self, width: int = WIDTH):
        super().__init__()
        self.scorer = nn.Sequential(
            nn.Linear(width, HIDDEN[0]),
            nn.ReLU(),
            nn.Dropout(DROPOUT),
            nn.Linear(*HIDDEN),
            nn.Dropout(DROPOUT),
            nn.Linear(HIDDEN[1], 1),
        )
        for layer in self.scorer:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_normal_(layer.weight)
                nn.init.zeros_(layer.bias)

    def encode_text(self) -> None:
        """It reads no text."""

    def forward(
        self, visual: torch.Tensor, lengths: torch.Tensor, text_features=None, filled=None
    ) -> Outputs:
        """(B, N, D) features -> Outputs whose logits1 (B, N, 1) alone is there.

        In training the N rows are MIL's segments of a video; in testing each snippet is one.
        """
        return Outputs.of_detection(self.score(visual))

    @in_float32
    def score(self, visual: torch.Tensor) -> torch.Tensor:
        """(B, N, D) -> logits (B, N, 1)."""
        return self.scorer(F.normalize(visual, dim=-1))


def ranking_losses(
    logits1: torch.Tensor, labels: torch.Tensor, lengths: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Eq. 7 of the paper, over all pairs of an anomalous and a normal video of the batch.

    Args:
        logits1: (B, S, 1) of S segments.
        labels: (B, C) multi-hot, class 0 normal.
        lengths: (B,) valid rows; where a video has fewer than S, each stands for several segments.

    Returns:
        scalars by name: `ranking`, the hinge between the two highest scores; `smoothness` and
        `sparsity` of the anomalous videos' scores, weighted; their sum `total`.
    """
    scores = logits1.squeeze(-1).sigmoid()
    scores = stretch(scores, lengths.to(scores.device))  # [B, S]
    normal = labels[:, 0].to(scores.device)
    anomalous = 1 - normal

    top = scores.amax(dim=1)
    hinge = F.relu(1 - top[:, None] + top[None, :])  # [anomalous, normal]
    pairs = anomalous[:, None] * normal[None, :]
    changes = (scores.diff(dim=1) ** 2).sum(dim=1)
    videos = anomalous.sum().clamp(min=1)
    losses = {
        "ranking": (hinge * pairs).sum() / pairs.sum().clamp(min=1),
        "smoothness": SMOOTHNESS_WEIGHT * (changes * anomalous).sum() / videos,
        "sparsity": SPARSITY_WEIGHT * (scores.sum(dim=1) * anomalous).sum() / videos,
    }
    return losses | {"total": sum(losses.values())}
