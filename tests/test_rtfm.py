"""RTFM: agreement with its official implementation on the goldens, and what it should do besides.

What it shares with CLIP-TSA is tested of both.
"""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import ucf_option
import xd_option
from helpers.golden import GOLDEN, assert_close, load, needs_goldens, seeded
from helpers.rtfm_golden import SALT, Case, norms_of
from model import build_model
from rtfm import RTFM, NonLocal, choose_segments, rtfm_losses
from utils.datasets.clips import shorten
from utils.labels import UCF_CRIME
from utils.network.batch import stretch
from utils.optim import make_optimization

METHODS = ("rtfm", "clip-tsa")
BOTH = pytest.mark.parametrize("method", METHODS)
# Which of the three estimators' figures a golden is of, see clip_tsa.py; RTFM has none.
ESTIMATED = [("rtfm", None), *(("clip-tsa", name) for name in ("centred", "standard", "official"))]


def case_of(method: str, estimator: str | None) -> Case:
    return Case(method, *([f"--tsa-estimator={estimator}"] if estimator else []))


def suffix(estimator: str | None) -> str:
    return f".{estimator}" if estimator else ""


# Agreement.


@needs_goldens
@BOTH
def test_state_dict_is_the_official_one(method):
    case = Case(method)
    own = {key: list(value.shape) for key, value in case.model().state_dict().items()}
    assert own == {k: shape for k, shape in case.shapes().items() if not k.startswith("mlp.")}


@needs_goldens
def test_rtfms_own_weights_are_of_i3d_features():
    shapes = json.loads((GOLDEN / "rtfm_state_dict.json").read_text())["i3d"]
    own = build("rtfm", width=2048).state_dict()
    assert {key: list(value.shape) for key, value in own.items()} == shapes


@needs_goldens
@pytest.mark.parametrize("method, estimator", ESTIMATED)
def test_a_training_pass(method, estimator):
    case = case_of(method, estimator)
    model, reference = case.model(), case.reference
    visual, noise = case.inputs()
    features, scores = model.encode(visual, **noise)
    losses = rtfm_losses(features, scores, normal=case.normal)
    losses["total"].backward()

    chosen = choose_segments(features[:, None])
    assert np.array_equal(chosen, reference["selected"])
    found = {
        "scores": scores,
        "magnitudes": features.norm(dim=-1),
        "features": features[:, ::4, ::16],
        "video_scores": scores.gather(1, chosen).mean(dim=1),
    }
    pairs = {name: (value.detach(), reference[name]) for name, value in found.items()}
    pairs |= {n: (losses[n].item(), v) for n, v in case.losses_of("").items()}
    state = model.state_dict()
    statistics = [key for key in reference if key.startswith("bn.")]
    pairs |= {key: (state[key.removeprefix("bn.")], reference[key]) for key in statistics}
    assert_close(pairs, 1e-5)
    expected, norms = case.norms_of("", suffix(estimator)), norms_of(model)
    assert norms.keys() == expected.keys()
    assert_close({name: (norms[name], norm) for name, norm in expected.items()}, 1e-4)


@needs_goldens
@pytest.mark.parametrize("method, estimator", ESTIMATED)
def test_three_steps_and_a_test_after_them(method, estimator):
    case = case_of(method, estimator)
    model, reference = case.model(), case.reference
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    visual, noise = case.inputs()
    optimization = make_optimization(model, case.args, planned_steps=0)
    totals = []
    for _ in range(int(reference["step.count"])):
        losses = rtfm_losses(*model.encode(visual, **noise), normal=case.normal)
        totals.append(losses["total"].item())
        optimization.step(losses["total"])
    assert_close({"trajectory": (totals, reference[f"trajectory{suffix(estimator)}"])}, 1e-5)
    now = dict(model.named_parameters())
    changes = reference[f"step.mean_abs_change{suffix(estimator)}"]
    assert_close(
        {
            str(name): ((now[name].detach() - before[name]).abs().double().mean().item(), change)
            for name, change in zip(reference["step.names"], changes, strict=True)
        },
        1e-3,
    )
    if estimator in (None, "standard"):
        with torch.no_grad():
            noise = case.noise("after33.", 1, 33)
            _, scores = model.eval().encode(case.features("after33", 1, 33), **noise)
        assert_close({"after33": (scores[0], reference["after33.score"])}, 1e-4)


@needs_goldens
@pytest.mark.parametrize("snippets", [10, 33, 300, 1100])
@BOTH
def test_scores_of_whole_videos(method, snippets):
    case = Case(method)
    model = case.model().eval()
    visual = case.features(f"test{snippets}", 1, snippets)
    noise = case.noise(f"test{snippets}.", 1, snippets)
    with torch.no_grad():
        _, scores = model.encode(visual, **noise)
        found = {"score": (scores[0], case.reference[f"test{snippets}.score"])}
        if method == "clip-tsa" and snippets == 1100:
            model.hard_attention.cap = 0
            _, scores = model.encode(visual, **noise)
            found["uncapped"] = scores[0], case.reference["test1100.uncapped.score"]
    assert_close(found, 1e-5)


@needs_goldens
@pytest.mark.parametrize("method, estimator", ESTIMATED)
def test_a_pass_with_dropout(method, estimator, monkeypatch):
    """Where each mask goes, in the official order of draws; by way of what the scripts call."""
    case = case_of(method, estimator)
    model = case.model()
    kinds = iter(("features", "fc1", "fc2", "select_anomalous", "select_normal"))

    def dropout(_, x):
        mask = seeded().seeded(f"{SALT}{case.name}.mask.{next(kinds)}", tuple(x.shape)) > 0.5244005
        return x * torch.from_numpy(mask.astype(np.float32) * np.float32(1 / 0.3))

    monkeypatch.setattr(nn.Dropout, "forward", dropout)
    visual, noise = case.inputs()
    if noise:
        monkeypatch.setattr(model.hard_attention, "draw", lambda x: noise["noise"])
    losses = model.losses(model(visual, torch.full((len(visual),), 32)))
    losses["total"].backward()
    expected = case.losses_of("dropout.")
    assert_close({n: (losses[n].item(), value) for n, value in expected.items()}, 1e-5)
    norms = norms_of(model)
    expected = case.norms_of("dropout.", suffix(estimator))
    assert_close({name: (norms[name], norm) for name, norm in expected.items()}, 1e-3)


@needs_goldens
@pytest.mark.parametrize("method, estimator", ESTIMATED)
def test_two_crops_of_a_video(method, estimator, monkeypatch):
    """As the papers have them, and as rows of a list, one after another."""
    case = case_of(method, estimator)
    rows = case.features("crops", 4 * case.normal)
    noise = case.noise("crops.", 4 * case.normal)
    expected = case.losses_of("crops."), case.norms_of("crops.", suffix(estimator))
    for as_rows in (False, True):
        model = case.model(crops=2)
        if as_rows:
            if noise:
                monkeypatch.setattr(model.hard_attention, "draw", lambda x: noise["noise"])
            losses = model.losses(model(rows, torch.full((len(rows),), 32)))
        else:
            features, scores = model.encode(rows.unflatten(0, (-1, 2)), **noise)
            assert np.array_equal(choose_segments(features), case.reference["crops.selected"])
            losses = rtfm_losses(features, scores, normal=case.normal)
        losses["total"].backward()
        assert_close({n: (losses[n].item(), value) for n, value in expected[0].items()}, 1e-5)
        norms = norms_of(model)
        assert_close({name: (norms[name], norm) for name, norm in expected[1].items()}, 1e-4)


@needs_goldens
def test_magnitudes_on_both_sides_of_the_margin():
    case = Case("rtfm")
    model = case.model()
    visual = case.features("input", 2 * case.normal) * float(case.reference["large.factor"])
    features, scores = model.encode(visual)
    assert np.array_equal(choose_segments(features[:, None]), case.reference["large.selected"])
    losses = rtfm_losses(features, scores, normal=case.normal)
    losses["total"].backward()
    expected = case.losses_of("large.")
    assert_close({n: (losses[n].item(), value) for n, value in expected.items()}, 1e-5)
    norms = norms_of(model)
    assert_close({n: (norms[n], norm) for n, norm in case.norms_of("large.").items()}, 1e-4)


@needs_goldens
def test_segments_of_a_video_of_any_length():
    reference = load("rtfm_a")
    lengths = [int(key.removeprefix("segments")) for key in reference if key.startswith("segments")]
    assert min(lengths) == 1 and max(lengths) > 320
    for t in lengths:
        clip = shorten(seeded().seeded(f"a/segments{t}", (t, 8)), 32)
        padded = F.pad(torch.from_numpy(clip), (0, 0, 0, 32 - len(clip)))
        segments = stretch(padded[None], torch.tensor([len(clip)]))[0]
        assert np.array_equal(segments, reference[f"segments{t}"]), t


# What needs no goldens.


def build(method: str, *options: str, width: int = 512):
    torch.manual_seed(0)
    args = ucf_option.parser.parse_args([f"--method={method}", *options])
    return build_model(args, replace(UCF_CRIME, width=width))


def test_the_non_local_block_starts_as_the_identity():
    x = torch.randn(3, 8, 12)
    block = RTFM(32).Aggregate.non_local
    assert torch.equal(block(x), x)
    nn.init.ones_(block.W[1].weight)
    assert not torch.allclose(block(x), x)


def test_the_non_local_block_is_the_product_over_all_pairs():
    torch.manual_seed(0)
    block, x = NonLocal(8), torch.randn(2, 8, 5)
    theta, phi, g = (conv(x) for conv in (block.theta, block.phi, block.g))
    pairs = theta.transpose(1, 2) @ phi / 5  # [M, T, T]
    expected = (pairs @ g.transpose(1, 2)).transpose(1, 2)
    torch.testing.assert_close(block.attend(theta, phi, g), expected)


@BOTH
def test_scores_are_the_same_alone_and_in_company(method):
    """Whatever stands behind a video's end."""
    model = build(method).eval()
    torch.manual_seed(1)
    videos = [torch.randn(t, 512) for t in (1, 2, 40, 40)]
    batch = torch.full((4, 45, 512), 3.0)
    for row, video in zip(batch, videos, strict=True):
        row[: len(video)] = video
    with torch.no_grad():
        together = model(batch, torch.tensor([len(v) for v in videos]))
        assert together.logits1.shape == (4, 45, 1)
        assert together.visual_features.shape == batch.shape
        for video, logits in zip(videos, together.logits1, strict=True):
            alone = model(video[None], torch.tensor([len(video)])).logits1
            assert torch.equal(alone[0], logits[: len(video)])
            assert (logits[len(video) :] == 0).all()
            _, scores = model.encode(video[None])
            assert torch.equal(scores, alone.squeeze(-1).sigmoid())


@BOTH
def test_every_dropout_can_be_turned_off(method):
    model = build(method).train()
    rates = [m.p for m in model.modules() if isinstance(m, nn.Dropout)]
    assert rates == [0.7]
    visual, lengths = torch.randn(4, 32, 512), torch.full((4,), 32)
    if method == "clip-tsa":
        model.hard_attention.kappa = 1.0

    def totals():
        return [model.losses(model(visual, lengths))["total"].item() for _ in range(2)]

    first, second = totals()
    assert first != second
    model.dropout.p = 0.0
    first, second = totals()
    assert first == second


def test_the_mask_decides_which_segments_speak_and_nothing_else():
    features = torch.zeros(2, 20, 4)
    features[:, :, 0] = torch.arange(20.0)
    scores = torch.linspace(0.1, 0.9, 20).expand(2, 20)
    mask = torch.ones(2, 20)
    mask[:, 19] = 0
    assert choose_segments(features[:, None]).tolist() == [[18, 19]] * 2
    assert choose_segments(features[:, None], mask).tolist() == [[17, 18]] * 2
    found = rtfm_losses(features, scores, 1, mask)
    video = scores[0, 17:19].mean()
    expected = -(video.log() + (1 - video).log()) / 2
    torch.testing.assert_close(found["classification"], expected)
    torch.testing.assert_close(found["magnitude"], torch.tensor(1e-4 * (100 - 17.5 + 17.5) ** 2))
    terms = ("classification", "magnitude", "smoothness", "sparsity")
    torch.testing.assert_close(found["total"], sum(found[name] for name in terms))


@pytest.mark.parametrize("width", [8, 30, 768])
@BOTH
def test_features_of_any_width(method, width):
    model = build(method, width=width).train()
    visual = torch.randn(4, 32, width)
    losses = model.losses(model(visual, torch.tensor([32, 5, 1, 32])))
    losses["total"].backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())
    with torch.no_grad():
        outputs = model.eval()(visual[:1], torch.tensor([32]))
    assert outputs.visual_features.shape == (1, 32, width)


@pytest.mark.parametrize("method, steps, batch", [("rtfm", 15_000, 32), ("clip-tsa", 4000, 16)])
def test_what_the_method_sets(method, steps, batch):
    for parser, metric, kappa in ((ucf_option, "auc1", 0.95), (xd_option, "pr_auc", 0.9)):
        args = parser.parser.parse_args([f"--method={method}"])
        assert (args.visual_length, args.lr) == (32, 1e-3)
        assert (args.max_steps, args.batch_size, args.eval_every) == (steps, batch, 5)
        assert args.eval_from == {"rtfm": 205, "clip-tsa": 155}[method]
        assert (args.select_by, args.tsa_kappa, args.tsa_cap) == (metric, kappa, 1000)
    model = build(method)
    (adam,) = make_optimization(model, args, planned_steps=0).optimizers.values()
    assert type(adam) is torch.optim.Adam
    assert (adam.defaults["lr"], adam.defaults["weight_decay"]) == (1e-3, 5e-3)
