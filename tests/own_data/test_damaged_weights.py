"""Weights whose word on themselves is damaged, or made up."""

import copy
import math
from collections import OrderedDict

import pytest
import torch

import ucf_option
from helpers.scripts import SCRIPTS, one_error
from utils.labels import UCF_CRIME
from utils.options.parser import as_arguments
from utils.runs.made_with import made_with
from utils.runs.weights import Weights
from utils.system.errors import UserError


def adopted(weights: Weights):
    """Options of a test of weights."""
    return weights.adopted_by(ucf_option.parser.parse_args([]))


@pytest.fixture(scope="module")
def said():
    args = ucf_option.parser.parse_args(["--method=mil"])
    return made_with(args, UCF_CRIME, None)


def changed(said, place: str, value) -> dict:
    said = copy.deepcopy(said)
    *parts, last = place.split("/")
    part = said
    for name in parts:
        part = part[name]
    part[last] = value
    return said


def write(path, said, **state) -> None:
    """Weights that say so, small ones."""
    state = OrderedDict(state or {"scorer.0.weight": torch.ones(2, 512)})
    state.made_with = said
    torch.save(state, path)


def refused(path) -> str:
    with pytest.raises(UserError) as error:
        Weights.read(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    return str(error.value)


HUGE = 2**40


@pytest.mark.parametrize(
    "place, value",
    [
        *[("options/attn_window", v) for v in (None, True, -1, 0, HUGE, 1e9, math.nan, "x", [8],
                                               ["8", "--help"], {"a": 1}, torch.ones(2))],
        *[("options/t_w", v) for v in (math.nan, 2.0, "--help", torch.ones(1), HUGE)],
        ("options/method", ["mil", "--config", "/etc/passwd"]),
        ("options/method", "another"),
        ("options/visual_head", 7),
        ("options/backbone", ["x"]),
        *[("dataset/row", f"{9 * 10**n} frames") for n in (5, 30, 400)],
        ("dataset/row", 3),
        ("dataset/classes", {"normal": "x"}),
        ("dataset/classes", {"normal": "x", 3: "y"}),
        ("dataset/classes", {"normal": "x", "a": torch.ones(2)}),
        ("dataset/classes", {"normal": "x", "a": "\x1b[2J"}),
        ("dataset/classes", torch.ones(3)),
        ("dataset/name", "../x"),
        ("dataset/width", HUGE),
        ("dataset/width", -1),
        ("dataset/fps", math.nan),
        ("dataset/fps", torch.ones(2)),
        ("dataset/another", 1),
        *[(part, v) for part in ("dataset", "options") for v in (None, 3, [1], torch.ones(3), {})
          if (part, v) != ("options", {})],
        ("clip", 3),
        ("version", 2),
        ("version", None),
    ],
)  # fmt: skip
def test_what_weights_say_is_looked_at(place, value, said, tmp_path):
    write(tmp_path / "w.pth", changed(said, place, value))
    told = refused(tmp_path / "w.pth")
    assert "what the weights say of themselves is damaged, or of another version" in told


@pytest.mark.parametrize("value", ["x", 3, [1], {}, torch.ones(3)], ids=str)
def test_it_must_be_what_it_is(value, tmp_path):
    write(tmp_path / "w.pth", value)
    assert "what the weights say of themselves is damaged" in refused(tmp_path / "w.pth")


def test_nothing_more_is_believed(said, tmp_path):
    """Files are not looked for, and shapes alone say how large a network is."""
    truth = {"frames": "/etc/passwd", "segments": "x", "labels": "y"}
    state = {"temporal.resblocks.0.w": torch.ones(1), "frame_position_embeddings.weight":
             torch.ones(8, 512), "video_anomaly_refiner.decoder.0.w": torch.ones(1)}  # fmt: skip
    said = changed(changed(said, "dataset/ground-truth", truth), "dataset/events", "/etc/passwd")
    for name, value in (("visual_length", 9), ("decoder_depth", 60),
                        ("visual_layers", 60), ("num_prototypes", 10_000)):  # fmt: skip
        said = changed(said, f"options/{name}", value)
    write(tmp_path / "w.pth", said, **state)
    weights = Weights.read(tmp_path / "w.pth")
    assert weights.dataset.events is None
    args = adopted(weights)
    assert (args.method, args.visual_length, args.visual_layers) == ("dsanet", 8, 1)
    assert (args.decoder_depth, args.num_prototypes) == (1, 16)


@pytest.mark.parametrize(
    "tensor, message",
    [
        (torch.ones(1, 1).expand(HUGE, 512), "holds no state dict of tensors of numbers"),
        (torch.ones(HUGE, 0), None),
        (torch.tensor(1.0), None),
    ],
    ids=["few numbers", "none", "one"],
)
def test_shapes_of_nothing_size_nothing(tensor, message, tmp_path, ucf_model):
    state = ucf_model.state_dict()
    torch.save({**state, "frame_position_embeddings.weight": tensor}, tmp_path / "w.pth")
    if message:
        assert message in refused(tmp_path / "w.pth")
    else:
        assert adopted(Weights.read(tmp_path / "w.pth")).visual_length == 256


def test_dictionaries_with_other_methods_are_refused(tmp_path):
    state = OrderedDict({"scorer.0.weight": torch.ones(2, 512)})
    state.get = "x"
    torch.save(state, tmp_path / "w.pth")
    assert "is damaged or no PyTorch weight file" in refused(tmp_path / "w.pth")
    torch.save({"model_state_dict": state}, tmp_path / "w.pth")
    assert "is damaged or no PyTorch weight file" in refused(tmp_path / "w.pth")
    endless = {"model_state_dict": {"scorer.0.weight": torch.ones(2, 512)}}
    endless["self"] = endless
    torch.save(endless, tmp_path / "w.pth")
    assert Weights.read(tmp_path / "w.pth").options == {"method": "mil"}


def test_a_script_says_it_in_one_line(said, small_ucf, tmp_path, capsys):
    write(tmp_path / "w.pth", changed(said, "options/attn_window", ["8", "--help"]))
    options = {**small_ucf, "model-path": tmp_path / "w.pth", "output-dir": tmp_path / "out"}
    error = one_error(SCRIPTS["ucf"].test, capsys, as_arguments(options))
    assert error.startswith(f"error: {tmp_path / 'w.pth'}: what the weights say of themselves is ")
