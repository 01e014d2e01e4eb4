"""The package `openai-clip`, as far as it is needed: two of its modules.

`import clip` would need torchvision. `clip.model` and `clip.simple_tokenizer` are executed on their
own, without the package's `__init__`.
"""

import importlib.util
import sys
from functools import cache

from utils.network.clip_file import package_file


@cache
def package_module(name: str):
    """Module `clip.<name>`, executed without `clip/__init__.py`."""
    spec = importlib.util.spec_from_file_location(f"openai_clip_{name}", package_file(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


clip_model = package_module("model")  # ResidualAttentionBlock, Transformer, LayerNorm, QuickGELU
