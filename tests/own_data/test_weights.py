"""What weights say of themselves, and what a test makes of it."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import ucf_option
import xd_option
from detector import Detector
from helpers.own_set import THREE, own_set
from helpers.scripts import SCRIPTS, one_error
from helpers.small_clip import small_clip
from model import build_model
from utils import checkpoint
from utils.evaluation.predictions import load_predictions
from utils.labels import UCF_CRIME, XD_VIOLENCE, dataset_of
from utils.network.clip_file import weights_identity
from utils.options.parser import as_arguments
from utils.runs.made_with import OF_WEIGHTS, made_with
from utils.runs.weights import Weights
from utils.system.errors import UserError
from utils.system.untrusted import load_tensors

PARSERS = {"ucf": ucf_option.parser, "xd": xd_option.parser}
FACTS = {"ucf": UCF_CRIME, "xd": XD_VIOLENCE}


def adopted(weights: Weights, *options: str, recipe: str = "ucf"):
    """Options of a test of weights."""
    return weights.adopted_by(PARSERS[recipe].parse_args([*options]))


def test_weights_carry_the_run_that_made_them(three):
    weights = Weights.read(three.weights)
    assert weights.clip == "random"
    assert (weights.dataset.name, weights.dataset.title) == ("shop", "Shop")
    assert weights.dataset.classes == tuple(THREE)
    assert weights.dataset.texts == tuple((text,) for text in THREE.values())
    assert str(weights.dataset.row) == "share"
    assert weights.dataset.width == 24
    assert weights.options["attn_window"] == 8
    assert weights.options["visual_length"] == 16
    # It is nobody's business where they were made.
    assert str(three.data.folder.parent) not in repr(load_tensors(three.weights).made_with)
    assert {*weights.options} <= {*OF_WEIGHTS}


def test_what_is_not_given_is_taken(three, capsys):
    weights = Weights.read(three.weights)
    args = adopted(weights)
    for name, value in weights.options.items():
        assert getattr(args, name) == value, name
    said = {*capsys.readouterr().err.split("options: ")[1].strip().split(" --")}
    said = {option.removeprefix("--") for option in said}
    assert said == {"visual-length 16", "visual-layers 1", "decoder-depth 1"}
    other = adopted(weights, recipe="xd")
    assert (other.attn_window, other.t_w, other.text_adapt_until) == (8, 0.1, 3)


def test_another_temperature_may_be_given(three):
    assert adopted(Weights.read(three.weights), "--temp=0.3").temp == 0.3


@pytest.mark.parametrize(
    "option, told",
    [
        ("--attn-window=4", "--attn-window is 8 in the file and 4 here"),
        ("--visual-length=32", "--visual-length is 16 in the file and 32 here"),
        ("--visual-layers=3", "--visual-layers is 1 in the file and 3 here"),
        ("--visual-head=2", "--visual-head is 1 in the file and 2 here"),
        ("--text-adapt-until=1", "--text-adapt-until is 3 in the file and 1 here"),
        ("--t-w=0.5", "--t-w is 0.1 in the file and 0.5 here"),
        ("--text-tuning=frozen", "--text-tuning is adapter in the file and frozen here"),
        ("--num-prototypes=3", "--num-prototypes is 16 in the file and 3 here"),
        ("--DCSA-pool=video", "--DCSA-pool is clip in the file and video here"),
        ("--DNP-use=False", "--DNP-use is True in the file and False here"),
        ("--method=mil", "holds weights of --method dsanet, this model is of --method mil"),
    ],
)
def test_what_contradicts_the_weights_is_refused(option, told, three):
    with pytest.raises(UserError) as error:
        adopted(Weights.read(three.weights), option)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_clip_tsa_is_tested_as_it_was_trained(trained):
    weights = Weights.read(trained("clip-tsa").weights)  # of the recipe of UCF-Crime
    assert {*weights.options} == {
        "method", "backbone", "visual_length", "tsa_kappa", "tsa_cap",
    }  # fmt: skip
    args = adopted(weights, recipe="xd")
    assert (args.method, args.tsa_kappa, args.visual_length) == ("clip-tsa", 0.95, 16)
    detector = Detector.load(trained("clip-tsa").weights, device="cpu")
    assert detector.model.hard_attention.kappa == 0.95
    assert detector.scoring.visual_length == 16
    assert adopted(weights, "--method=clip-tsa", recipe="xd").visual_length == 16
    with pytest.raises(UserError, match=r"--tsa-kappa is 0\.95 in the file and 0\.5 here"):
        adopted(weights, "--tsa-kappa=0.5")
    assert adopted(weights, "--tsa-cap=7").tsa_cap == 7
    assert adopted(weights, "--visual-length=64").visual_length == 64  # a live source's window
    assert "tsa_kappa" not in Weights.read(trained("three").weights).options


@pytest.mark.parametrize("method", ["mil", "rtfm", "clip-tsa"])
def test_a_bare_files_window_is_the_methods(method, bare):
    assert adopted(Weights.read(bare("ucf", method))).visual_length == 32


def test_features_of_another_clip_are_said(capsys):
    usual = weights_identity("ViT-B/16")
    for of_weights, given, told in (
        (usual, "ViT-B/16", None), ("random", "random", None), (None, "random", None),
        (usual, "random", "random"), ("random", "ViT-B/16", usual[:12]),
    ):  # fmt: skip
        args = PARSERS["ucf"].parse_args([f"--clip-weights={given}"])
        Weights("w.pth", {}, None, {}, of_weights).tell_other_clip(args)
        expected = told and (
            f"note: w.pth was trained with CLIP weights {of_weights[:12]}; features of videos are "
            f"made with {told} (sha256)\n"
        )
        assert capsys.readouterr().err == (expected or "")


def test_a_script_refuses_it_in_one_line(three, tmp_path, capsys):
    options = {**three.options, "model-path": three.weights, "output-dir": tmp_path}
    arguments = as_arguments(options)
    error = one_error(SCRIPTS["ucf"].test, capsys, [*arguments, "--attn-window=4"])
    assert error.endswith(
        f"{three.weights} does not fit the options: --attn-window is 8 in the file and 4 here: "
        "leave them out, the weights know them"
    )
    assert not (tmp_path / "results.json").exists()


def test_features_of_another_width_are_refused(three, trained, tmp_path, capsys):
    other = own_set(tmp_path / "shop", width=25, train_videos=1)
    options = {**other.options, "model-path": three.weights, "output-dir": tmp_path}
    arguments = as_arguments(options)
    told = "was trained on features 24 wide, those of Shop are 25"
    assert told in one_error(SCRIPTS["ucf"].test, capsys, arguments)
    for method in ("mil", "rtfm", "clip-tsa"):
        arguments.append(f"--model-path={trained(method).weights}")
        assert told in one_error(SCRIPTS["ucf"].test, capsys, arguments)


# Bare state dicts, as weights were released.


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """By recipe and method: weights that say nothing."""
    folder, made = tmp_path_factory.mktemp("bare"), {}

    def of(recipe, method):
        if (recipe, method) not in made:
            small = ["--clip-weights=random", "--visual-length=16", "--decoder-depth=1"]
            args = PARSERS[recipe].parse_args([*small, f"--method={method}"])
            torch.manual_seed(0)
            with small_clip():
                state = build_model(args, FACTS[recipe]).state_dict()
            made[recipe, method] = folder / f"{recipe}_{method}.pth"
            torch.save(dict(state), made[recipe, method])
        return made[recipe, method]

    return of


@pytest.mark.parametrize("method", ["dsanet", "vadclip"])
@pytest.mark.parametrize("recipe", SCRIPTS)
def test_bare_weights_show_whose_they_are(method, recipe, bare):
    weights = Weights.read(bare(recipe, method))
    assert weights.recipe == recipe
    assert (weights.dataset, weights.clip) == (None, None)
    expected = PARSERS[recipe].parse_args([f"--method={method}"])
    names = "attn_window", "t_w", "temp", "visual_layers", "text_tuning", "DNP_use", "DCSA_use"
    for used_by in PARSERS:
        args = adopted(weights, recipe=used_by)
        assert args.method == method
        assert args.visual_length == 16
        for name in names:
            assert getattr(args, name) == getattr(expected, name), name
        depths = expected.visual_layers, expected.text_adapt_until
        said = "--visual-layers={}", "--text-adapt-until={}"
        args = adopted(weights, *map(str.format, said, depths), recipe=used_by)
        assert args.attn_window == expected.attn_window  # said or not
        # What no shape shows may be given.
        args = adopted(weights, "--temp=2", "--attn-window=4", recipe=used_by)
        assert (args.temp, args.attn_window) == (2, 4)


def test_weights_of_another_depth_keep_what_is_said(tmp_path, bare):
    """Those of ablations are neither recipe's."""
    state = load_tensors(bare("ucf", "dsanet"))
    first = {k: v for k, v in state.items() if k.startswith("temporal.resblocks.0.")}
    more = {k.replace(".0.", f".{i}.", 1): v for k, v in first.items() for i in (2, 3)}
    torch.save({**state, **more}, tmp_path / "w.pth")
    weights = Weights.read(tmp_path / "w.pth")
    assert weights.recipe is None
    assert adopted(weights, "--attn-window=5").attn_window == 5
    assert adopted(weights, recipe="xd").attn_window == 64


@pytest.fixture(scope="module")
def tested(bases, tmp_path_factory):
    """Results, predictions and what was said in a test of weights on the data of a recipe."""

    def of(recipe, weights, *more):
        folder = tmp_path_factory.mktemp("test")
        options = {k: v for k, v in bases[recipe].options.items() if k not in
                   ("visual-length", "decoder_depth", "visual-layers")}  # fmt: skip
        options |= {"model-path": weights, "output-dir": folder, "predictions": folder / "p.npz"}
        SCRIPTS[recipe].test([*as_arguments(options), *more])
        results = json.loads((folder / "results.json").read_text())
        return results, load_predictions(folder / "p.npz")[1]

    return of


SPELLED_OUT = {
    "ucf": ["--attn-window=8", "--visual-layers=2", "--text-adapt-until=3", "--t-w=0.1",
            "--temp=5"],
    "xd": ["--attn-window=64", "--visual-layers=1", "--text-adapt-until=1", "--t-w=0.6",
           "--temp=1.0"],
}  # fmt: skip


@pytest.mark.parametrize(
    "method, recipe, on",
    [("dsanet", "ucf", "xd"), ("dsanet", "xd", "ucf"), ("vadclip", "ucf", "xd"),
     ("mil", "xd", "ucf"), ("rtfm", "ucf", "xd"), ("clip-tsa", "xd", "ucf")],
)  # fmt: skip
def test_a_test_on_the_other_data_set(method, recipe, on, bare, tested, capsys):
    """As if all their options had been spelled out, to the last bit."""
    path = bare(recipe, method)
    capsys.readouterr()
    results, predictions = tested(on, path)
    said = capsys.readouterr().err
    told = method in ("dsanet", "vadclip")
    size = ["--visual-length=16"] * told
    size += ["--decoder-depth=1"] * (method == "dsanet")
    spelled = [f"--method={method}", *(SPELLED_OUT[recipe] if told else []), *size]
    others, same = tested(on, path, *spelled)
    assert "brings its own options" not in capsys.readouterr().err
    for a, b in zip(predictions, same, strict=True):
        assert np.array_equal(a.score, b.score)
        if not told:
            assert a.probabilities is b.probabilities is None
        else:
            assert a.probabilities.shape[1] == len(FACTS[on].classes)
            assert np.array_equal(a.probabilities, b.probabilities)
    assert {k: results[k] for k in ("auc1", "map")} == {k: others[k] for k in ("auc1", "map")}
    if told:  # the others' weights look alike
        theirs, ours = FACTS[recipe], FACTS[on]
        assert (
            f"was trained on {theirs.title} ({len(theirs.classes)} classes), and is used for "
            f"{ours.title} and its {len(ours.classes)} classes"
        ) in said


def test_weights_of_ones_own_on_another_data_set(trained, tested, capsys):
    """512 wide: those of the published sets fit."""
    capsys.readouterr()
    results, _ = tested("xd", trained("two").weights)
    said = capsys.readouterr().err
    assert "was trained on Shop (2 classes), and is used for XD-Violence and its 7 classes" in said
    assert results["provenance"]["trained_on"] == "Shop"


def test_bare_weights_on_features_of_another_width(bare, three, tmp_path, capsys):
    options = {**three.options, "model-path": bare("ucf", "dsanet"), "output-dir": tmp_path}
    del options["visual-layers"]
    arguments = as_arguments(options)
    error = one_error(SCRIPTS["ucf"].test, capsys, arguments)
    assert "was trained on features 512 wide, those of Shop are 24" in error


def test_videos_give_no_features_of_another_width(three):
    told = f"^{three.weights} takes features 24 wide, and CLIP's of a video are 512: give feature "
    with pytest.raises(UserError, match=told):
        Detector.load(str(three.weights)).frames_per_row()


@pytest.mark.parametrize("width", [512, 768])
def test_features_need_not_be_as_wide_as_those_of_the_backbone(width, tmp_path):
    """512 is that of the usual one, which a test has that names none."""
    args = ucf_option.parser.parse_args(["--method=mil", "--backbone=ViT-L/14"])
    path, facts = tmp_path / "w.pth", replace(UCF_CRIME, width=width)
    checkpoint.save_weights(build_model(args, facts), path, made_with(args, facts, None))
    given = ucf_option.parser.parse_args([f"--model-path={path}"])
    found = Detector.of(given, dataset_of(given, UCF_CRIME), torch.device("cpu"))
    assert found.width == found.facts.width == width
