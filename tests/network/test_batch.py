"""Leaving the padding out changes no score, no loss and no gradient."""

import pytest
import torch

from losses import dsanet_losses
from utils.labels import UCF_CRIME
from utils.network import batch as batch_module
from utils.network.batch import Filled, valid_mask
from utils.network.layers import WindowTransformer


def filled_of(lengths, n=32, window=8):
    return Filled.of(lengths, n, window)


def test_indices_of_what_is_filled():
    filled = filled_of(torch.tensor([9, 1]), n=12, window=4)
    assert filled.snippets.tolist() == [*range(9), 12]
    assert filled.windows.tolist() == [0, 1, 2, 3]
    tail = filled_of(torch.tensor([9, 1]), n=10, window=4)  # two whole windows and half of one
    assert tail.windows.tolist() == [0, 1, 2]


def test_rows_come_in_few_numbers():
    lengths = torch.full((16,), 7)
    filled = []
    for lengths[0] in range(1, 257):
        filled.append(filled_of(lengths, n=256, window=2))
    assert {len(f.rows) for f in filled} == {*range(128, 400, 64)}  # of 4096
    assert {len(f.window_rows) for f in filled} == {*range(64, 200, 32)}  # of 2048
    for f in filled:
        v, w = len(f.snippets), len(f.windows)
        assert torch.equal(f.rows[:v], f.snippets) and not f.rows[v:].any()
        assert torch.equal(f.window_rows[:w], f.windows) and not f.window_rows[w:].any()
    small = filled_of(lengths[:3], n=256)
    assert torch.equal(small.rows, small.snippets) and torch.equal(small.window_rows, small.windows)


def test_pack_and_unpack(batch):
    visual, lengths = batch
    filled = filled_of(lengths)
    packed = filled.pack(visual)
    assert torch.equal(packed, visual[valid_mask(lengths, 32)])
    assert torch.equal(filled.unpack(packed), visual)
    assert torch.equal(filled.unpack(filled.pack_rows(visual)), visual)


@pytest.fixture(params=[False, True], ids=["as they are", "rounded"])
def rounded(request, monkeypatch):
    """Batches whose rows and windows are as they are, or rounded."""
    if request.param:
        monkeypatch.setattr(batch_module, "LARGE", 0)
        monkeypatch.setattr(batch_module, "PARTS", 4)


@pytest.mark.parametrize("n, window, videos", [(32, 8, 3), (30, 8, 3), (32, 64, 3), (32, 1, 9)])
def test_windows_of_padding_are_shared(n, window, videos, rounded):
    torch.manual_seed(0)
    encoder = WindowTransformer(16, 2, 1, window)
    lengths = torch.tensor([n, 17, 3]).repeat(3)[:videos]
    empty = torch.randn(n, 16)
    x = torch.where(valid_mask(lengths, n)[..., None], torch.randn(videos, n, 16), empty)
    x.requires_grad_()
    found, expected = encoder(x, filled_of(lengths, n, window), empty), encoder(x)
    torch.testing.assert_close(found, expected)
    weights = torch.randn_like(x) * valid_mask(lengths, n)[..., None]
    gradients = [torch.autograd.grad((y * weights).sum(), x)[0] for y in (found, expected)]
    torch.testing.assert_close(*gradients)


def test_training_and_testing_are_the_same_without_the_padding(ucf_model, batch, rounded):
    visual, lengths = batch
    labels = torch.stack([UCF_CRIME.encode(name) for name in ("Normal", "Abuse", "Arson")])

    def run(filled):
        ucf_model.train().zero_grad()
        outputs = ucf_model(visual, lengths, filled=filled)
        losses = dsanet_losses(outputs, labels, lengths, 1.1)
        losses["total"].backward()
        gradients = {n: p.grad for n, p in ucf_model.named_parameters() if p.grad is not None}
        ucf_model.zero_grad()
        with torch.no_grad():
            testing = ucf_model.eval()(visual, lengths, filled=filled)
        return outputs, losses, gradients, testing

    filled = filled_of(lengths)
    (plain, losses, gradients, testing), found = run(None), run(filled)
    padding = ~valid_mask(lengths, 32)
    assert plain.reconstructed_features[padding].abs().max() > 0
    assert found[0].reconstructed_features[padding].abs().max() == 0
    expected = plain._replace(
        reconstructed_features=filled.unpack(filled.pack(plain.reconstructed_features))
    )
    torch.testing.assert_close(found[0], expected)
    torch.testing.assert_close(found[1], losses)
    torch.testing.assert_close(found[2], gradients, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found[3].logits2, testing.logits2)
