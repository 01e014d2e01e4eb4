"""Both data sets through their own scripts: prepare, train, test. Whether anything is learned is
what `make demo` shows."""

import json

import numpy as np
import pytest
import yaml

import ucf_test
import ucf_train
import xd_test
import xd_train
from helpers.scripts import SCRIPTS, drop_checkpoints, exit_code, make_data, run
from utils import demo_report
from utils.evaluation.predictions import load_predictions
from utils.evaluation.scored_videos import Prediction
from utils.options.parser import as_arguments
from utils.system.files import sha256
from utils.system.untrusted import load_tensors


def test_train_then_test(small, tmp_path, capsys):
    name, options = small
    scripts = SCRIPTS[name]
    run(scripts.train, tmp_path, options, predictions=tmp_path / "of_training.npz")
    printed = capsys.readouterr().out
    assert "epoch: 1 | step: 2 | total: " in printed
    assert " | consistency: " in printed
    best = json.loads((tmp_path / "best.json").read_text())

    run(scripts.test, tmp_path, options, predictions=tmp_path / "p.npz")
    printed = capsys.readouterr().out
    tested = json.loads((tmp_path / "results.json").read_text())
    assert tested.pop("weights") == str(tmp_path / "model.pth")
    assert tested.pop("test_list") == options["test-list"]
    assert tested.pop("provenance")["sha256"]["model_path"] == sha256(tmp_path / "model.pth")
    assert best.pop("epoch") in (1, 2)
    assert best.pop("step") > 0
    assert tested.pop("intervals")["resamples"] == 1000
    assert tested == best
    assert f"AUC1:  {tested['auc1']}  AP1:  {tested['ap1']}" in printed
    assert {"auc1", "ap1", "auc2", "ap2", "ano_auc", "map", "average_map"} <= set(tested)
    assert "recall at 5 % FPR (%)" in printed
    names, predictions, classes = load_predictions(tmp_path / "p.npz")
    assert len(names) == 6
    for kept, scored in zip(
        load_predictions(tmp_path / "of_training.npz")[1], predictions, strict=True
    ):
        assert np.array_equal(kept.score, scored.score)
    assert predictions[0].probabilities.shape == (len(predictions[0].score), len(classes))

    written = yaml.safe_load((tmp_path / "options.yml").read_text())
    assert written["visual_length"] == 32
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [r["epoch"] for r in log if "metrics" in r] == [1, 2]
    assert all(np.isfinite(r["losses"]["total"]) for r in log if "losses" in r)
    weights = load_tensors(tmp_path / "model.pth")
    assert not any("visual" in key.split(".")[1] for key in weights)


def test_evaluation_every_few_steps_keeps_the_best(small_ucf, tmp_path):
    run(ucf_train.main, tmp_path, small_ucf, method="mil", eval_every=1, max_epoch=1)
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    values = [record["metrics"]["auc1"] for record in log if "metrics" in record]
    assert len(values) > 1
    assert json.loads((tmp_path / "best.json").read_text())["auc1"] == max(values)


def test_selecting_the_last_weights(small_ucf, tmp_path):
    # The last of the epochs is not the best one.
    run(ucf_train.main, tmp_path, small_ucf, method="mil", select="last", lr=0.05, seed=2)
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    *others, last = [record for record in log if "metrics" in record]
    assert last["metrics"]["auc1"] < max(record["metrics"]["auc1"] for record in others)
    expected = {"epoch": 2, "step": last["step"], **last["metrics"]}
    assert json.loads((tmp_path / "best.json").read_text()) == expected
    run(ucf_test.main, tmp_path, small_ucf, method="mil")
    tested = json.loads((tmp_path / "results.json").read_text())
    assert tested["auc1"] == last["metrics"]["auc1"]


def test_without_sgnm(small_ucf, tmp_path):
    run(ucf_train.main, tmp_path, small_ucf, DNP_use=False, max_epoch=1)
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    losses = next(record["losses"] for record in log if "losses" in record)
    assert losses["consistency"] == losses["compactness"] == 0


@pytest.fixture(scope="module")
def xd_run(tmp_path_factory):
    """Options of a test run, and of the training run whose weights it tests: some scores are near
    0, some near 1."""
    folder = tmp_path_factory.mktemp("xd_run")
    options = make_data(folder, "xd", train_videos=8, test_videos=12)
    options |= {"max-epoch": 1, "lr": 3e-5, "eval-every": 0, "select": "last"}
    run(xd_train.main, folder / "run", options)
    drop_checkpoints(folder / "run")
    return {**options, "model-path": folder / "run" / "model.pth"}


def metrics_of(options, folder, **more) -> tuple[float, list[Prediction]]:
    """AUC1 and predictions of a test run."""
    options = {**options, **more, "output-dir": folder, "predictions": folder / "p.npz"}
    xd_test.main(as_arguments(options))
    auc = json.loads((folder / "results.json").read_text())["auc1"]
    return auc, load_predictions(folder / "p.npz")[1]


def test_bfloat16_scores_as_float32_does(xd_run, tmp_path):
    exact_auc, exact = metrics_of(xd_run, tmp_path / "exact")
    rounded_auc, rounded = metrics_of(xd_run, tmp_path / "rounded", precision="bf16")
    # mAP and AP of so few videos would turn on single snippets that change places.
    assert rounded_auc == pytest.approx(exact_auc, abs=1e-3)
    for a, b in zip(exact, rounded, strict=True):
        np.testing.assert_allclose(b.score, a.score, atol=0.02)
        np.testing.assert_allclose(b.probabilities, a.probabilities, atol=0.02)
    assert any(not np.array_equal(a.score, b.score) for a, b in zip(exact, rounded, strict=True))


def test_what_a_demo_reports(xd_run, tmp_path, monkeypatch, capsys):
    metrics_of(xd_run, tmp_path)
    options = {**xd_run, "output-dir": tmp_path, "predictions": tmp_path / "p.npz"}
    command = ["xd", *as_arguments(options)]
    with monkeypatch.context() as patch:
        for least in ("LEARNED_AUC", "LEARNED_GAIN"):
            patch.setattr(demo_report, least, 0)
        untrained, trained = demo_report.main(command)
    printed = capsys.readouterr().out
    assert f"{untrained['auc1']:10.3f}{trained['auc1']:10.3f}" in printed
    assert (tmp_path / "scores.png").is_file()

    monkeypatch.setattr(demo_report, "draw", lambda *_: ("", ""))  # which takes the time
    assert exit_code(demo_report.main, command) == 2
    assert "error: the demo did not learn: expected AUC1" in capsys.readouterr().err
