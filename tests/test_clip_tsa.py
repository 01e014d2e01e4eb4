"""CLIP-TSA's attention. What it shares with RTFM, training passes among it, is in test_rtfm.py."""

import numpy as np
import pytest
import torch

import ucf_option
from benchmarks.plain import rank_by_rank_weights
from clip_tsa import CLIPTSA, DRAWS, ESTIMATORS, HardAttention, topk_weights
from helpers.golden import assert_close, needs_goldens, seeded
from helpers.rtfm_golden import Case

GOLDEN_KAPPAS = (0.01, 0.5, 0.9, 0.95, 1.0)


def golden_noise(key, *shape) -> torch.Tensor:
    return torch.from_numpy(seeded().seeded(str(key), shape))


def assert_chosen_as_often(weights: torch.Tensor, reference: np.ndarray) -> None:
    """The same counts exactly; the official weights are sums of rounded shares."""
    assert_close({"w": (weights, reference)}, 1e-6)
    assert np.array_equal((DRAWS * weights).round(), (DRAWS * reference).round())


@needs_goldens
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_weights_and_their_gradient(estimator):
    case = Case("clip-tsa")
    reference = case.reference
    visual, noise = case.inputs()
    attention = case.model().hard_attention
    scores = attention.scorer(visual).squeeze(-1)
    assert_close({"s": (scores.detach(), reference["s"])}, 1e-5)
    scores = torch.from_numpy(reference["s"]).requires_grad_()
    k = attention.most(32)
    assert k == reference["tsa.k"]
    weights = topk_weights(scores, k, noise["noise"], estimator=estimator)
    assert_chosen_as_often(weights.detach(), reference["w"])
    weights.backward(torch.from_numpy(reference["dL_dw"]))
    assert_close({"dL_ds": (scores.grad, reference[f"dL_ds.{estimator}"])}, 1e-5)


@needs_goldens
@pytest.mark.parametrize("kappa", GOLDEN_KAPPAS)
def test_weights_at_other_shares(kappa):
    case = Case("clip-tsa")
    scores, (_, noise) = torch.from_numpy(case.reference["s"]), case.inputs()
    attention = HardAttention(512, kappa, 0, "centred")
    weights = topk_weights(scores, attention.most(32), noise["noise"])
    assert_chosen_as_often(weights, case.reference[f"kappa{kappa}.w"])


@needs_goldens
@pytest.mark.parametrize("name", ["test10", "test33", "test300", "test1100", "test1100.uncapped"])
def test_weights_of_whole_videos(name):
    case = Case("clip-tsa")
    reference, video = case.reference, name.partition(".")[0]
    attention = case.model().eval().hard_attention
    attention.cap = 0 if name.endswith("uncapped") else 1000
    snippets = int(video.removeprefix("test"))
    assert attention.most(snippets) == reference[f"{name}.k"]
    scores = torch.from_numpy(reference[f"{video}.s"])[None]
    noise = golden_noise(reference[f"{video}.noise.key"], 1, 100, snippets)
    weights = topk_weights(scores, attention.most(snippets), noise)
    assert_chosen_as_often(weights[0], reference[f"{name}.w"])


@pytest.mark.parametrize("k", [1, 7, 19, 20])
def test_weights_are_those_of_a_sum_over_ranks(k):
    torch.manual_seed(0)
    scores, noise = torch.rand(3, 20), torch.randn(3, 100, 20)
    weights = topk_weights(scores, k, noise)
    torch.testing.assert_close(weights, rank_by_rank_weights(scores, k, noise))
    torch.testing.assert_close(weights.sum(dim=1), torch.full((3,), float(k)))
    assert weights.min() >= 0 and weights.max() <= 1


@pytest.mark.parametrize("k, estimator", [(0, "centred"), (10, "centred"), (3, "oficial")])
def test_no_such_choice(k, estimator):
    with pytest.raises(ValueError, match=f"k {k} of 9, estimator {estimator}"):
        topk_weights(torch.rand(1, 9), k, torch.randn(1, 5, 9), estimator=estimator)


def test_the_option_has_every_estimator():
    for estimator in ESTIMATORS:
        ucf_option.parser.parse_args(["--method=clip-tsa", f"--tsa-estimator={estimator}"])


def test_without_noise_it_is_the_hard_top_k():
    torch.manual_seed(0)
    scores, noise = torch.rand(3, 20), torch.randn(3, 100, 20)
    expected = torch.zeros(3, 20).scatter_(1, scores.topk(6).indices, 1.0)
    assert torch.equal(topk_weights(scores, 6, noise, sigma=1e-9), expected)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_who_keeps_all_weights_nothing_and_teaches_nothing(estimator):
    torch.manual_seed(0)
    scores = torch.rand(2, 9, requires_grad=True)
    weights = topk_weights(scores, 9, torch.randn(2, 100, 9), estimator=estimator)
    assert (weights == 1).all()
    (weights * torch.randn(2, 9)).sum().backward()
    assert (scores.grad == 0).all()
    attention = HardAttention(8, 1.0, 0, estimator)
    x = torch.randn(2, 9, 8)
    assert torch.equal(attention(x), x)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_gradients_expectation_is_that_of_the_smoothed_choice(estimator):
    """Against a central difference of E[⟨g, w⟩], with the same draws on both sides of it."""
    torch.manual_seed(0)
    scores = torch.tensor([[0.50, 0.52, 0.47, 0.55]], dtype=torch.float64)
    g = torch.tensor([0.3, -1.0, 0.4, 0.9], dtype=torch.float64)
    noise = torch.randn(1, 100_000, 4, dtype=torch.float64)

    def expectation(s):
        return (topk_weights(s, 2, noise) * g).sum()

    step = 0.01
    expected = torch.stack(
        [(expectation(scores + d) - expectation(scores - d)) / (2 * step)
         for d in step * torch.eye(4, dtype=torch.float64)]
    )  # fmt: skip
    scores.requires_grad_()
    (topk_weights(scores, 2, noise, estimator=estimator) * g).sum().backward()
    torch.testing.assert_close(scores.grad[0], expected, rtol=0, atol=0.15)
    assert expected.abs().max() > 2


def test_the_centred_estimator_is_the_quietest():
    """Of a loss whose gradient has a mean, as that of the sum of a video's scores."""
    torch.manual_seed(0)
    scores, g = torch.rand(1, 32), 0.1 * torch.randn(32) + 1.0
    spread = {}
    for estimator in ESTIMATORS:
        found = []
        for _ in range(200):
            s = scores.clone().requires_grad_()
            weights = topk_weights(s, 28, torch.randn(1, 100, 32), estimator=estimator)
            (weights * g).sum().backward()
            found.append(s.grad)
        spread[estimator] = torch.cat(found).std(dim=0).mean().item()
    assert spread["centred"] < spread["official"] / 3
    assert spread["centred"] < spread["standard"] / 3


def attention(**how) -> HardAttention:
    torch.manual_seed(0)
    return HardAttention(8, **{"kappa": 0.5, "cap": 0, "estimator": "centred", **how})


def test_how_many_snippets_stay():
    layer = attention(kappa=0.95, cap=1000).eval()
    assert [layer.most(t) for t in (1, 10, 32, 300, 5000)] == [1, 9, 30, 285, 1000]
    assert layer.train().most(5000) == 4750
    assert attention(kappa=0.01).most(32) == 1


def test_a_video_shorter_than_the_cap_is_untouched_by_it():
    x = torch.randn(1, 30, 8)
    free, capped = (attention(cap=cap).eval()(x) for cap in (0, 15))
    assert torch.equal(free, capped)
    assert not torch.equal(free, attention(cap=14).eval()(x))


def test_a_test_repeats_and_leaves_the_random_state_alone():
    layer, x = attention().eval(), torch.randn(2, 30, 8)
    before = torch.get_rng_state()
    first = layer(x)
    assert torch.equal(layer(x), first)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(layer(x[1:]), first[1:])
    assert not torch.equal(layer.train()(x), first)


def test_length_and_order_stay():
    layer, x = attention(), torch.randn(1, 30, 8)
    noise = torch.randn(1, DRAWS, 30)
    scores = layer.scorer(x).squeeze(-1)
    expected = topk_weights(scores, 15, noise)[..., None] * x
    assert torch.equal(layer(x, noise), expected)


def test_the_scorer_learns_by_the_attention_alone():
    torch.manual_seed(0)
    model = CLIPTSA(16, kappa=0.9, cap=1000, estimator="centred").train()
    visual, lengths = torch.randn(4, 32, 16), torch.full((4,), 32)
    model.losses(model(visual, lengths))["total"].backward()
    assert model.hard_attention.scorer.fc1.weight.grad.abs().max() > 0
