"""What goes into a network and what comes out: clips padded to N snippets, and their outputs."""

from typing import NamedTuple

import torch

from utils.system.device import to_device

CPU = torch.device("cpu")
PARTS = 64  # of a large batch; see `Filled.rows`
LARGE = 4096  # snippets of a batch, B·N


def valid_mask(lengths: torch.Tensor, n: int) -> torch.Tensor:
    """(B,) valid snippets -> (B, n) bool, True where a snippet is valid."""
    return torch.arange(n, device=lengths.device) < lengths[:, None]


def stretch(x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Let the valid rows of each clip fill all of it: row i of N becomes ⌊i·length/N⌋, so where a
    clip has fewer than N, each stands for several. (B, N, …), (B,) -> (B, N, …)."""
    n = x.shape[1]
    index = torch.arange(n, device=x.device) * lengths[:, None] // n
    return x.gather(1, index.view(*index.shape, *[1] * (x.ndim - 2)).expand_as(x))


class Filled(NamedTuple):
    """Which positions of B clips, padded to N snippets, hold a snippet: flat indices by which these
    are packed into (V, D) and unpacked again, so that a network can skip the padding.

    Padding is zero. So a window of padding holds nothing but what the network adds to features,
    such as position embeddings: it is the same in every clip, and computed once.

    Attributes:
        shape: B and N.
        snippets: (V,) of the valid ones among the B·N positions.
        windows: (W,) of those that hold a valid one among the B·⌊N/w⌋ whole windows.
        rows: (R,) `snippets`, and in large batches the first of them again, up to a multiple of
            B·N/64, so that all batches share a few shapes. On the CPU, bf16 compiles and keeps a
            matrix product for every new shape: without the rounding a run takes more memory with
            every batch.
        window_rows: the same of `windows`.
    """

    shape: tuple[int, int]
    snippets: torch.Tensor
    windows: torch.Tensor
    rows: torch.Tensor
    window_rows: torch.Tensor

    @classmethod
    def of(cls, lengths: torch.Tensor, n: int, window: int, device: torch.device = CPU) -> "Filled":
        """From (B,) lengths on the CPU, so that nothing has to be asked of the device."""
        masks = valid_mask(lengths, n), valid_mask(-(-lengths // window), n // window)
        indices = [mask.flatten().nonzero().squeeze(1) for mask in masks]
        rounded = indices
        if len(lengths) * n >= LARGE:
            rounded = [_rounded(i, mask.numel()) for i, mask in zip(indices, masks, strict=True)]
        return cls((len(lengths), n), *(to_device(i, device) for i in indices + rounded))

    def pack(self, x: torch.Tensor) -> torch.Tensor:
        """(B, N, D) -> (V, D), the valid snippets."""
        return x.flatten(0, 1).index_select(0, self.snippets)

    def pack_rows(self, x: torch.Tensor) -> torch.Tensor:
        """(B, N, D) -> (R, D), the same for a network to compute on, see `rows`."""
        return x.flatten(0, 1).index_select(0, self.rows)

    def unpack(self, x: torch.Tensor) -> torch.Tensor:
        """(V, D) or (R, D) -> (B, N, D), zero in the padding."""
        b, n = self.shape
        x = x[: len(self.snippets)]
        return x.new_zeros(b * n, x.shape[-1]).index_copy(0, self.snippets, x).view(b, n, -1)


def _rounded(index: torch.Tensor, whole: int) -> torch.Tensor:
    """Indices of some of `whole` things, and the first again up to a multiple of a 64th of them."""
    more = -len(index) % max(1, whole // PARTS)
    return torch.cat([index, index[:1].expand(more)])


class Outputs(NamedTuple):
    """What a network gives for B videos of N snippets and C classes; None where a part is off."""

    text_features: torch.Tensor | None  # (C, D), unit rows but with learnable prompts
    logits1: torch.Tensor  # (B, N, 1) detection
    logits2: torch.Tensor | None  # (B, N, C) alignment
    logits3: torch.Tensor | None  # (B, 1, C) event against text, with DCSA
    logits4: torch.Tensor | None  # (B, 1, C) background against text, with DCSA
    visual_features: torch.Tensor | None  # (B, N, D)
    reconstructed_features: torch.Tensor | None  # (B, N, D) with SG-NM, in training or if asked for
    compactness: torch.Tensor | None  # scalar, the same

    @classmethod
    def of_detection(
        cls, logits1: torch.Tensor, visual_features: torch.Tensor | None = None
    ) -> "Outputs":
        """Those of a method that tells no classes."""
        known = {"logits1": logits1, "visual_features": visual_features}
        return cls(**dict.fromkeys(cls._fields) | known)

    def of_classes(self, classes: torch.Tensor) -> "Outputs":
        """The same for fewer classes, given by their indices."""
        logits = {name: getattr(self, name) for name in ("logits2", "logits3", "logits4")}
        fewer = {name: x if x is None else x[..., classes] for name, x in logits.items()}
        return self._replace(text_features=self.text_features[classes], **fewer)
