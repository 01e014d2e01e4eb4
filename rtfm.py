"""RTFM: robust temporal feature magnitude (Tian et al., ICCV 2021, arXiv 2101.10030), on the same
CLIP features.

In training a video is S = 32 segments. A temporal network sees each beside its neighbours, near and
far, and beside all others; where something abnormal happens, what comes out shall be large. So the
three segments of largest magnitude speak for a video: for its score, and for its magnitude, which
is to be 0 where the video is normal and 100 where it is not. It says when, and cannot say what.
Chosen by `--method rtfm`; clip_tsa.py puts CLIP-TSA's attention in front.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from losses import video_cross_entropy
from utils.network.backbone import WIDTH
from utils.network.batch import Filled, Outputs, stretch
from utils.system.device import in_float32

DILATIONS = (1, 2, 4)
DROPOUT = 0.7
SEGMENTS_PER_VOTE = 10  # one segment in so many speaks for the video
MARGIN = 100.0  # magnitude of an anomalous video
MAGNITUDE_WEIGHT = 1e-4
SMOOTHNESS_WEIGHT = 8e-4
SPARSITY_WEIGHT = 8e-3
LOSSES = ("classification", "magnitude", "smoothness", "sparsity")


class NonLocal(nn.Module):
    """Every position sees every other one: x + W((θᵀφ / T) g), without a softmax.

    So φ and g can be multiplied first, at a cost linear in T. It starts as the identity.

    Args:
        width: q, channels.
    """

    def __init__(self, width: int):
        super().__init__()
        inner = max(1, width // 2)
        self.g, self.theta, self.phi = (nn.Conv1d(width, inner, 1) for _ in range(3))
        self.W = nn.Sequential(nn.Conv1d(inner, width, 1), nn.BatchNorm1d(width))
        nn.init.zeros_(self.W[1].weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(M, q, T) -> (M, q, T)."""
        return x + self.W(self.attend(self.theta(x), self.phi(x), self.g(x)))

    @in_float32
    def attend(self, theta: torch.Tensor, phi: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        """(M, q/2, T) each -> (M, q/2, T); sums over T in bfloat16 would not do."""
        kernel = g @ phi.transpose(1, 2) / g.shape[2]  # [M, q/2, q/2]
        return kernel @ theta


class MultiScaleTemporalNetwork(nn.Module):
    """Convolutions over three neighbourhoods and the non-local block, fused and added.

    Args:
        width: D, of the features; each of the four branches has q = D/4 channels.
    """

    def __init__(self, width: int):
        super().__init__()
        q = max(1, width // 4)
        self.conv_1, self.conv_2, self.conv_3 = (
            nn.Sequential(
                nn.Conv1d(width, q, 3, dilation=d, padding=d), nn.ReLU(), nn.BatchNorm1d(q)
            )
            for d in DILATIONS
        )
        self.conv_4 = nn.Sequential(nn.Conv1d(width, q, 1, bias=False), nn.ReLU())
        self.conv_5 = nn.Sequential(
            nn.Conv1d(4 * q, width, 3, padding=1, bias=False), nn.ReLU(), nn.BatchNorm1d(width)
        )
        self.non_local = NonLocal(q)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(M, T, D) -> (M, T, D)."""
        x = x.transpose(1, 2)  # convolves over T
        near = [conv(x) for conv in (self.conv_1, self.conv_2, self.conv_3)]
        far = self.non_local(self.conv_4(x))
        return (self.conv_5(torch.cat([*near, far], dim=1)) + x).transpose(1, 2)


class RTFM(nn.Module):
    """The network. Parameter names match the published weight files.

    Args:
        width: D, of the features.
        crops: n of a video that a training step takes together, one row after another.
    """

    def __init__(self, width: int = WIDTH, crops: int = 1):
        super().__init__()
        self.crops = crops
        hidden = max(1, width // 4), max(1, width // 16)
        self.Aggregate = MultiScaleTemporalNetwork(width)
        self.fc1 = nn.Linear(width, hidden[0])
        self.fc2 = nn.Linear(*hidden)
        self.fc3 = nn.Linear(hidden[1], 1)
        self.dropout = nn.Dropout(DROPOUT)
        self.apply(initialise)

    def encode_text(self) -> None:
        """It reads no text."""

    def network(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(M, T, D) -> features X̂ (M, T, D) and logits (M, T, 1) of M crops."""
        features = self.dropout(self.Aggregate(x))
        return features, self.detect(features)

    @in_float32
    def detect(self, features: torch.Tensor) -> torch.Tensor:
        """(M, T, D) -> logits (M, T, 1)."""
        x = self.dropout(F.relu(self.fc1(features)))
        return self.fc3(self.dropout(F.relu(self.fc2(x))))

    def encode(self, visual: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The segments of videos, or whole videos, as the papers have them.

        Args:
            visual: (2B, S, D), or (2B, n, S, D) of n crops.

        Returns:
            features X̂ of the shape of `visual`, and scores (2B, S), the mean of a video's crops.
        """
        return of_videos(visual.shape, *self.network(visual.flatten(0, -3)))

    def forward(
        self,
        visual: torch.Tensor,
        lengths: torch.Tensor,
        text_features: None = None,
        filled: Filled | None = None,
    ) -> Outputs:
        """`encode` as the scripts call it.

        Args:
            visual: (B, N, D) features, zero behind each video's end. In training the N rows become
                the segments of a video; in testing each video is seen by itself and whole.
            lengths: (B,) valid rows of each, at least 1.
            filled: the same lengths as indices, so that nothing has to be asked of the device.

        Returns:
            Outputs of `logits1` (B, N, 1) and `visual_features` X̂ (B, N, D); the others None.
        """
        if self.training:
            features, logits = self.network(stretch(visual, lengths.to(visual.device)))
        elif filled is not None and len(filled.snippets) == math.prod(filled.shape):  # no padding
            features, logits = self.network(visual)
        else:  # padded batches, which no script makes
            videos = zip(visual, lengths.tolist(), strict=True)
            whole = [self.network(video[None, :t]) for video, t in videos]
            features, logits = (
                torch.cat([F.pad(x, (0, 0, 0, visual.shape[1] - x.shape[1])) for x in part])
                for part in zip(*whole, strict=True)
            )
        return Outputs.of_detection(logits, features)

    def losses(self, outputs: Outputs) -> dict[str, torch.Tensor]:
        """`rtfm_losses` of a training step, normal videos first. A segment may be chosen where
        dropout leaves it.

        Args:
            outputs: of `forward` for the n crops of 2B videos.
        """
        features = outputs.visual_features.float().unflatten(0, (-1, self.crops))
        scores = outputs.logits1.squeeze(-1).sigmoid().unflatten(0, (-1, self.crops)).mean(dim=1)
        half = len(scores) // 2
        anomalous, normal = (self.dropout(torch.ones_like(scores[:half])) for _ in range(2))
        return rtfm_losses(features, scores, half, torch.cat([normal, anomalous]))


def of_videos(
    shape: torch.Size, features: torch.Tensor, logits: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """What `RTFM.network` gives of crops, as features of the shape (2B, n, S, D) or (2B, S, D) and
    scores (2B, S), the mean of a video's crops."""
    scores = logits.squeeze(-1).sigmoid().view(shape[:-1])
    return features.view(shape), scores if len(shape) == 3 else scores.mean(dim=1)


def initialise(module: nn.Module) -> None:
    """Xavier-uniform weights, no biases."""
    if isinstance(module, nn.Conv1d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def rtfm_losses(
    features: torch.Tensor,
    scores: torch.Tensor,
    normal: int,
    mask: torch.Tensor | None = None,
) -> dict[str, torch.Tensor]:
    """Eqs. 5 to 8 of the paper. Sums and norms reach over the batch, as in the official code.

    Args:
        features: X̂ (2B, S, D), or (2B, n, S, D) of n crops.
        scores: (2B, S).
        normal: B, how many come first and are normal; as many anomalous ones follow.
        mask: (2B, S) by which magnitudes are multiplied before the largest are chosen.

    Returns:
        scalars by name, each with its weight: `classification` of the chosen segments' scores;
        `magnitude` of their features; `smoothness` and `sparsity` of the anomalous videos' scores;
        their sum `total`.
    """
    if features.ndim == 3:
        features = features[:, None]  # [2B, S, D] -> [2B, 1, S, D]
    chosen = choose_segments(features, mask)
    video_scores = scores.gather(1, chosen).mean(dim=1)
    index = chosen[:, None, :, None].expand(-1, features.shape[1], -1, features.shape[-1])
    magnitudes = features.gather(2, index).mean(dim=2).norm(dim=-1)  # [2B, n]
    of_normal, of_anomalous = magnitudes.split([normal, len(magnitudes) - normal])
    is_anomalous = torch.arange(len(scores), device=scores.device) >= normal
    abnormal = scores[normal:].flatten()  # changes across videos count, too
    losses = {
        "classification": video_cross_entropy(video_scores, is_anomalous.to(scores.dtype)),
        "magnitude": MAGNITUDE_WEIGHT * (((MARGIN - of_anomalous).abs() + of_normal) ** 2).mean(),
        "smoothness": SMOOTHNESS_WEIGHT * (abnormal.diff() ** 2).sum(),
        "sparsity": SPARSITY_WEIGHT * abnormal.norm(),
    }
    return losses | {"total": sum(losses.values())}


def choose_segments(features: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """The segments that speak for a video: those of largest magnitude.

    Args:
        features: X̂ (2B, n, S, D) of n crops, whose magnitudes are averaged.
        mask: (2B, S), as for `rtfm_losses`.

    Returns:
        (2B, max(1, S // 10)) indices, ascending; no gradient passes through the choice.
    """
    magnitudes = features.detach().norm(dim=-1).mean(dim=1)
    if mask is not None:
        magnitudes = magnitudes * mask
    votes = max(1, magnitudes.shape[1] // SEGMENTS_PER_VOTE)
    return magnitudes.topk(votes, dim=1).indices.sort(dim=1).values
