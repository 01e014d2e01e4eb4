"""CLIP-TSA: temporal self-attention in front of RTFM (Joo et al., ICIP 2023, arXiv 2212.05136).

A small scorer says which snippets of a video matter, and those among the k = κT best stay. To let a
gradient through, the choice is made N = 100 times of scores with noise added (perturbed optimizers,
Berthet et al. 2020); a snippet is then weighted by how often it was chosen. rtfm.py is what comes
after. Chosen by `--method clip-tsa`.
"""

from collections import OrderedDict

import torch
from torch import nn

from rtfm import RTFM, initialise, of_videos
from utils.network.backbone import WIDTH
from utils.system.device import in_float32, to_device

HIDDEN = 256  # of the scorer
DRAWS = 100  # N
SIGMA = 0.05  # of the noise
TEST_SEED = 0  # of the noise in testing
ESTIMATORS = ("centred", "standard", "official")


class PerturbedTopK(torch.autograd.Function):
    """How often each score is among the k largest, see `topk_weights`.

    The official code keeps a one-hot row for each rank and draw, (M, N, k, T); but nothing depends
    on the rank, so whether a snippet is chosen, (M, N, T), is all there is to know.
    """

    @staticmethod
    def forward(ctx, scores, k, noise, sigma, estimator):
        chosen = (scores[:, None] + sigma * noise).topk(k, dim=-1, sorted=False).indices
        member = torch.zeros(noise.shape, dtype=torch.bool, device=scores.device)
        member.scatter_(-1, chosen, True)
        ctx.save_for_backward(member, noise)
        ctx.k, ctx.sigma, ctx.estimator = k, sigma, estimator
        return member.sum(dim=1, dtype=scores.dtype) / noise.shape[1]

    @staticmethod
    def backward(ctx, g):
        member, noise = ctx.saved_tensors
        draws = noise.shape[1]
        if ctx.k == noise.shape[2]:  # all are chosen, whatever their scores
            return torch.zeros_like(g), None, None, None, None
        member = member.to(g.dtype)
        if ctx.estimator == "official":  # the transposed Jacobian
            ds = torch.einsum("mnt,mn->mt", member, torch.einsum("mnt,mt->mn", noise, g))
        else:
            h = torch.einsum("mnt,mt->mn", member, g)
            if ctx.estimator == "centred":  # else standard
                h = h - h.mean(dim=1, keepdim=True)
                draws = draws - 1
            ds = torch.einsum("mnt,mn->mt", noise, h)
        return ds / (draws * ctx.sigma), None, None, None, None


def topk_weights(
    scores: torch.Tensor,
    k: int,
    noise: torch.Tensor,
    sigma: float = SIGMA,
    estimator: str = "centred",
) -> torch.Tensor:
    """A top-k that gradients pass through: the share of N draws in which a score is among the k
    largest of scores + σ·noise.

    All estimators of the gradient have the same expectation. With g = ∂L/∂w, m_j whether draw j
    chose, z_j its noise and h_j = ⟨m_j, g⟩ they are

        standard  Σ_j z_j h_j / (Nσ)
        centred   Σ_j z_j (h_j − h̄) / ((N − 1)σ): m_j sums to k, so a mean of g other than 0 adds
                  noise alone to the standard one; this takes it out
        official  Σ_j m_j ⟨z_j, g⟩ / (Nσ), what CLIP-TSA's code computes

    Args:
        scores: (M, T).
        k: 1…T.
        noise: (M, N, T), standard normal; N > 1.
        sigma: σ.
        estimator: of the gradient.

    Returns:
        (M, T) weights in 0…1, each row summing to k.

    Raises:
        ValueError: there is no such k or estimator.
    """
    if not 1 <= k <= scores.shape[1] or estimator not in ESTIMATORS:
        raise ValueError(f"k {k} of {scores.shape[1]}, estimator {estimator}: see above")
    return PerturbedTopK.apply(scores, k, noise, sigma, estimator)


class HardAttention(nn.Module):
    """Snippets weighted by whether they are among the best; none changes its place.

    Args:
        width: D, of the features.
        kappa: κ, share of the snippets that stay.
        cap: most snippets that stay in testing; 0 for no limit.
        estimator: of the gradient, see `topk_weights`.
    """

    def __init__(self, width: int, kappa: float, cap: int, estimator: str):
        super().__init__()
        self.kappa = kappa
        self.cap = cap
        self.estimator = estimator
        self.scorer = nn.Sequential(
            OrderedDict(
                fc1=nn.Linear(width, HIDDEN),
                relu=nn.ReLU(),
                fc2=nn.Linear(HIDDEN, 1),
                sigmoid=nn.Sigmoid(),
            )
        )
        self.apply(initialise)

    def most(self, snippets: int) -> int:
        """k of a video of T snippets."""
        k = max(1, int(self.kappa * snippets))
        return min(k, self.cap) if self.cap and not self.training else k

    def draw(self, x: torch.Tensor) -> torch.Tensor:
        """Noise for (M, T, D) -> (M, N, T). In testing a video gets the same each time, alone or in
        company, from a generator that nothing else draws from."""
        m, t, _ = x.shape
        if self.training:
            return torch.randn(m, DRAWS, t, device=x.device)
        generator = torch.Generator().manual_seed(TEST_SEED)
        return to_device(torch.randn(1, DRAWS, t, generator=generator), x.device).expand(m, -1, -1)

    @in_float32
    def forward(self, x: torch.Tensor, noise: torch.Tensor | None = None) -> torch.Tensor:
        """(M, T, D) -> (M, T, D); `noise` (M, N, T) instead of what would be drawn."""
        scores = self.scorer(x).squeeze(-1)
        noise = self.draw(x) if noise is None else noise
        weights = topk_weights(scores, self.most(x.shape[1]), noise, estimator=self.estimator)
        return weights[..., None] * x


class CLIPTSA(RTFM):
    """RTFM behind the attention.

    Args:
        width, crops: as for RTFM.
        kappa, cap, estimator: as for HardAttention.
    """

    def __init__(
        self, width: int = WIDTH, crops: int = 1, *, kappa: float, cap: int, estimator: str
    ):
        super().__init__(width, crops)
        self.hard_attention = HardAttention(width, kappa, cap, estimator)

    def network(
        self, x: torch.Tensor, noise: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(M, T, D), and noise (M, N, T) where it is given -> as RTFM's."""
        return super().network(self.hard_attention(x, noise))

    def encode(
        self, visual: torch.Tensor, noise: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As RTFM's; with noise (2B, N, S), of n crops (2B·n, N, S), where it is given."""
        return of_videos(visual.shape, *self.network(visual.flatten(0, -3), noise))
