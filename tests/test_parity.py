"""Numeric agreement with the official implementation, on the goldens."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import ucf_option
import xd_option
from helpers import golden
from helpers.golden import assert_close, load, seeded
from helpers.memory import give_back
from losses import dsanet_losses
from model import build_model, hierarchical_belief_modulation
from utils.datasets.clips import process_feat, process_split
from utils.detection_map import detection_map
from utils.labels import UCF_CRIME, XD_VIOLENCE
from utils.optim import SGNM_PREFIX, StableAdamW, WarmCosineScheduler, dsanet_optimization

pytestmark = [golden.needs_goldens, pytest.mark.real_clip]

DATASETS = {"ucf": (ucf_option, UCF_CRIME), "xd": (xd_option, XD_VIOLENCE)}
SALT = "a/"
# Round-off decides these changes: a softmax is blind to its key bias, so Adam amplifies noise, and
# one float32 ulp of learn_scale is 2 % of its change.
NOISY = ("in_proj_bias", "dnp_extractor.0.attn.kv.bias", "learn_scale")


@pytest.fixture(scope="module", params=DATASETS)
def run(request):
    """A seeded model taken three optimizer steps on one batch, and what was seen on the way."""
    name = request.param
    option, facts = DATASETS[name]
    args = option.parser.parse_args(["--clip-weights", "random"])
    reference = load(f"{name}_a")
    model = build_model(args, facts)
    weights = golden.seeded_weights(name, SALT)
    model.load_state_dict(weights)
    lengths = torch.from_numpy(reference["lengths"])
    visual = torch.from_numpy(seeded().features(f"{SALT}{name}.visual", lengths.tolist()))
    labels = torch.stack([facts.encode(label) for label in reference["labels"]])

    trainable = [key for key, p in model.named_parameters() if p.requires_grad]
    keys, before = [*weights], {key: weights[key] for key in trainable}
    del weights

    model.train()
    outputs = model(visual, lengths)
    losses = dsanet_losses(outputs, labels, lengths, args.loss2_weight)
    losses["total"].backward()
    # Without the graphs that lead to them, which are large.
    outputs = outputs._make(value.detach() for value in outputs)
    losses = {key: value.item() for key, value in losses.items()}
    give_back()
    gradients = {
        key: p.grad.norm().item() for key, p in model.named_parameters() if p.grad is not None
    }
    without = dsanet_losses(
        outputs._replace(reconstructed_features=None, compactness=None), labels, lengths, 1.1
    )

    optimization = dsanet_optimization(model, lr=args.lr, epochs=10, planned_steps=200)
    trajectory = []
    for _ in range(int(reference["step.count"])):
        current = dsanet_losses(model(visual, lengths), labels, lengths, args.loss2_weight)
        trajectory.append(current["total"].item())
        optimization.step(current["total"])
    return SimpleNamespace(
        name=name, args=args, facts=facts, reference=reference, model=model, keys=keys,
        trainable=trainable, before=before, labels=labels, outputs=outputs, losses=losses,
        without=without, gradients=gradients, trajectory=trajectory,
    )  # fmt: skip


def test_state_dict_is_the_official_one(run):
    shapes = {key: list(value.shape) for key, value in run.model.state_dict().items()}
    official = golden.official_shapes(run.name)
    assert shapes == {key: official[key] for key in run.keys}
    assert sorted(run.trainable) == golden.official_shapes(f"{run.name}_trainable")


def test_labels(run):
    assert np.array_equal(run.labels.numpy(), run.reference["label_matrix"])


def test_outputs(run):
    names = ["text_features", "logits1", "logits2", "logits3", "logits4"]
    pairs = {n: (getattr(run.outputs, n), run.reference[n]) for n in names}
    for n in ("visual_features", "reconstructed_features"):
        pairs[n] = getattr(run.outputs, n)[:, ::16, ::8], run.reference[n]
    assert_close(pairs, 1e-5)


def test_losses(run):
    pairs = {n: (value, run.reference[f"loss.{n}"]) for n, value in run.losses.items()}
    pairs["without SG-NM"] = run.without["total"].item(), run.reference["loss.total_without_sgnm"]
    assert_close(pairs, 1e-5)


def test_gradient_norms(run):
    norms = zip(run.reference["grad.names"], run.reference["grad.norms"], strict=True)
    expected = {str(name): norm for name, norm in norms if not np.isnan(norm)}
    assert run.gradients.keys() == expected.keys()
    assert_close({name: (run.gradients[name], norm) for name, norm in expected.items()}, 1e-4)


def test_trajectory(run):
    pairs = zip(run.trajectory, run.reference["trajectory"], strict=True)
    assert_close({f"step {i}": pair for i, pair in enumerate(pairs)}, 1e-5)


def test_weights_after_the_steps(run):
    now = run.model.state_dict()
    changes = zip(
        run.reference["step.names"], run.reference["step.mean_abs_change"], strict=True
    )  # fmt: skip
    pairs = {
        str(name): ((now[name] - run.before[name]).abs().double().mean().item(), change)
        for name, change in changes
        if not str(name).endswith(NOISY)
    }
    assert any(name.startswith(SGNM_PREFIX) for name in pairs)
    assert_close(pairs, 1e-3)


def test_inference_after_the_steps(run):
    run.model.eval()
    lengths = sorted(int(k[4:-6]) for k in run.reference if k.startswith("test") and "score" in k)
    pairs = {}
    for t in lengths:
        feat = seeded().features(f"{SALT}{run.name}.test{t}", [t], maxlen=t)[0]
        segments, count = process_split(feat, run.args.visual_length)
        valid = (count - 256 * torch.arange(len(segments))).clamp(1, 256)
        with torch.no_grad():
            out = run.model(torch.from_numpy(segments), valid)
        score = out.logits1.sigmoid().flatten()[:count]
        prob = hierarchical_belief_modulation(out.logits1, out.logits2, run.args.temp)
        pairs[f"score of {t}"] = score, run.reference[f"test{t}.score"]
        pairs[f"prob of {t}"] = prob.flatten(0, 1)[:count], run.reference[f"test{t}.prob"]
    assert_close(pairs, 1e-4)


def test_clips_and_segments_are_exact():
    reference = load("processing")
    for t in (int(key[4:]) for key in reference if key.startswith("feat") and "." not in key):
        feat = seeded().seeded(f"proc{t}", (t, 8))
        clip, length = process_feat(feat, 256)
        assert np.array_equal(clip, reference[f"feat{t}"])
        assert length == reference[f"feat{t}.len"]
        segments, count = process_split(feat, 256)
        assert count == t
        # The official code returns a single segment without its axis.
        official = segments[0] if t < 256 else segments
        assert official.shape == tuple(reference[f"split{t}.shape"])
        assert np.array_equal(official[..., :2], reference[f"split{t}"])


@pytest.mark.parametrize("name", DATASETS)
def test_detection_map(name):
    facts = DATASETS[name][1]
    reference = json.loads((golden.GOLDEN / "detection_map.json").read_text())[name]
    predictions = []
    videos = zip(reference["lengths"], reference["segments"], reference["labels"], strict=True)
    for i, (snippets, segments, labels) in enumerate(videos):
        lifted = [
            (facts.classes.index(label), start // 16, max(start // 16 + 1, end // 16))
            for (start, end), label in zip(segments, labels, strict=True)
            if label in facts.classes[1:]
        ]
        predictions.append(
            seeded().walk_probabilities(f"map.{name}", i, snippets, len(facts.classes), lifted)
        )
    value = detection_map(predictions, reference["segments"], reference["labels"], facts.classes)
    assert np.abs(value - reference["map"]).max() <= 1e-9


def test_optimizer_sequence():
    reference = load("optimizer")
    draw = seeded().seeded
    w, b = (
        torch.nn.Parameter(torch.from_numpy(draw(*spec)))
        for spec in (("opt.w", (16, 8)), ("opt.b", (8,)))
    )
    optimizer = StableAdamW([w, b], lr=0.02, weight_decay=0.1, amsgrad=True, eps=1e-10)
    schedule = WarmCosineScheduler(
        optimizer, base_value=0.02, final_value=0.002, total_iters=30, warmup_iters=5
    )
    pairs = {}
    for i in range(len(reference["lr"])):
        pairs[f"lr {i}"] = optimizer.param_groups[0]["lr"], reference["lr"][i]
        scale = 8 if i % 7 == 0 else 1
        w.grad = scale * torch.from_numpy(draw(f"opt.gw{i}", (16, 8)))
        b.grad = scale * torch.from_numpy(draw(f"opt.gb{i}", (8,)))
        optimizer.step()
        schedule.step()
        pairs[f"w {i}"] = w.detach().clone(), reference["w"][i]
        pairs[f"b {i}"] = b.detach().clone(), reference["b"][i]
    assert_close(pairs, 1e-5)
