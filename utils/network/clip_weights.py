"""CLIP's weights: read from their file, or random numbers in their place."""

import sys
from collections.abc import Callable
from contextlib import contextmanager
from math import isqrt
from pathlib import Path

import torch

from utils.network.backbone import BACKBONES, random_clip
from utils.network.clip_file import official_url
from utils.system.errors import UserError
from utils.system.files import sha256
from utils.system.untrusted import load_tensors

RANDOM_SEED = 0


def read_clip(path: Path, backbone: str, wanted: Callable[[str], bool]) -> dict[str, torch.Tensor]:
    """CLIP's weights from the official TorchScript archive or a saved state dict, in fp32.

    Loading an archive runs what it holds, so only those with CLIP's own checksums are loaded.

    Args:
        path: of the file.
        backbone: which CLIP it should be.
        wanted: function of an entry's name, whether it is read.

    Raises:
        UserError: the file is neither of the two, or another CLIP.
    """
    if sha256(path) in {official_url(name).split("/")[-2] for name in BACKBONES}:
        state = torch.jit.load(path, map_location="cpu").state_dict()
    else:
        state = load_tensors(path)
        state = state.get("state_dict", state)
    try:
        state = {str(name): value for name, value in state.items()}
        found = numbers_of(state)
        weights = {name: value.float() for name, value in state.items() if wanted(name)}
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        raise UserError(
            f"{path} is not CLIP {backbone}: expected a state dict of its tensors"
        ) from None
    _require_backbone(found, path, backbone)
    return weights


def numbers_of(state: dict[str, torch.Tensor]) -> dict[str, int]:
    """The numbers of a `Backbone` by name, from the shapes of its weights, as CLIP's own
    `build_model` has them. Those of a side that is not there are left out."""
    found = {}
    if "text_projection" in state:
        found["text_width"], found["width"] = state["text_projection"].shape
        found["text_layers"] = _blocks(state, "transformer.resblocks.")
    if "visual.conv1.weight" in state:
        found["visual_width"], found["width"] = state["visual.proj"].shape
        found["visual_layers"] = _blocks(state, "visual.transformer.resblocks.")
        found["patch"] = state["visual.conv1.weight"].shape[-1]
        patches = len(state["visual.positional_embedding"]) - 1  # one stands for the whole picture
        found["picture"] = found["patch"] * isqrt(patches)
    return found


def _blocks(state: dict[str, torch.Tensor], prefix: str) -> int:
    """How many there are, by the names of their weights."""
    names = (name.removeprefix(prefix) for name in state if name.startswith(prefix))
    return len({name.split(".")[0] for name in names})


def _require_backbone(found: dict[str, int], path: Path, backbone: str) -> None:
    """See that these are numbers of the backbone.

    Raises:
        UserError: they are not; whose they are, if it is known.
    """
    wrong = {
        name: {k: v for k, v in found.items() if v != getattr(numbers, k)}
        for name, numbers in BACKBONES.items()
    }
    if not wrong[backbone]:
        return
    known = [name for name in BACKBONES if not wrong[name]]
    expected = BACKBONES[backbone]
    differences = (f"{k} {v}, not {getattr(expected, k)}" for k, v in wrong[backbone].items())
    what = f"CLIP {' or '.join(known)}" if known else f"another CLIP ({'; '.join(differences)})"
    raise UserError(
        f"{path} is {what}, expected CLIP {backbone}: name its file with --clip-weights, or the "
        "file's own network with --backbone"
    )


@contextmanager
def random_weights(side: str):
    """Weights that are made meanwhile are the same each time, and said to be random. The random
    state outside is left as it was: the rest of a model starts from the same numbers whatever the
    source of these."""
    print(f"WARNING: {random_clip(side)}", file=sys.stderr)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(RANDOM_SEED)
        yield
