"""The CLIP networks to choose from, in names and numbers. No PyTorch here, so that options are read
without it."""

from typing import NamedTuple

CLIP_NAME = "ViT-B/16"  # the official code's
RANDOM = "random"  # instead of a name: weights for the demo and tests

WIDTH = 512  # of its image and text features
CONTEXT_LENGTH = 77  # tokens
VOCABULARY = 49408  # tokens
TEXT_LAYERS = 12  # of every text transformer
PICTURE_SIZE = 224  # height and width of what a visual tower looks at
HEAD_WIDTH = 64  # of every attention


def is_random(identity: str | None) -> bool:
    """Whether CLIP's weights, as `weights_identity` says them, are random; None if not known."""
    return (identity or "").split()[:1] == [RANDOM]  # the backbone may stand behind


class Backbone(NamedTuple):
    """A CLIP network.

    Attributes:
        width: of image and text features.
        text_width, text_layers: of the text transformer, and its blocks.
        visual_width, visual_layers: the same of the visual tower.
        patch: height and width of the squares that it cuts a picture into, in pixels.
        picture: height and width of the picture, in pixels.
    """

    width: int
    text_width: int
    text_layers: int
    visual_width: int
    visual_layers: int
    patch: int
    picture: int

    @property
    def text_heads(self) -> int:
        return self.text_width // HEAD_WIDTH

    @property
    def visual_heads(self) -> int:
        return self.visual_width // HEAD_WIDTH


BACKBONES = {
    "ViT-B/32": Backbone(WIDTH, 512, TEXT_LAYERS, 768, 12, 32, PICTURE_SIZE),
    CLIP_NAME: Backbone(WIDTH, 512, TEXT_LAYERS, 768, 12, 16, PICTURE_SIZE),
    "ViT-L/14": Backbone(768, 768, TEXT_LAYERS, 1024, 24, 14, PICTURE_SIZE),
}


def random_clip(*sides: str) -> str:
    """What is said of results where CLIP's text or visual weights are random numbers."""
    return (
        f"CLIP's {' and '.join(sides)} weights are RANDOM: good for the demo and for tests, never "
        "for results."
    )
