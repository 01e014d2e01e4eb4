"""CLIP's weight file: where it is, fetched and verified. No PyTorch here."""

import ast
import importlib.util
import os
import urllib.error
import urllib.request
from functools import cache
from pathlib import Path

from tqdm import tqdm

from utils.network.backbone import BACKBONES, CLIP_NAME, RANDOM
from utils.system.errors import UserError
from utils.system.files import sha256

CACHE_DIR = Path("~/.cache/clip")


def package_file(name: str) -> Path:
    """Path of `clip/<name>`.

    Raises:
        UserError: the package is not installed.
    """
    spec = importlib.util.find_spec("clip")
    folders = spec.submodule_search_locations if spec else None
    path = Path(folders[0]) / name if folders else None
    if path is None or not path.is_file():
        raise UserError(
            f"the package openai-clip, which has clip/{name}, is not installed: "
            "run 'pip install -r requirements.txt'"
        )
    return path


def official_url(name: str) -> str:
    """Address of a backbone's weights, from the table in `clip/clip.py`, which is not executed."""
    for node in ast.parse(package_file("clip.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_MODELS":
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
    """The file of a backbone, downloaded if need be, or the path that `source` is.

    Raises:
        UserError: it cannot be fetched, or there is none.
    """
    if source in BACKBONES:
        return download(official_url(source))
    if not os.path.isfile(source):
        names = ", ".join(BACKBONES)
        raise UserError(f"CLIP weights {source} not found: give {names} or the path of a file")
    return Path(source)


@cache  # a file of hundreds of MB, asked for by every row of a table
def weights_identity(source: str, backbone: str = CLIP_NAME) -> str:
    """What tells CLIP's weights from others, without a download: the sha256 of their file, or
    `random` (and which backbone, where it is not the usual one).

    Raises:
        UserError: there is no such file.
    """
    if source == RANDOM:
        return RANDOM if backbone == CLIP_NAME else f"{RANDOM} {backbone}"
    if source in BACKBONES:
        return official_url(source).split("/")[-2]
    return sha256(weights_file(source))
