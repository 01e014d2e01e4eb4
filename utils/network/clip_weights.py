"""CLIP's weights: read from their file, or random numbers in their place."""

import sys
from contextlib import contextmanager
from pathlib import Path

import torch

from utils.network.backbone import CLIP_NAME
from utils.network.clip_file import official_url
from utils.system.errors import UserError
from utils.system.files import sha256
from utils.system.untrusted import load_tensors

RANDOM_SEED = 0


def read_clip(path: Path, wanted) -> dict[str, torch.Tensor]:
    """CLIP's weights from the official TorchScript archive or a saved state dict, in fp32.

    Loading an archive runs what it holds, so only the one with CLIP's own checksum is loaded.

    Args:
        path: of the file.
        wanted: function of an entry's name, whether it is read.

    Raises:
        UserError: the file is neither of the two.
    """
    if sha256(path) == official_url(CLIP_NAME).split("/")[-2]:
        state = torch.jit.load(path, map_location="cpu").state_dict()
    else:
        state = load_tensors(path)
        state = state.get("state_dict", state)
    try:
        return {str(k): v.float() for k, v in state.items() if wanted(str(k))}
    except AttributeError:
        raise UserError(
            f"{path} is not CLIP {CLIP_NAME}: expected a state dict of tensors"
        ) from None


@contextmanager
def random_weights(side: str):
    """Weights that are made meanwhile are the same each time, and said to be random. The random
    state outside is left as it was: the rest of a model starts from the same numbers whatever the
    source of these."""
    print(
        f"WARNING: CLIP's {side} weights are RANDOM. Good for the demo and for tests, "
        "never for results.",
        file=sys.stderr,
    )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(RANDOM_SEED)
        yield
