import copy
import math

import pytest
import torch

from utils.optim import StableAdamW, WarmCosineScheduler, dsanet_optimization


def test_stable_adamw_against_its_formula():
    torch.manual_seed(0)
    lr, wd, b1, b2, eps = 0.05, 0.1, 0.9, 0.999, 1e-10
    p = torch.nn.Parameter(torch.randn(3, 4, dtype=torch.double))
    q = p.detach().clone()
    optimizer = StableAdamW([p], lr=lr, weight_decay=wd, amsgrad=True, eps=eps)
    m = n = top = torch.zeros_like(q)
    for u in range(1, 12):
        g = torch.randn(3, 4, dtype=torch.double) * (30 if u % 4 == 0 else 1)
        p.grad = g.clone()
        optimizer.step()
        q = q * (1 - lr * wd)
        m, n = b1 * m + (1 - b1) * g, b2 * n + (1 - b2) * g**2
        top = torch.maximum(top, n)
        d = (top / (1 - b2**u)).sqrt() + eps
        r = max(1.0, ((g / d) ** 2).mean().sqrt().item())
        q = q - lr / (1 - b1**u) / r * m / d
    torch.testing.assert_close(p.detach(), q)


def test_stable_adamw_resumes():
    def steps(optimizer, p, count, start):
        for i in range(start, start + count):
            p.grad = torch.full_like(p, math.sin(i))
            optimizer.step()

    a, b = (torch.nn.Parameter(torch.ones(5)) for _ in range(2))
    first = StableAdamW([a], lr=0.1, amsgrad=True)
    steps(first, a, 4, 0)
    b.data.copy_(a.data)
    second = StableAdamW([b], lr=0.5, amsgrad=True)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    steps(first, a, 4, 4)
    steps(second, b, 4, 4)
    assert torch.equal(a, b)


def rates(total, warmup, count):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    schedule = WarmCosineScheduler(optimizer, 2.0, 0.2, total, warmup)
    values = []
    for _ in range(count):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return values


def test_warm_cosine():
    values = rates(total=30, warmup=5, count=40)
    assert values[:5] == pytest.approx([0, 0.5, 1, 1.5, 2])
    assert values[5] == 2
    assert values[17] == pytest.approx(0.2 + 0.9 * (1 + math.cos(math.pi * 12 / 25)))
    assert values[30:] == [0.2] * 10


@pytest.mark.parametrize("total", [1, 2, 7])
def test_a_run_shorter_than_its_warm_up(total):
    values = rates(total=total, warmup=100, count=total + 2)
    assert values[0] == 0
    assert max(values) <= 2.0
    assert values[-1] == 0.2
    if total > 1:
        assert values[total - 1] == 2.0


def test_the_two_optimizers_share_out_the_trainable_parameters(ucf_model):
    optimization = dsanet_optimization(ucf_model, lr=1e-3, epochs=10, planned_steps=200)
    main_optimizer, sgnm_optimizer = optimization.optimizers.values()
    names = {id(p): name for name, p in ucf_model.named_parameters()}
    sgnm = {names[id(p)] for group in sgnm_optimizer.param_groups for p in group["params"]}
    main = {names[id(p)] for group in main_optimizer.param_groups for p in group["params"]}
    assert all(name.startswith("video_anomaly_refiner.") for name in sgnm)
    trainable = {name for name, p in ucf_model.named_parameters() if p.requires_grad}
    assert main | sgnm == trainable
    assert not main & sgnm
    for _ in range(10):
        main_optimizer.step()
        optimization.end_epoch()
    assert main_optimizer.param_groups[0]["lr"] == pytest.approx(0)
