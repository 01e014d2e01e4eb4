"""Every method and text tuning through the scripts: train, stop and resume, test."""

import json
import signal
from types import SimpleNamespace

import pytest
import torch
import yaml
from torch.nn import functional as F

import ucf_option
import utils.runs.training
from helpers.runs import assert_same_run, stop_at
from helpers.scripts import SCRIPTS, exit_code, run
from model import build_model
from utils.datasets.class_texts import manual_texts
from utils.datasets.lists import read_list
from utils.engine import evaluate
from utils.evaluation.predictions import load_predictions
from utils.labels import UCF_CRIME, XD_VIOLENCE
from utils.runs.pairs import Paired
from utils.runs.training import Run
from utils.system.untrusted import load_tensors

LOSSES = {
    "mil": ["ranking", "smoothness", "sparsity", "total"],
    "rtfm": ["classification", "magnitude", "smoothness", "sparsity", "total"],
}
LOSSES["clip-tsa"] = LOSSES["rtfm"]
OFF = {
    "vadclip": {"event", "background", "consistency", "compactness"},
    "frozen": {"event", "background"},
    "manual": set(),
    "prompt": set(),
}
OPTIONS = {
    "mil": {"method": "mil", "precision": "bf16"},
    "rtfm": {"method": "rtfm", "log-every": 1},
    "clip-tsa": {"method": "clip-tsa", "precision": "bf16", "log-every": 1},
    "vadclip": {"method": "vadclip"},
    "frozen": {"text-tuning": "frozen", "DCSA_use": False},
    "manual": {"text-tuning": "manual", "select-normal": "video", "DCSA_pool": "video"},
    "prompt": {
        "text-tuning": "prompt", "decoder-residual": True, "background-weights": "complement",
    },
}  # fmt: skip


@pytest.mark.parametrize("case", OPTIONS)
def test_train_and_test(case, small_ucf, tmp_path, capsys):
    options = {**small_ucf, **OPTIONS[case], "max-epoch": 1}
    run(SCRIPTS["ucf"].train, tmp_path, options)
    losses = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[0])["losses"]
    if case in LOSSES:
        assert list(losses) == LOSSES[case]
    else:
        assert {name for name, value in losses.items() if value == 0} == OFF[case]
    capsys.readouterr()

    run(SCRIPTS["ucf"].test, tmp_path, options, predictions=tmp_path / "p.npz")
    printed = capsys.readouterr().out
    results = json.loads((tmp_path / "results.json").read_text())
    best = json.loads((tmp_path / "best.json").read_text())
    assert {key: results[key] for key in best if key in results} == {
        key: value for key, value in best.items() if key not in ("epoch", "step")
    }
    predictions = load_predictions(tmp_path / "p.npz")[1]
    if case in LOSSES:
        assert "mAP: not applicable" in printed
        assert results["average_map"] is results["per_class_ap"] is results["auc2"] is None
        assert predictions[0].probabilities is None
    else:
        assert predictions[0].probabilities.shape[1] == 14


@pytest.mark.parametrize(
    "case", ["mil", "rtfm", "clip-tsa", pytest.param("vadclip", marks=pytest.mark.slow)]
)
def test_a_baseline_resumes_as_if_it_had_never_stopped(case, small_ucf, tmp_path):
    options = {**small_ucf, **OPTIONS[case], "batch-size": 2, "scheduler-milestones": 1}
    train = SCRIPTS["ucf"].train
    run(train, tmp_path / "whole", options)
    assert stop_at((1, 1), signal.SIGTERM, train, tmp_path / "cut", options) == 143
    run(train, tmp_path / "cut", options, use_checkpoint=True)
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.parametrize("name", SCRIPTS)
def test_rtfm_keeps_the_statistics_of_its_best_step(name, bases, tmp_path, monkeypatch):
    """And goes on from the last one, not from the best; a test of what was kept finds it again."""
    options = {**bases[name].options, "method": "rtfm", "batch-size": 2, "max-epoch": 2}
    options |= {"eval-every": 1, "eval-from": 0, "select-by": "pr_auc"}
    seen, at_ends = [], []

    def evaluated(model, test):
        metrics, predictions = evaluate(model, test)
        seen.append(metrics)
        return {**metrics, "pr_auc": float(len(seen) == 2)}, predictions

    def end_epoch(self):
        before = {k: v.clone() for k, v in self.model.state_dict().items()}
        original(self)
        at_ends.append(all(torch.equal(before[k], v) for k, v in self.model.state_dict().items()))

    original = Run.end_epoch
    with monkeypatch.context() as patch:
        patch.setattr(Run, "end_epoch", end_epoch)
        patch.setattr(utils.runs.training, "evaluate", evaluated)
        run(SCRIPTS[name].train, tmp_path, options)
    assert at_ends == [True, True]
    assert len(seen) > 3
    assert json.loads((tmp_path / "best.json").read_text())["step"] == 2
    run(SCRIPTS[name].test, tmp_path, options)
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["auc1"] == seen[1]["auc1"] != seen[-1]["auc1"]


def test_no_early_step_is_the_best(bases, tmp_path, monkeypatch):
    """Nothing is evaluated before --eval-from but at the end of an epoch, and that counts only
    until there is something later."""
    options = {**bases["xd"].options, "method": "rtfm", "batch-size": 2, "max-epoch": 3}
    steps = []

    def evaluated(model, test):
        metrics, predictions = evaluate(model, test)
        return {**metrics, "pr_auc": 1.0 / len(steps)}, predictions  # ever worse

    def log(self, line):
        if "metrics" in line:
            steps.append((self.epoch + 1, self.step))
        original(self, line)

    original = Run._log
    monkeypatch.setattr(Run, "_log", log)
    monkeypatch.setattr(utils.runs.training, "evaluate", evaluated)
    steps.append(None)
    run(SCRIPTS["xd"].train, tmp_path, {**options, "eval-every": 2, "eval-from": 7})
    assert steps[1:] == [(1, 5), (2, 2), (2, 4), (3, 2), (3, 4)]  # 5 steps an epoch
    best = json.loads((tmp_path / "best.json").read_text())
    assert (best["epoch"], best["step"]) == (2, 2)


def test_crops_of_a_video_stay_together(bases, tmp_path, capsys):
    options = {**bases["xd"].options, "method": "rtfm", "batch-size": 1, "max-epoch": 1}
    rows = read_list(options["train-list"], XD_VIOLENCE)
    args = SimpleNamespace(train_list=options["train-list"], batch_size=1, crops=10)
    steps = [*Paired(rows, args, torch.Generator())]
    assert len(steps) == 1  # three videos, one of them normal
    (step,) = steps
    assert [rows[i].normal for i in step] == [True] * 10 + [False] * 10
    assert [len({rows[i].video for i in half}) for half in (step[:10], step[10:])] == [1, 1]
    assert len({*step}) == 20
    run(SCRIPTS["xd"].train, tmp_path / "ten", {**options, "crops": 10})
    weights = load_tensors(tmp_path / "ten" / "model.pth")
    assert weights.made_with["options"]["crops"] == 10
    capsys.readouterr()
    assert exit_code(run, SCRIPTS["xd"].train, tmp_path / "four", {**options, "crops": 4}) == 2
    error = capsys.readouterr().err
    assert f"--crops 4: {options['train-list']} has 10 rows of video " in error
    assert error.count("\n") == 1
    assert not (tmp_path / "four").exists()


def test_sentences_for_every_class():
    texts = manual_texts(None, UCF_CRIME)
    assert len(texts) == 14
    assert all(len(sentences) > 1 for sentences in texts)


def test_manual_texts_reach_the_encoder(tmp_path):
    written = dict.fromkeys(UCF_CRIME.classes, "a word")
    written["Abuse"] = ["one", "two words"]
    (tmp_path / "t.yml").write_text(yaml.safe_dump({"ucf": written}))
    options = ["--text-tuning=manual", f"--texts={tmp_path / 't.yml'}", "--clip-weights=random"]
    model = build_model(ucf_option.parser.parse_args(options), UCF_CRIME)
    assert len(model.tokens) == 15
    with torch.no_grad():
        text = model.encode_text()
        each = model.clipmodel(model.tokens)
    expected = F.normalize((each[1] + each[2]) / 2, dim=-1)
    torch.testing.assert_close(text[1], expected)
    assert not any(p.requires_grad for name, p in model.named_parameters() if "clip" in name)
