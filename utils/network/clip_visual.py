"""CLIP's visual tower, from the package `openai-clip`: pictures -> image features."""

import torch
from torch import nn

from utils.network.backbone import BACKBONES, CLIP_NAME, RANDOM, Backbone
from utils.network.clip_file import weights_file
from utils.network.clip_weights import random_weights, read_clip
from utils.network.openai_clip import clip_model
from utils.network.skip_init import SkipInit
from utils.system.device import autocast, to_device
from utils.system.errors import UserError

PREFIX = "visual."
# Of the pictures that CLIP was trained on, red, green and blue in 0…1.
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


class VisualTower(nn.Module):
    """Pictures (B, 3, 224, 224) uint8 -> image features (B, D) float32, not normalised.

    Args:
        source: as for `load_text_transformer`, but not None.
        device: where it computes.
        precision: of matrix products, `fp32`, `tf32` or `bf16`.
        backbone: which CLIP.

    Attributes:
        width: D, of the features.

    Raises:
        UserError: the weights cannot be had, or are another CLIP's.
    """

    def __init__(
        self, source: str, device: torch.device, precision: str, backbone: str = CLIP_NAME
    ):
        super().__init__()
        shape = BACKBONES[backbone]
        self.width = shape.width
        self.precision = precision
        if source == RANDOM:
            with random_weights("visual"):
                self.tower = _tower(shape)
        else:
            path = weights_file(source)
            state = read_clip(path, backbone, lambda name: name.startswith(PREFIX))
            with torch.random.fork_rng(devices=[]), SkipInit():  # weights come next
                self.tower = _tower(shape)
            try:
                self.tower.load_state_dict(
                    {k.removeprefix(PREFIX): v for k, v in state.items()}, assign=True
                )
            except RuntimeError as error:
                raise UserError(
                    f"{path} holds no visual tower of CLIP {backbone}: "
                    f"{' '.join(str(error).split())[:200]}"
                ) from None
        for name, value in (("mean", MEAN), ("std", STD)):
            self.register_buffer(name, torch.tensor(value).view(3, 1, 1), persistent=False)
        self.requires_grad_(False).eval().to(device)

    @torch.inference_mode()
    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        device = self.mean.device
        x = (to_device(pictures, device).float() / 255 - self.mean) / self.std
        with autocast(self.precision, device):
            return self.tower(x).float()


def _tower(shape: Backbone) -> nn.Module:
    return clip_model.VisionTransformer(
        shape.picture,
        shape.patch,
        shape.visual_width,
        shape.visual_layers,
        shape.visual_heads,
        shape.width,
    )
