"""CLIP with few words and few of its blocks, on both sides: quick, and its weights small.

Tests have it by themselves, see conftest.py, unless their module is marked `real_clip`. A process
of its own takes it by `python tests/helpers/small_clip.py SCRIPT OPTION ...`, of several scripts
with `--` between them.
"""

import os
import runpy
import sys
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import ClassVar
from unittest.mock import patch

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from utils.network import clip_text
from utils.network.backbone import BACKBONES

LAYERS = 3  # of each side, instead of twelve or more


class FewWords:
    """In place of CLIP's tokenizer, which knows 49,408."""

    encoder: ClassVar = {"<|startoftext|>": 256, "<|endoftext|>": 257}

    def encode(self, text: str) -> list[int]:
        return [sum(word.encode()) % 256 for word in text.split()]


@contextmanager
def small_clip():
    words = patch.multiple(clip_text, VOCABULARY=258, _tokenizer=FewWords)
    few = {"text_layers": LAYERS, "visual_layers": LAYERS}
    with words, patch.dict(BACKBONES, {n: b._replace(**few) for n, b in BACKBONES.items()}):
        yield


def run_scripts() -> None:
    """Those that the command line names, one after the other."""
    *first, last = (
        list(part) for is_script, part in groupby(sys.argv[1:], "--".__ne__) if is_script
    )
    with small_clip():
        for sys.argv in first:
            # Of several processes each leaves at once when its work is done.
            with patch.object(os, "_exit", sys.exit), ended_well():
                runpy.run_path(sys.argv[0], run_name="__main__")
        sys.argv = last
        runpy.run_path(sys.argv[0], run_name="__main__")


@contextmanager
def ended_well():
    try:
        yield
    except SystemExit as end:
        if end.code:
            raise


if __name__ == "__main__":
    run_scripts()
