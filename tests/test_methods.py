"""Every method and text tuning through the scripts: train, stop and resume, test."""

import json
import signal

import pytest
import torch
import yaml
from torch.nn import functional as F

import ucf_option
from helpers.runs import assert_same_run, stop_at
from helpers.scripts import SCRIPTS, run
from model import build_model
from utils.datasets.class_texts import manual_texts
from utils.labels import UCF_CRIME
from utils.metrics import load_predictions

OFF = {
    "mil": None,
    "vadclip": {"event", "background", "consistency", "compactness"},
    "frozen": {"event", "background"},
    "manual": set(),
    "prompt": set(),
}
OPTIONS = {
    "mil": {"method": "mil", "precision": "bf16"},
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
    if case == "mil":
        assert list(losses) == ["ranking", "smoothness", "sparsity", "total"]
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
    if case == "mil":
        assert "mAP: not applicable" in printed
        assert results["average_map"] is results["per_class_ap"] is results["auc2"] is None
        assert predictions[0].probabilities is None
    else:
        assert predictions[0].probabilities.shape[1] == 14


@pytest.mark.parametrize("case", ["mil", pytest.param("vadclip", marks=pytest.mark.slow)])
def test_a_baseline_resumes_as_if_it_had_never_stopped(case, small_ucf, tmp_path):
    options = {**small_ucf, **OPTIONS[case], "batch-size": 2, "scheduler-milestones": 1}
    train = SCRIPTS["ucf"].train
    run(train, tmp_path / "whole", options)
    assert stop_at((1, 1), signal.SIGTERM, train, tmp_path / "cut", options) == 143
    run(train, tmp_path / "cut", options, use_checkpoint=True)
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


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
