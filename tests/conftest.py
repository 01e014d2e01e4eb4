from types import SimpleNamespace

import numpy as np
import pytest
import torch

import ucf_option
import xd_option
from model import build_model
from spoiling import World
from test_end_to_end import SCRIPTS, make_data
from utils.labels import UCF_CRIME, XD_VIOLENCE

# A small model: the same code, fewer blocks and short clips.
SMALL = ["--clip-weights", "random", "--visual-length", "32", "--decoder_depth", "2"]


@pytest.fixture(scope="session")
def ucf_args():
    return ucf_option.parser.parse_args(SMALL)


@pytest.fixture(scope="session")
def xd_args():
    return xd_option.parser.parse_args(SMALL)


@pytest.fixture(scope="session")
def ucf_model(ucf_args):
    """A freshly initialised small model; tests leave its weights as they are."""
    torch.manual_seed(0)
    return build_model(ucf_args, UCF_CRIME)


@pytest.fixture(scope="session")
def xd_model(xd_args):
    torch.manual_seed(0)
    return build_model(xd_args, XD_VIOLENCE)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def batch():
    """Features (3, 32, 512) with zeros behind each video's end, and the lengths."""
    generator = torch.Generator().manual_seed(1)
    lengths = torch.tensor([32, 20, 7])
    visual = torch.randn(3, 32, 512, generator=generator)
    for video, length in zip(visual, lengths, strict=True):
        video[length:] = 0
    return visual, lengths


@pytest.fixture(scope="session")
def bases(tmp_path_factory):
    """Both data sets, and weights that fit the small model of each."""
    made = {}
    for name, module in (("ucf", ucf_option), ("xd", xd_option)):
        folder = tmp_path_factory.mktemp(name)
        options = make_data(folder, name, train_videos=3, test_videos=4)
        args = module.parser.parse_args([f"--{k}={v}" for k, v in options.items()])
        torch.manual_seed(0)
        state = build_model(args, SCRIPTS[name].facts).state_dict()
        weights = tmp_path_factory.mktemp("weights") / "w.pth"
        torch.save(state, weights)
        made[name] = SimpleNamespace(folder=folder, options=options, weights=weights, state=state)
    return made


@pytest.fixture
def world(request, bases, tmp_path):
    name = "xd" if "xd" in request.param else "ucf"
    return World(bases[name], name, tmp_path)
