"""A script in double precision and with a small CLIP:
`python tests/helpers/double.py SCRIPT OPTION ... [-- SCRIPT OPTION ...]`.

Rounding is then too small to grow. In single precision two runs that add in another order part
after some ten steps, in one process on one and on two threads, too.
"""

import sys
from pathlib import Path

import torch

sys.path.insert(1, str(Path(__file__).resolve().parents[2]))
from small_clip import run_scripts

import utils.engine
from utils.network.openai_clip import clip_model

torch.set_default_dtype(torch.float64)
as_it_comes = utils.engine.to_device


def to_device(tensor, device):
    tensor = as_it_comes(tensor, device)
    return tensor.double() if tensor.is_floating_point() else tensor


utils.engine.to_device = to_device
clip_model.LayerNorm.forward = torch.nn.LayerNorm.forward  # CLIP's own goes by way of float32
run_scripts()
