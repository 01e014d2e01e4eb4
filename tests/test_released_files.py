"""Weight files of the shapes that the official code released."""

import pytest
import torch

import ucf_option
import xd_option
from helpers import golden
from model import build_model
from utils.checkpoint import load_weights
from utils.labels import UCF_CRIME, XD_VIOLENCE

pytestmark = [golden.needs_goldens, pytest.mark.real_clip]


@pytest.mark.parametrize(
    "method, name, option, facts, count",
    [
        ("dsanet", "ucf", ucf_option, UCF_CRIME, 793),
        ("dsanet", "xd", xd_option, XD_VIOLENCE, 779),
        ("vadclip", "ucf", ucf_option, UCF_CRIME, 349),
        ("vadclip", "xd", xd_option, XD_VIOLENCE, 337),
    ],
)
def test_a_file_with_all_released_keys(method, name, option, facts, count, tmp_path):
    weights = golden.seeded_weights(name, "", method)
    shapes = golden.official_shapes(name, method)
    twice = {f"clip_adapter.{k}": v for k, v in weights.items() if k.startswith("clipmodel.")}
    rest = {
        key: torch.zeros(()).expand(shape)  # takes no room
        for key, shape in shapes.items()
        if key.startswith("clipmodel.visual.") or ".clipmodel.visual." in key
    }
    state = {**weights, **(twice if method == "dsanet" else {}), **rest}
    assert state.keys() == shapes.keys()
    assert len(state) == count
    torch.save(state, tmp_path / "w.pth")
    args = option.parser.parse_args(["--clip-weights", "random", "--method", method])
    model = build_model(args, facts)
    load_weights(model, tmp_path / "w.pth")
    loaded = model.state_dict()
    assert loaded.keys() == weights.keys()
    assert all(torch.equal(loaded[key], value) for key, value in weights.items())
