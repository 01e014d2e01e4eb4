"""CLIP's weight file: where it is, fetched and verified. No PyTorch here."""

import ast
import importlib.util
import os
import urllib.error
import urllib.request
from pathlib import Path

from tqdm import tqdm

from utils.network.backbone import CLIP_NAME
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
