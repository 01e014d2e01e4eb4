import pytest
import torch
from torch.nn import functional as F

import ucf_option
from mil import MILRanking, ranking_losses
from utils.optim import make_optimization

LABELS = torch.eye(14)[[0, 3, 0, 5]]
LENGTHS = torch.tensor([8, 8, 3, 5])


def test_ranking_losses_against_loops():
    torch.manual_seed(0)
    logits = torch.randn(4, 8, 1)
    scores = []
    for video, length in zip(logits.sigmoid().squeeze(-1), LENGTHS.tolist(), strict=True):
        # A video of fewer rows than segments: each row stands for several.
        scores.append(torch.stack([video[i * length // 8] for i in range(8)]))
    normal, anomalous = [scores[0], scores[2]], [scores[1], scores[3]]
    hinges = [max(0, 1 - a.max() + n.max()) for a in anomalous for n in normal]
    smoothness = [sum((a[i] - a[i + 1]) ** 2 for i in range(7)) for a in anomalous]
    losses = ranking_losses(logits, LABELS, LENGTHS)
    torch.testing.assert_close(losses["ranking"], torch.stack(hinges).mean())
    torch.testing.assert_close(losses["smoothness"], 8e-5 * torch.stack(smoothness).mean())
    sums = torch.stack([a.sum() for a in anomalous])
    torch.testing.assert_close(losses["sparsity"], 8e-5 * sums.mean())
    parts = losses["ranking"] + losses["smoothness"] + losses["sparsity"]
    torch.testing.assert_close(losses["total"], parts)


@pytest.mark.parametrize("kind", [0, 3])
def test_a_batch_of_one_kind_ranks_nothing_and_stays_finite(kind):
    logits = torch.randn(2, 8, 1, requires_grad=True)
    losses = ranking_losses(logits, torch.eye(14)[[kind, kind]], LENGTHS[:2])
    assert losses["ranking"] == 0
    losses["total"].backward()
    assert torch.isfinite(logits.grad).all()


def test_the_scorer(batch):
    torch.manual_seed(0)
    model = MILRanking().eval()
    shapes = [tuple(p.shape) for p in model.parameters()]
    assert shapes == [(512, 512), (512,), (32, 512), (32,), (1, 32), (1,)]
    assert [m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)] == [0.6, 0.6]
    outputs = model(*batch)
    first, _, _, second, _, third = model.scorer
    x = F.normalize(batch[0], dim=-1)
    torch.testing.assert_close(outputs.logits1, third(second(first(x).relu())))
    assert outputs.logits2 is None


def test_what_the_method_sets():
    args = ucf_option.parser.parse_args(["--method=mil"])
    assert (args.visual_length, args.lr) == (32, 0.01)
    optimization = make_optimization(MILRanking(), args, planned_steps=10)
    (adagrad,) = optimization.optimizers.values()
    assert isinstance(adagrad, torch.optim.Adagrad)
    assert adagrad.param_groups[0]["lr"] == 0.01
