"""--leave-out: training does not know some classes; tests tell these apart from the others."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import ucf_option
from helpers.scored import scored_videos
from helpers.scripts import SCRIPTS, SMALL, exit_code, make_data, options_of, run
from losses import dsanet_losses
from model import build_model
from utils.datasets.lists import Row
from utils.datasets.split import leave_out
from utils.evaluation.bootstrap import results_of
from utils.evaluation.metrics import Evaluation
from utils.evaluation.report import result_lines
from utils.evaluation.scored_videos import ScoredVideos
from utils.labels import UCF_CRIME, XD_VIOLENCE
from utils.metric_names import ALL_METRICS, value_of
from utils.system.errors import UserError

OUT = ["Abuse", "Shooting"]
COUNTS = [3 + i % 7 for i in range(45)]
SIZES = COUNTS, [16 * n for n in COUNTS]


def test_no_video_of_a_class_that_is_left_out_is_trained_on():
    labels = ("A", "B1", "B1-B2-G", "B2", "B4-0-0", "A")
    rows = [Row(f"{i}.npy", XD_VIOLENCE.encode(label)) for i, label in enumerate(labels)]
    trained, held = leave_out(rows[:4], rows[2:], XD_VIOLENCE, ["B2", "B6"])
    assert [row.path for row in trained] == ["0.npy", "1.npy"]
    assert [row.path for row in held] == ["4.npy", "5.npy"]
    assert [row.label.tolist() for row in trained] == [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0]]
    assert held[0].label.tolist() == XD_VIOLENCE.encode("B4").tolist()
    assert leave_out(rows, [], XD_VIOLENCE, None) == (rows, [])


@pytest.mark.parametrize("use", ["train on", "validate on"])
def test_an_anomalous_video_must_be_left(use):
    of_class = {c: Row(f"{c}.npy", XD_VIOLENCE.encode(c)) for c in ("A", "B1-G", "B2")}
    normal, left_out, kept = of_class.values()
    parts = [[normal, left_out], [normal, kept]]
    rows, held = parts if use == "train on" else parts[::-1]
    message = f"^--leave-out G B6 leaves no anomalous video to {use}$"
    with pytest.raises(UserError, match=message):
        leave_out(rows, held, XD_VIOLENCE, ["G", "B6"])


def test_losses_are_those_of_a_data_set_without_the_classes(batch):
    visual, lengths = batch
    kept = [i for i, code in enumerate(UCF_CRIME.classes) if code not in OUT]
    fewer = replace(
        UCF_CRIME,
        **{n: tuple(getattr(UCF_CRIME, n)[i] for i in kept) for n in ("classes", "names", "texts")},
    )
    labels = torch.stack([fewer.encode(name) for name in ("Normal", "Arson", "Robbery")])
    losses, models = [], []
    for facts, options in ((UCF_CRIME, ["--leave-out", *OUT]), (fewer, ["--classes-num=12"])):
        torch.manual_seed(0)
        model = build_model(ucf_option.parser.parse_args([*SMALL, *options]), facts).train()
        models.append(model)
        losses.append(dsanet_losses(model(visual, lengths), labels, lengths, 1.1))
    for name, value in losses[0].items():
        torch.testing.assert_close(value, losses[1][name], msg=name)
    assert models[0].eval()(visual, lengths).logits2.shape[-1] == 14


@pytest.mark.parametrize("facts", [UCF_CRIME, XD_VIOLENCE], ids=lambda facts: facts.name)
def test_seen_and_unseen_are_those_of_the_videos_and_classes_alone(facts, rng):
    scored = scored_videos(rng, facts, *SIZES)
    codes = list(facts.classes[1:])
    out = tuple(codes[1:4])
    scored.left_out = out
    mixed = scored.rows[0]._replace(label=facts.encode(f"{codes[0]}-{codes[1]}"))
    scored.rows[0] = mixed  # shows a class of each kind, and is in neither part
    found = Evaluation(scored).metrics()
    for part, classes in (("seen", {*codes} - {*out}), ("unseen", {*out})):
        videos = [
            i for i, row in enumerate(scored.rows)
            if row.normal or shown(row, facts) <= classes
        ]  # fmt: skip
        alone = Evaluation(only(scored, videos)).metrics()
        for name in ("auc1", "ap1", "ano_auc", "video_auc", "class_accuracy"):
            assert value_of(found, f"{part}_{name}") == pytest.approx(alone[name]), name
        ap = [np.mean([*found["per_class_ap"][code].values()]) for code in classes]
        assert value_of(found, f"{part}_average_anomaly_map") == pytest.approx(np.mean(ap))


def shown(row, facts):
    return {code for code, on in zip(facts.classes, row.label, strict=True) if on}


def only(scored, videos):
    """These of the videos."""
    truth = replace(
        scored.truth,
        **{n: [getattr(scored.truth, n)[i] for i in videos]
           for n in ("edges", "spans", "segments", "labels")},
    )  # fmt: skip
    picked = ([of_all[i] for i in videos] for of_all in (scored.predictions, scored.rows))
    predictions, rows = picked
    return ScoredVideos(predictions, truth, rows, scored.facts)


def test_intervals_and_a_table_come_with_them(rng):
    scored = scored_videos(rng, UCF_CRIME, *SIZES)
    assert "open_world" not in Evaluation(scored).metrics()
    scored.left_out = ("Abuse",)
    found = results_of(Evaluation(scored), 100)
    assert "Left out of training: Abuse" in result_lines(found)
    for name in ALL_METRICS:
        if name.startswith(("seen", "unseen")):
            low, high = value_of(found["intervals"], name)
            assert low <= value_of(found, name) <= high
    table = "\n".join(result_lines(found)).partition("Left out of training")[2]
    value = 100 * found["open_world"]["unseen"]["auc1"]
    low, high = (100 * end for end in found["intervals"]["open_world"]["unseen"]["auc1"])
    assert f"{value:.2f} [{low:.2f}, {high:.2f}]\n" in table
    without = "\n".join(result_lines({**found, "intervals": None}))
    assert f" {value:.2f}\n" in without.partition("Left out of training")[2]
    json.dumps(found)


@pytest.mark.parametrize("name", ["ucf", pytest.param("xd", marks=pytest.mark.slow)])
def test_a_test_of_such_weights_says_it_by_itself(name, tmp_path, capsys):
    facts = SCRIPTS[name].facts
    out = facts.classes[1:3]
    sizes = {"train_videos": 10, "test_videos": 26 if name == "ucf" else 12}
    options = make_data(tmp_path / "data", name, **sizes)
    arguments = [
        *options_of(tmp_path, {**options, "max-steps": 2, "eval-every": 0, "select": "last"}),
        "--leave-out", *out,
    ]  # fmt: skip
    SCRIPTS[name].train(arguments)
    assert f"left out of training: {', '.join(out)}, " in capsys.readouterr().err
    best = json.loads((tmp_path / "best.json").read_text())
    run(SCRIPTS[name].test, tmp_path, options)
    found = json.loads((tmp_path / "results.json").read_text())
    assert found["open_world"]["left_out"] == [*out]
    for part in ("seen", "unseen"):
        assert found["open_world"][part] == pytest.approx(best["open_world"][part])
    assert {*found["open_world"]["unseen"]} >= {"auc1", "class_accuracy", "average_anomaly_map"}
    capsys.readouterr()
    other = [*options_of(tmp_path, options), "--leave-out", facts.classes[4]]
    assert exit_code(SCRIPTS[name].test, other) == 2
    expected = f"--leave-out is {' '.join(out)} in the file and {facts.classes[4]} here"
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("codes", "problem"),
    [
        (["Normal"], "--leave-out Normal: UCF-Crime has no such anomaly class; it has Abuse, Arr"),
        (["abuse"], "--leave-out abuse: UCF-Crime has no such anomaly class"),
        (UCF_CRIME.classes[1:], "--leave-out leaves no anomaly class to train on: name fewer"),
    ],
)
def test_what_cannot_be_left_out_is_refused(codes, problem):
    with pytest.raises(UserError, match=problem):
        UCF_CRIME.seen(codes)
