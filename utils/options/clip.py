"""Which CLIP: what --backbone and --clip-weights say together.

A backbone's name in `--clip-weights` stands for its official weights, and names the backbone, too.
"""

import argparse

from utils.network.backbone import BACKBONES, CLIP_NAME
from utils.system.errors import UserError


def clip_options(*places: dict) -> dict[str, str]:
    """Both options, by destination.

    Args:
        places: what is said, by destination, on the command line and in a config file, in order of
            precedence. A backbone that the first names counts, whatever the second names.

    Raises:
        UserError: a place names two backbones.
    """
    named = [name for place in places if (name := _backbone_of(place))]
    backbone = named[0] if named else CLIP_NAME
    sources = [place["clip_weights"] for place in places if place.get("clip_weights")]
    source = sources[0] if sources else backbone
    return {"backbone": backbone, "clip_weights": backbone if source in BACKBONES else source}


def _backbone_of(said: dict) -> str | None:
    backbone, source = said.get("backbone"), said.get("clip_weights")
    if source not in BACKBONES:
        return backbone
    if backbone not in (None, source):
        raise UserError(
            f"--backbone {backbone} and --clip-weights {source} are two networks: leave one out"
        )
    return source


def check_width(parsed: argparse.Namespace) -> None:
    """
    Raises:
        UserError: the features cannot be shared among the attention heads.
    """
    width = BACKBONES[parsed.backbone].width
    if width % parsed.visual_head:
        raise UserError(
            f"argument --visual-head: {parsed.visual_head} heads do not divide the width {width} "
            f"of --backbone {parsed.backbone}"
        )
