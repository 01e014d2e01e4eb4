import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import ucf_option
from model import build_model
from utils import checkpoint
from utils.checkpoint import holds_text, load_weights, read_weights
from utils.labels import UCF_CRIME
from utils.system.errors import UserError
from utils.system.untrusted import load_tensors


@pytest.fixture
def fresh(ucf_model):
    """A model of the same architecture whose weights are all others."""
    model = copy.deepcopy(ucf_model)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(1)
    return model


def assert_same_weights(a, b):
    a, b = a.state_dict(), b.state_dict()
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def official(model) -> dict:
    """As a released file has it: CLIP twice, the visual tower included."""
    state = dict(model.state_dict())
    clip = {k: v for k, v in state.items() if k.startswith("clipmodel.")}
    clip["clipmodel.visual.conv1.weight"] = torch.zeros(4, 3, 2, 2)
    return {**state, **clip, **{f"clip_adapter.{k}": v for k, v in clip.items()}}


def test_an_official_file(ucf_model, fresh, tmp_path):
    torch.save(official(ucf_model), tmp_path / "w.pth")
    load_weights(fresh, tmp_path / "w.pth")
    assert_same_weights(fresh, ucf_model)


def test_ours_and_back_is_identical(ucf_model, fresh, tmp_path):
    checkpoint.save(ucf_model.state_dict(), tmp_path / "a.pth")
    load_weights(fresh, tmp_path / "a.pth")
    checkpoint.save(fresh.state_dict(), tmp_path / "b.pth")
    first, second = load_tensors(tmp_path / "a.pth"), load_tensors(tmp_path / "b.pth")
    assert list(first) == list(second)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_training_checkpoint(ucf_model, fresh, tmp_path):
    # As the official code writes it: the best metric is a NumPy scalar.
    value = {"epoch": 3, "model_state_dict": official(ucf_model), "ap": np.float64(0.8)}
    torch.save(value, tmp_path / "c.pth")
    load_weights(fresh, tmp_path / "c.pth")
    assert_same_weights(fresh, ucf_model)


def test_a_file_without_text_weights_leaves_the_models_own(ucf_model, fresh, tmp_path):
    state = {k: v for k, v in official(ucf_model).items() if "clipmodel." not in k}
    torch.save(state, tmp_path / "w.pth")
    assert not holds_text(read_weights(tmp_path / "w.pth"))
    text = fresh.clipmodel.ln_final.weight.clone()
    load_weights(fresh, tmp_path / "w.pth")
    assert torch.equal(fresh.clipmodel.ln_final.weight, text)
    assert torch.equal(fresh.linear.weight, ucf_model.linear.weight)


def refused(model, path) -> str:
    before = model.linear.weight.clone()
    with pytest.raises(UserError) as error:
        load_weights(model, path)
    assert torch.equal(model.linear.weight, before)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_weights_of_the_other_data_set(ucf_model, xd_model, tmp_path):
    torch.save(xd_model.state_dict(), tmp_path / "xd.pth")
    message = refused(ucf_model, tmp_path / "xd.pth")
    assert "--visual-layers is 1 in the file and 2 here" in message
    assert "--text-adapt-until is 1 in the file and 3 here" in message
    assert "other data set" in message


def test_weights_of_another_depth(ucf_args, ucf_model, tmp_path):
    args = SimpleNamespace(**{**vars(ucf_args), "decoder_depth": 1, "visual_length": 16})
    torch.save(build_model(args, UCF_CRIME).state_dict(), tmp_path / "w.pth")
    message = refused(ucf_model, tmp_path / "w.pth")
    assert "--decoder-depth is 1 in the file and 2 here" in message
    assert "--visual-length is 16 in the file and 32 here" in message


def test_weights_of_another_method_or_text_tuning(ucf_model, tmp_path):
    path = tmp_path / "w.pth"
    small = ["--clip-weights=random", "--visual-length=32", "--decoder_depth=2"]
    for options, told in (
        (["--method=vadclip"], "holds weights of --method vadclip"),
        (["--method=mil"], "holds weights of --method mil"),
        (["--method=rtfm"], "holds weights of --method rtfm"),
        (["--method=clip-tsa"], "holds weights of --method clip-tsa"),
        (["--text-tuning=prompt"], "--text-tuning is prompt in the file and adapter here"),
        (["--text-tuning=manual"], "--text-tuning is frozen or manual in the file and adapter"),
    ):
        args = ucf_option.parser.parse_args([*small, *options])
        torch.save(build_model(args, UCF_CRIME).state_dict(), path)
        assert told in refused(ucf_model, path)


def clip_tsa():
    torch.manual_seed(0)
    return build_model(ucf_option.parser.parse_args(["--method=clip-tsa"]), UCF_CRIME)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_weights_of_the_official_clip_tsa(prefix, tmp_path):
    """Whose checkpoints hold two layers that nothing uses, and the names of several GPUs."""
    model = clip_tsa()
    unused = {"mlp.fc1.weight": torch.ones(1024, 512), "mlp.fc2.weight": torch.ones(512, 1024)}
    theirs = {f"{prefix}{name}": value for name, value in (model.state_dict() | unused).items()}
    for kept in (theirs, {"model_state_dict": theirs, "optimizer_state_dict": {}}):
        torch.save(kept, tmp_path / "w.pkl")
        other = clip_tsa()
        torch.nn.init.zeros_(other.fc1.weight)
        load_weights(other, tmp_path / "w.pkl")
        for name, value in model.state_dict().items():
            assert torch.equal(other.state_dict()[name], value), name


def test_layers_of_clip_tsa_that_are_missing_here(tmp_path):
    first = {"mlp.fc1.weight": torch.ones(1024, 2048)}
    torch.save({**clip_tsa().state_dict(), **first}, tmp_path / "w.pth")
    with pytest.raises(UserError, match="own network for features 2048 wide, whose first"):
        load_weights(clip_tsa(), tmp_path / "w.pth")


def test_files_that_are_no_weights(ucf_model, tmp_path):
    path = tmp_path / "w.pth"
    assert "not found" in refused(ucf_model, path)
    for content in (b"", b"junk"):
        path.write_bytes(content)
        assert "damaged" in refused(ucf_model, path)
    torch.save({"a": torch.ones(1)}, path)
    assert "holds no weights of DSANet" in refused(ucf_model, path)
    for value in ([1], {}, {"a": 1}, {"model_state_dict": 3}):
        torch.save(value, path)
        refused(ucf_model, path)
    torch.save(ucf_model.state_dict(), path)
    path.write_bytes(path.read_bytes()[:100_000])
    assert "damaged" in refused(ucf_model, path)
    state = ucf_model.state_dict()
    del state["linear.bias"]
    torch.save(state, path)
    assert "1 entries differ, the first is 'linear.bias'" in refused(ucf_model, path)
