import pytest
import torch
from torch.nn import functional as F

from benchmarks.plain import looped_losses
from losses import dsanet_losses, topk_mean
from model import Outputs

B, N, C, D = 4, 40, 5, 16
LENGTHS = torch.tensor([40, 16, 15, 1])
LABELS = torch.tensor(
    [[1.0, 0, 0, 0, 0], [0, 1, 0, 1, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 1]]
)  # fmt: skip


@pytest.fixture
def outputs():
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    return Outputs(
        text_features=F.normalize(draw(C, D), dim=-1),
        logits1=draw(B, N, 1),
        logits2=draw(B, N, C),
        logits3=draw(B, 1, C),
        logits4=draw(B, 1, C),
        visual_features=draw(B, N, D),
        reconstructed_features=draw(B, N, D),
        compactness=torch.tensor(0.3),
    )


def test_every_term_equals_the_loop_over_videos(outputs):
    losses = dsanet_losses(outputs, LABELS, LENGTHS, loss2_weight=5.0)
    expected = looped_losses(outputs, LABELS, LENGTHS, loss2_weight=5.0)
    assert losses.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value, msg=name)
    parts = sum(value for name, value in expected.items() if name != "total")
    torch.testing.assert_close(losses["total"], parts + 4.0 * expected["align"])


def test_without_sgnm_two_terms_and_the_align_weight_go(outputs):
    bare = outputs._replace(reconstructed_features=None, compactness=None)
    losses = dsanet_losses(bare, LABELS, LENGTHS, loss2_weight=5.0)
    assert losses["consistency"] == losses["compactness"] == 0
    expected = looped_losses(bare, LABELS, LENGTHS, loss2_weight=5.0)
    names = ("mil", "align", "separation", "event", "background")
    torch.testing.assert_close(losses["total"], sum(expected[name] for name in names))


def test_padding_has_no_vote(outputs):
    changed = outputs.logits2.clone()
    for b, n in enumerate(LENGTHS):
        changed[b, n:] = 100
    assert torch.equal(topk_mean(outputs.logits2, LENGTHS), topk_mean(changed, LENGTHS))


def test_gradients_are_finite_when_scores_saturate(outputs):
    logits1 = (outputs.logits1.sign() * 300).requires_grad_()
    losses = dsanet_losses(outputs._replace(logits1=logits1), LABELS, LENGTHS, 1.1)
    losses["total"].backward()
    assert torch.isfinite(losses["total"])
    assert torch.isfinite(logits1.grad).all()
