"""The building blocks that DSANet takes over from VadCLIP (Wu et al., AAAI 2024): attention inside
windows, graph convolutions and the two adjacencies they run on, cosine logits."""

import math
from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F

from utils.network.batch import Filled, valid_mask
from utils.network.openai_clip import clip_model
from utils.system.device import in_float32

TEMPERATURE = 0.07  # CLIP's: cosine similarities are divided by it
SIMILARITY_THRESHOLD = 0.7  # snippets less alike than this are not neighbours
GRAPH_KERNEL = 5  # snippets that a graph convolution's residual looks at


quick_gelu = clip_model.QuickGELU()  # x·σ(1.702x)


def quick_gelu_mlp(width: int) -> nn.Sequential:
    """Linear(D, 4D) -> QuickGELU -> Linear(4D, D), layers named as in CLIP."""
    return nn.Sequential(
        OrderedDict(
            c_fc=nn.Linear(width, 4 * width),
            gelu=quick_gelu,
            c_proj=nn.Linear(4 * width, width),
        )
    )


@in_float32
def cosine_logits(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """(..., N, D), (..., C, D) -> (..., N, C): cosine similarity over CLIP's temperature."""
    return F.normalize(x, dim=-1) @ F.normalize(y, dim=-1).transpose(-1, -2) / TEMPERATURE


class WindowTransformer(nn.Module):
    """Pre-norm transformer whose attention stays inside windows of consecutive snippets.

    Where N is not a multiple of the window the tail forms a last, shorter one. Padding takes part.
    """

    def __init__(self, width: int, layers: int, heads: int, window: int):
        super().__init__()
        self.window = window
        self.resblocks = nn.Sequential(
            *(clip_model.ResidualAttentionBlock(width, heads) for _ in range(layers))
        )

    def forward(
        self, x: torch.Tensor, filled: Filled | None = None, empty: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Attend.

        Args:
            x: (B, N, D).
            filled: where x holds snippets; with it a window of padding alone is computed once and
                not for each video.
            empty: (N, D), what x holds in its padding; needed with `filled`.

        Returns:
            (B, N, D).
        """
        b, n, d = x.shape
        if n < self.window:
            return self._attend(x)
        tail = n % self.window
        whole, rest = x.split([n - tail, tail], dim=1)
        windows = whole.reshape(-1, self.window, d)  # [B, N, D] -> [B·N/w, w, D]
        if filled is None or len(filled.windows) == len(windows):
            windows = self._attend(windows)
        else:
            held = windows.index_select(0, filled.window_rows)
            empty = empty[: n - tail].view(-1, self.window, d)
            y = self._attend(torch.cat([held, empty]))
            held, empty = y[: len(filled.windows)], y[len(held) :]
            windows = empty.repeat(b, 1, 1).index_copy_(0, filled.windows, held)
        if not tail:
            return windows.reshape(x.shape)
        return torch.cat([windows.reshape(whole.shape), self._attend(rest)], dim=1)

    def _attend(self, windows: torch.Tensor) -> torch.Tensor:
        return self.resblocks(windows.transpose(0, 1)).transpose(0, 1)  # CLIP reads [w, B·N/w, D]


class GraphConvolution(nn.Module):
    """A(xW) + residual(x): a graph convolution over the snippets of a video."""

    def __init__(self, in_features: int, out_features: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(in_features, out_features))
        nn.init.xavier_uniform_(self.weight)
        if in_features == out_features:
            self.residual = nn.Identity()
        else:
            self.residual = nn.Conv1d(
                in_features, out_features, GRAPH_KERNEL, padding=GRAPH_KERNEL // 2
            )

    def forward(self, x: torch.Tensor, adjacency: torch.Tensor) -> torch.Tensor:
        """(B, N, in), (B, N, N) or (N, N) -> (B, N, out)."""
        residual = self.residual(x.transpose(1, 2)).transpose(1, 2)  # convolves over N
        return adjacency @ (x @ self.weight) + residual


@in_float32
def similarity_adjacency(x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Cosine similarity of snippet pairs -> (B, N, N), rows of valid snippets summing to 1.

    Values up to 0.7 become 0 and still take part in the row softmax, as e⁰; padding does not.
    """
    norm = x.norm(dim=-1, keepdim=True)
    similarity = x @ x.transpose(1, 2) / (norm @ norm.transpose(1, 2) + 1e-20)
    similarity = F.threshold(similarity, SIMILARITY_THRESHOLD, 0.0)
    valid = valid_mask(lengths, x.shape[1])
    rows = similarity.masked_fill(~valid[:, None, :], float("-inf")).softmax(dim=-1)
    return rows.masked_fill(~valid[:, :, None], 0.0)


class DistanceAdjacency(nn.Module):
    """exp(−|i−j|/e): the nearer two snippets in time, the closer. Constant.

    `sigma` is part of the released weight files; nothing reads it.
    """

    def __init__(self, n: int):
        super().__init__()
        self.sigma = nn.Parameter(torch.tensor([0.1]))
        position = torch.arange(n)
        distance = (position[:, None] - position[None, :]).abs()
        self.register_buffer("adjacency", torch.exp(-distance / math.e), persistent=False)

    def forward(self, n: int) -> torch.Tensor:
        """-> (n, n)."""
        return self.adjacency[:n, :n]
