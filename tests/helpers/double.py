"""A training script in double precision, with a quarter of CLIP's text transformer and few words,
to be quick and its files small: `python tests/helpers/double.py ucf_train.py OPTION ...`.

Rounding is then too small to grow. In single precision two runs that add in another order part
after some ten steps, in one process on one and on two threads, too.
"""

import runpy
import sys
from pathlib import Path
from typing import ClassVar

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
import utils.engine
import utils.network.clip_text
from utils.network.openai_clip import clip_model


class FewWords:
    """In place of CLIP's tokenizer, which knows 49,408."""

    encoder: ClassVar = {"<|startoftext|>": 256, "<|endoftext|>": 257}

    def encode(self, text: str) -> list[int]:
        return [sum(word.encode()) % 256 for word in text.split()]


utils.network.clip_text._tokenizer = FewWords
utils.network.clip_text.VOCABULARY = 258
utils.network.clip_text.LAYERS = 3
torch.set_default_dtype(torch.float64)
as_it_comes = utils.engine.to_device


def to_device(tensor, device):
    tensor = as_it_comes(tensor, device)
    return tensor.double() if tensor.is_floating_point() else tensor


utils.engine.to_device = to_device
clip_model.LayerNorm.forward = torch.nn.LayerNorm.forward  # CLIP's own goes by way of float32
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
