"""SG-NM: self-guided normality modelling (DSANet, arXiv 2511.10334).

A video's own most normal snippets are condensed into a few dynamic normal prototypes, and every
snippet is reconstructed from these alone. What is abnormal cannot be rebuilt from normality, so the
reconstruction's error must agree with the detection score (the consistency loss). Used in training
only; with `--score-residual` in tests, too.
"""

import torch
from torch import nn
from torch.nn import functional as F

from utils.network.batch import Filled, valid_mask
from utils.network.layers import quick_gelu_mlp
from utils.system.device import in_float32
from utils.system.parallel import summed

HEADS = 8
NORM_EPS = 1e-8
INIT_STD = 0.01
INIT_BOUND = 0.03


class MLP(nn.Module):
    """Linear(D, 4D) -> GELU -> Linear(4D, D)."""

    def __init__(self, width: int):
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class CrossAttention(nn.Module):
    """Queries from x, keys and values from a context; subclasses say how the two are weighted."""

    def __init__(self, width: int):
        super().__init__()
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)

    def weigh(self, q: torch.Tensor, k: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """(B, H, N, d), (B, H, M, d), which of the M count (B, M) or None -> (B, H, N, M)."""
        raise NotImplementedError

    def forward(
        self,
        x: torch.Tensor,
        context: torch.Tensor,
        filled: Filled | None = None,
        mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """(B, N, D), (B, M, D) -> (B, N, D); with `filled` (R, D), (B, M, D) -> (R, D)."""
        q = self.q(x) if filled is None else filled.unpack(self.q(x))
        q = q.unflatten(-1, (HEADS, -1)).transpose(1, 2)  # [B, N, D] -> [B, H, N, d]
        kv = self.kv(context).unflatten(-1, (2, HEADS, -1))  # [B, M, 2D] -> [B, M, 2, H, d]
        k, v = kv.permute(2, 0, 3, 1, 4)  # each [B, H, M, d]
        y = (self.weigh(q, k, mask) @ v).transpose(1, 2).flatten(2)  # [B, H, N, d] -> [B, N, D]
        return self.proj(y if filled is None else filled.pack_rows(y))


class SoftmaxAttention(CrossAttention):
    """Scaled dot products and softmax: how prototypes gather normal snippets."""

    @in_float32
    def weigh(self, q: torch.Tensor, k: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        products = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if mask is not None:
            products = products.masked_fill(~mask[:, None, None, :], float("-inf"))
        return products.softmax(dim=-1)


class CosineReluAttention(CrossAttention):
    """Cosines times a learned scale per head, ReLU instead of softmax: a snippet unlike every
    prototype gets nothing to rebuild itself from."""

    def __init__(self, width: int):
        super().__init__(width)
        self.learn_scale = nn.Parameter(torch.ones(HEADS, 1, 1))

    @in_float32
    def weigh(self, q: torch.Tensor, k: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        cosine = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-1, -2)
        weights = F.relu(cosine * self.learn_scale)
        return weights if mask is None else weights.masked_fill(~mask[:, None, None, :], 0.0)


class Block(nn.Module):
    """Pre-norm cross attention and MLP; one LayerNorm serves both sides of the attention.

    The residual around the attention is optional: without it all that reaches the output comes from
    the context.
    """

    def __init__(self, width: int, attention: type[CrossAttention], residual: bool):
        super().__init__()
        self.residual = residual
        self.norm1 = nn.LayerNorm(width, eps=NORM_EPS)
        self.attn = attention(width)
        self.norm2 = nn.LayerNorm(width, eps=NORM_EPS)
        self.mlp = MLP(width)

    def forward(
        self,
        x: torch.Tensor,
        context: torch.Tensor,
        filled: Filled | None = None,
        mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """(B, N, D), (B, M, D) -> (B, N, D); with `filled` (R, D), (B, M, D) -> (R, D).

        `mask` (B, M) says which of the context counts; all of it without one.
        """
        y = self.attn(self.norm1(x), self.norm1(context), filled, mask)
        x = x + y if self.residual else y
        return x + self.mlp(self.norm2(x))


def normal_counts(
    lengths: torch.Tensor, ratio: float, is_normal: torch.Tensor | None = None
) -> torch.Tensor:
    """(B,) valid snippets -> (B,), how many of them count as normal: ⌊len·ratio⌋, at least 1; all
    of a video that is known to be normal, `is_normal` (B,)."""
    counts = (lengths * ratio).long().clamp(min=1)
    return counts if is_normal is None else torch.where(is_normal, lengths, counts)


@in_float32
def scores_by_distance(
    visual: torch.Tensor, scores: torch.Tensor, lengths: torch.Tensor, is_normal: torch.Tensor
) -> torch.Tensor:
    """Scores for the warm-up: −cos of each snippet to the mean direction of the normal videos'
    snippets, (B, N, D), (B, N), (B,), (B,) -> (B, N). Returns `scores` if no video is normal."""
    visual = F.normalize(visual, dim=-1)
    counted = valid_mask(lengths, visual.shape[1]) & is_normal[:, None]
    mean = summed(visual.masked_fill(~counted[:, :, None], 0.0).sum(dim=(0, 1)))
    return torch.where(mean.any(), -(visual @ F.normalize(mean, dim=0)), scores)


class SGNM(nn.Module):
    """Normal-frame selection, dynamic normal prototypes, and reconstruction from them.

    Args:
        width: D, of the visual features.
        num_prototypes: K, prototypes per video.
        normal_selection_ratio: share of the snippets, those with the lowest scores, that counts as
            normal.
        own_snippets_only: whether these are chosen among the video's own snippets, as in the paper,
            or among all N positions, padding included, as in the official code.
        decoder_depth: number of decoder blocks.
        decoder_residual: whether every decoder block but the first has a residual around its
            attention, as in the paper; the official code has none in any.
    """

    def __init__(
        self,
        *,
        width: int,
        num_prototypes: int,
        normal_selection_ratio: float,
        decoder_depth: int,
        own_snippets_only: bool = False,
        decoder_residual: bool = False,
    ):
        super().__init__()
        self.normal_selection_ratio = normal_selection_ratio
        self.own_snippets_only = own_snippets_only
        self.video_prototypes = nn.Parameter(torch.randn(num_prototypes, width))
        self.dnp_extractor = nn.ModuleList([Block(width, SoftmaxAttention, residual=True)])
        self.bottleneck = quick_gelu_mlp(width)
        self.decoder = nn.ModuleList(
            Block(width, CosineReluAttention, residual=decoder_residual and i > 0)
            for i in range(decoder_depth)
        )
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=INIT_STD, a=-INIT_BOUND, b=INIT_BOUND)
                nn.init.zeros_(module.bias)

    def forward(
        self,
        visual: torch.Tensor,
        scores: torch.Tensor,
        lengths: torch.Tensor,
        filled: Filled | None = None,
        is_normal: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Reconstruct features from normality.

        Args:
            visual: (B, N, D) visual features.
            scores: (B, N) detection scores S_det.
            lengths: (B,) valid snippets.
            filled: where the clips hold snippets; with it only these are reconstructed, and the
                reconstruction is 0 elsewhere.
            is_normal: (B,) which videos are normal; given only during `--normal-warmup`, while the
                scores are not trusted yet.

        Returns:
            the reconstruction (B, N, D) and the compactness loss, a scalar.
        """
        # Detached: neither compactness nor the prototypes pull on the visual features.
        normal, mask = self.select_normal(visual.detach(), scores, lengths, is_normal)
        prototypes = self.gather_prototypes(normal, mask)
        x = self.bottleneck(visual if filled is None else filled.pack_rows(visual))
        for block in self.decoder:
            x = block(x, prototypes, filled)
        x = (x if filled is None else filled.unpack(x)).to(visual.dtype)
        return x, compactness(normal, prototypes, mask)

    def select_normal(
        self,
        visual: torch.Tensor,
        scores: torch.Tensor,
        lengths: torch.Tensor,
        is_normal: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The snippets taken for normal (B, M, D), and which of the M count (B, M); None: all.

        Official code: the ⌊N·ratio⌋ lowest scores of all N positions. Paper (`own_snippets_only`):
        the ⌊len·ratio⌋ lowest of the video's own. Warm-up (`is_normal` is given): all snippets of
        the normal videos, and of the others the ⌊len·ratio⌋ that are nearest to these.
        """
        n, ratio = visual.shape[1], self.normal_selection_ratio
        most = max(1, int(n * ratio))
        if is_normal is None and not self.own_snippets_only:
            return lowest_scored(visual, scores, most), None
        if is_normal is not None:
            scores = scores_by_distance(visual, scores, lengths, is_normal)
            most = n  # a normal video may have that many
        scores = scores.masked_fill(~valid_mask(lengths, n), float("inf"))
        counts = normal_counts(lengths, ratio, is_normal)
        return lowest_scored(visual, scores, most), valid_mask(counts, most)

    def gather_prototypes(
        self, normal: torch.Tensor, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Normal snippets (B, M, D), those that count (B, M) -> prototypes (B, K, D)."""
        prototypes = self.video_prototypes.expand(len(normal), -1, -1)  # [K, D] -> [B, K, D]
        for block in self.dnp_extractor:
            prototypes = block(prototypes, normal, mask=mask)
        return prototypes


def lowest_scored(visual: torch.Tensor, scores: torch.Tensor, count: int) -> torch.Tensor:
    """(B, N, D), (B, N) -> (B, count, D), the snippets with the lowest scores, lowest first."""
    index = scores.topk(count, dim=1, largest=False).indices
    return visual.take_along_dim(index[:, :, None], dim=1)


@in_float32
def nearest_prototype_distance(features: torch.Tensor, prototypes: torch.Tensor) -> torch.Tensor:
    """(B, M, D), (B, K, D) -> (B, M), distance 1 − cos of each feature to its nearest prototype."""
    cosine = F.normalize(features, dim=-1) @ F.normalize(prototypes, dim=-1).transpose(1, 2)
    return 1 - cosine.amax(dim=-1)


def compactness(
    normal: torch.Tensor, prototypes: torch.Tensor, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Mean distance of the normal snippets (B, M, D), those that count, to their prototypes."""
    distance = nearest_prototype_distance(normal, prototypes)
    if mask is None:
        return distance.mean()
    return distance.masked_fill(~mask, 0.0).sum() / mask.sum()
