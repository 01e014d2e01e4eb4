"""The package `openai-clip`, as far as it is needed: its files, and two of its modules.

`import clip` would need torchvision. `clip.model` and `clip.simple_tokenizer` are executed on their
own, without the package's `__init__`.
"""

import importlib.util
import sys
from functools import cache
from pathlib import Path

from utils.system.errors import UserError


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


@cache
def package_module(name: str):
    """Module `clip.<name>`, executed without `clip/__init__.py`."""
    spec = importlib.util.spec_from_file_location(f"openai_clip_{name}", package_file(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


clip_model = package_module("model")  # ResidualAttentionBlock, Transformer, LayerNorm, QuickGELU
