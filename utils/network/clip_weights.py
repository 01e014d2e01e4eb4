"""CLIP's weight file: found, fetched, verified and read; or random numbers in its place."""

import ast
import os
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import torch
from tqdm import tqdm

from utils import checkpoint
from utils.network.backbone import CLIP_NAME
from utils.network.openai_clip import package_file
from utils.system.errors import UserError
from utils.system.files import sha256

RANDOM_SEED = 0
CACHE_DIR = Path("~/.cache/clip")


def official_url(name: str) -> str:
    """Address of CLIP's weights, read from the table in `clip/clip.py` without executing it."""
    for node in ast.parse(package_file("clip.py").read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "_MODELS":
            return ast.literal_eval(node.value)[name]
    raise UserError("openai-clip holds no table of weight addresses: install version 1.0.1")


def download(url: str, folder: Path = CACHE_DIR) -> Path:
    """CLIP's weight file in `folder`, downloaded once; the checksum stands in the address.

    Raises:
        UserError: it cannot be fetched, or its sha256 is wrong.
    """
    folder = folder.expanduser()
    expected, name = url.split("/")[-2:]
    target = folder / name
    if target.is_file() and sha256(target) == expected:
        return target
    partial = target.with_suffix(f".{os.getpid()}.part")
    problem = "are damaged (wrong sha256)" if target.is_file() else "are not"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(url, timeout=30) as source, partial.open("wb") as file:
            size = int(source.headers.get("Content-Length", 0)) or None
            with tqdm.wrapattr(file, "write", total=size, desc=name, disable=None) as out:
                while chunk := source.read(1 << 20):
                    out.write(chunk)
        if (found := sha256(partial)) != expected:
            raise UserError(
                f"{url} came with sha256 {found[:12]}…, expected {expected[:12]}…: try again"
            )
        partial.replace(target)
    except (OSError, urllib.error.URLError) as error:
        raise UserError(
            f"CLIP's weights {problem} at {target} and {url} cannot be fetched "
            f"({getattr(error, 'reason', error)}): download it elsewhere and put it there, "
            "or name a file with --clip-weights PATH"
        ) from None
    finally:
        if partial.exists():
            partial.unlink()
    return target


def weights_file(source: str) -> Path:
    """The file of `ViT-B/16`, downloaded if need be, or the path that `source` is.

    Raises:
        UserError: it cannot be fetched, or there is none.
    """
    if source == CLIP_NAME:
        return download(official_url(CLIP_NAME))
    if not os.path.isfile(source):
        raise UserError(f"CLIP weights {source} not found: give {CLIP_NAME} or the path of a file")
    return Path(source)


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
        state = checkpoint.load(path)
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
