import pytest
import torch

from losses import dsanet_losses
from utils.labels import UCF_CRIME
from utils.system.device import autocast, in_float32, pick_device, set_up_device
from utils.system.errors import UserError

CPU = torch.device("cpu")

pytestmark = pytest.mark.real_clip


@pytest.mark.parametrize("precision, expected", [("fp32", "ieee"), ("tf32", "tf32")])
def test_precision_of_float32_products(precision, expected):
    before = torch.backends.fp32_precision
    torch.backends.fp32_precision = "ieee" if expected == "tf32" else "tf32"
    torch.compile(torch.neg, backend="eager")(torch.ones(1))  # fixes that of matrix products
    try:
        assert set_up_device("cpu", precision) == CPU
        for backend in (torch.backends.cuda.matmul, torch.backends.cudnn.conv):
            assert backend.fp32_precision == expected
    finally:
        torch.backends.fp32_precision = torch.backends.cuda.matmul.fp32_precision = before


def test_deterministic_algorithms_are_asked_for_on_a_change_alone(monkeypatch):
    state, asked = [False], []
    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: state[0])
    monkeypatch.setattr(torch, "use_deterministic_algorithms", asked.append)
    for state[0], deterministic in ((False, False), (False, True), (True, True), (True, False)):
        set_up_device("cpu", "fp32", deterministic)
    assert asked == [True, False]


def test_one_gpu_is_not_for_several_processes(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(UserError, match="--device cuda:0 is one GPU for several processes"):
        pick_device("cuda:0")


def test_in_float32_leaves_other_types_alone():
    @in_float32
    def product(x, k):
        return x @ x.T, k

    x = torch.ones(2, 2)
    with autocast("bf16", CPU):
        assert (x @ x.T).dtype == torch.bfloat16
        assert product(x.bfloat16(), 3)[0].dtype == torch.float32
    assert product(x.double(), 3)[0].dtype == torch.float64


def test_bfloat16_keeps_outputs_and_losses_in_float32(ucf_model, batch):
    visual, lengths = batch
    labels = torch.stack([UCF_CRIME.encode(name) for name in ("Normal", "Abuse", "Arson")])
    ucf_model.train()

    def run(precision):
        with torch.no_grad(), autocast(precision, CPU):
            outputs = ucf_model(visual, lengths)
        return outputs, dsanet_losses(outputs, labels, lengths, 1.1)

    (exact, losses), (rounded, rounded_losses) = run("fp32"), run("bf16")
    assert all(value.dtype == torch.float32 for value in rounded)
    assert not torch.equal(exact.logits1, rounded.logits1)
    torch.testing.assert_close(rounded.logits2, exact.logits2, rtol=0.02, atol=0.05)
    torch.testing.assert_close(rounded_losses, losses, rtol=0.01, atol=0.01)
    # Text features and what becomes of them are not rounded.
    assert torch.equal(exact.text_features, rounded.text_features)
