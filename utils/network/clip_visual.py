"""CLIP ViT-B/16's visual tower, from the package `openai-clip`: pictures -> image features."""

import torch
from torch import nn

from utils.network.backbone import CLIP_NAME, RANDOM, WIDTH
from utils.network.clip_file import weights_file
from utils.network.clip_weights import random_weights, read_clip
from utils.network.openai_clip import clip_model
from utils.system.device import autocast, to_device
from utils.system.errors import UserError

PICTURE_SIZE = 224  # height and width of what it looks at
PATCH, VISUAL_WIDTH, VISUAL_LAYERS, VISUAL_HEADS = 16, 768, 12, 12
PREFIX = "visual."
# Of the pictures that CLIP was trained on, red, green and blue in 0…1.
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


class VisualTower(nn.Module):
    """Pictures (B, 3, 224, 224) uint8 -> image features (B, 512) float32, not normalised.

    Args:
        source: as for `load_text_transformer`, but not None.
        device: where it computes.
        precision: of matrix products, `fp32`, `tf32` or `bf16`.
    """

    def __init__(self, source: str, device: torch.device, precision: str):
        super().__init__()
        self.precision = precision
        if source == RANDOM:
            with random_weights("visual"):
                self.tower = _tower()
        else:
            path = weights_file(source)
            state = read_clip(path, lambda name: name.startswith(PREFIX))
            with torch.device("meta"):
                self.tower = _tower()
            try:
                self.tower.load_state_dict(
                    {k.removeprefix(PREFIX): v for k, v in state.items()}, assign=True
                )
            except RuntimeError as error:
                raise UserError(
                    f"{path} holds no visual tower of CLIP {CLIP_NAME}: "
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


def _tower() -> nn.Module:
    return clip_model.VisionTransformer(
        PICTURE_SIZE, PATCH, VISUAL_WIDTH, VISUAL_LAYERS, VISUAL_HEADS, WIDTH
    )
