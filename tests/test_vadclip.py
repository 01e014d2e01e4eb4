"""VadCLIP: agreement with its official implementation on the goldens, and what `--method` sets."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import ucf_option
import xd_option
from helpers import golden
from helpers.golden import assert_close, load, seeded
from losses import dsanet_losses
from model import build_model
from utils.engine import Scoring, class_probabilities, compute_losses
from utils.labels import UCF_CRIME, XD_VIOLENCE
from utils.network.clip_text import tokenize
from utils.optim import make_optimization

pytestmark = pytest.mark.real_clip

DATASETS = {"ucf": (ucf_option, UCF_CRIME), "xd": (xd_option, XD_VIOLENCE)}
SALT = "a/"
SWITCHES = ["--text-tuning=prompt", "--DNP_use=False", "--DCSA_use=False"]


@pytest.fixture(scope="module", params=DATASETS)
def run(request):
    """One backward pass of the seeded network."""
    name = request.param
    option, facts = DATASETS[name]
    args = option.parser.parse_args(["--clip-weights", "random", "--method", "vadclip"])
    reference = load(f"vadclip_{name}_a")
    model = build_model(args, facts).train()
    model.load_state_dict(golden.seeded_weights(name, SALT, "vadclip"))
    lengths = torch.from_numpy(reference["lengths"])
    visual = torch.from_numpy(seeded().features(f"{SALT}{name}.visual", lengths.tolist()))
    labels = torch.stack([facts.encode(label) for label in reference["labels"]])
    outputs = model(visual, lengths)
    losses = compute_losses(outputs, labels, lengths, args)
    losses["total"].backward()
    return SimpleNamespace(
        name=name, args=args, reference=reference, model=model, outputs=outputs, losses=losses
    )


@golden.needs_goldens
def test_state_dict_is_the_official_one(run):
    shapes = {key: list(value.shape) for key, value in run.model.state_dict().items()}
    official = golden.official_shapes(run.name, "vadclip")
    assert shapes == {k: v for k, v in official.items() if not k.startswith("clipmodel.visual.")}


@golden.needs_goldens
def test_outputs(run):
    names = ["text_features", "logits1", "logits2"]
    assert_close({n: (getattr(run.outputs, n).detach(), run.reference[n]) for n in names}, 1e-5)
    assert run.outputs.logits3 is run.outputs.compactness is None


@golden.needs_goldens
def test_losses(run):
    names = ("mil", "align", "separation", "total")
    assert_close({n: (run.losses[n].item(), run.reference[f"loss.{n}"]) for n in names}, 1e-5)


@golden.needs_goldens
def test_gradient_norms(run):
    norms = zip(run.reference["grad.names"], run.reference["grad.norms"], strict=True)
    expected = {str(name): norm for name, norm in norms if not np.isnan(norm)}
    found = {n: p.grad.norm().item() for n, p in run.model.named_parameters() if p.grad is not None}
    assert found.keys() == expected.keys()
    assert_close({name: (found[name], norm) for name, norm in expected.items()}, 1e-4)


@pytest.mark.parametrize(
    "name, lr, weight, milestones, metric",
    [("ucf", 2e-5, 0.1, [4, 8], "auc1"), ("xd", 1e-5, 1e-4, [3, 6, 10], "ap2")],
)
@pytest.mark.parametrize("options", [["--method=vadclip"], SWITCHES], ids=["method", "switches"])
def test_what_the_method_sets(name, options, lr, weight, milestones, metric):
    args = DATASETS[name][0].parser.parse_args(options)
    assert args.method == "vadclip"
    assert (args.text_tuning, args.DNP_use, args.DCSA_use) == ("prompt", False, False)
    assert (args.lr, args.separation_weight) == (lr, weight)
    assert (args.scheduler_milestones, args.select_by) == (milestones, metric)
    args = DATASETS[name][0].parser.parse_args([*options, "--lr=0.5"])
    assert args.lr == 0.5


def test_the_learning_rate_falls_at_the_milestones(ucf_args):
    args = ucf_option.parser.parse_args(["--method=vadclip"])
    optimization = make_optimization(torch.nn.Linear(2, 1), args, planned_steps=0)
    (adamw,) = optimization.optimizers.values()
    assert (adamw.defaults["weight_decay"], type(adamw).__name__) == (0.01, "AdamW")
    rates = []
    for _ in range(10):
        rates.append(adamw.param_groups[0]["lr"])
        adamw.step()
        optimization.end_epoch()
    assert rates == pytest.approx([2e-5] * 4 + [2e-6] * 4 + [2e-7] * 2)


def test_classes_are_inferred_by_a_softmax_alone(batch):
    torch.manual_seed(0)
    args = ucf_option.parser.parse_args(
        ["--method=vadclip", "--clip-weights=random", "--visual-length=32"]
    )
    model = build_model(args, UCF_CRIME).eval()
    with torch.no_grad():
        outputs = model(*batch)
    found = class_probabilities(outputs, Scoring.of(args))
    torch.testing.assert_close(found, outputs.logits2.exp() / outputs.logits2.exp().sum(-1, True))


def test_prompts_stand_around_the_words_text_by_text(ucf_model):
    """The input sequence as the obvious loop writes it, on all 77 positions."""
    torch.manual_seed(0)
    args = ucf_option.parser.parse_args(
        ["--text-tuning=prompt", "--prompt-prefix=3", "--prompt-postfix=2", "--clip-weights=random"]
    )
    prompt, clip = build_model(args, UCF_CRIME).text_prompt_embeddings, ucf_model.clipmodel
    tokens = tokenize(["abuse", "car accident"])
    rows, ends = [], []
    for text in tokens:
        e = int(text.argmax())
        row = prompt.weight.detach().clone()
        words = clip.token_embedding(text)
        row[0] = words[0]
        row[3 + 1 : 3 + e] = words[1:e]
        row[3 + e + 2] = words[e]
        rows.append(row + clip.positional_embedding)
        ends.append(3 + e + 2)
    with torch.no_grad():
        x = clip.transform(torch.stack(rows, dim=1), torch.tensor(ends)) @ clip.text_projection
        torch.testing.assert_close(prompt(clip, tokens), x, rtol=1e-4, atol=1e-5)


def test_weights_of_terms():
    """Only the separation term has a weight without SG-NM."""
    args = ucf_option.parser.parse_args(["--method=vadclip"])
    torch.manual_seed(0)
    outputs = SimpleNamespace(
        text_features=torch.randn(14, 8), logits1=torch.randn(2, 4, 1), logits3=None,
        logits2=torch.randn(2, 4, 14), compactness=None,
    )  # fmt: skip
    losses = dsanet_losses(outputs, torch.eye(14)[:2], torch.tensor([4, 3]), 1.1, 0.1)
    expected = losses["mil"] + losses["align"] + 0.1 * losses["separation"]
    torch.testing.assert_close(losses["total"], expected)
    again = compute_losses(outputs, torch.eye(14)[:2], torch.tensor([4, 3]), args)
    torch.testing.assert_close(again["total"], expected)
