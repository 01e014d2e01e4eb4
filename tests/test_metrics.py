from functools import partial

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks.plain import frame_wise_auc_ap
from utils.datasets.ground_truth import GroundTruth
from utils.datasets.lists import Row
from utils.labels import UCF_CRIME
from utils.metrics import (
    Prediction,
    compute_metrics,
    frame_metrics,
    load_predictions,
    report_lines,
    save_predictions,
)
from utils.system.errors import UserError

LABELS = ("Abuse", "Arson", "Normal")
LENGTHS = (6, 9, 5)


@pytest.fixture
def case(rng, tmp_path):
    rows = [Row(tmp_path / f"{label}__5.npy", UCF_CRIME.encode(label)) for label in LABELS]
    segments = [[(10, 50)], [(0, 30), (90, 144)], [(0, 80)]]
    frames = np.zeros(16 * sum(LENGTHS), dtype=np.float32)
    frames[10:50] = frames[96:126] = frames[186:240] = 1
    truth = GroundTruth(frames, segments, [["Abuse"], ["Arson", "Arson"], ["A"]])
    predictions = []
    for t in LENGTHS:
        p = rng.random((t, 14)).astype(np.float32)
        predictions.append(Prediction(rng.random(t).astype(np.float32), p / p.sum(1)[:, None]))
    return predictions, truth, rows


def test_metrics_are_those_of_the_expanded_frames(case):
    predictions, truth, rows = case
    metrics = compute_metrics(predictions, truth, rows, UCF_CRIME)
    score = np.repeat(np.concatenate([p.score for p in predictions]), 16)
    normal = np.repeat(np.concatenate([p.probabilities[:, 0] for p in predictions]), 16)
    exactly = partial(pytest.approx, rel=0, abs=1e-12)
    assert metrics["auc1"] == exactly(roc_auc_score(truth.frames, score))
    assert metrics["ap1"] == exactly(average_precision_score(truth.frames, score))
    assert metrics["auc2"] == pytest.approx(roc_auc_score(truth.frames, 1 - normal))
    anomalous = 16 * (6 + 9)
    assert metrics["ano_auc"] == exactly(roc_auc_score(truth.frames[:anomalous], score[:anomalous]))


@pytest.mark.parametrize("levels", [3, 1000, None])
def test_counting_frames_equals_expanding_scores(rng, levels):
    scores = rng.random(5000).astype(np.float32)
    if levels:  # with ties
        scores = np.round(scores * levels) / levels
    frames = (rng.random((5000, 16)) < rng.choice([0, 0, 0.3, 1], (5000, 1))).astype(np.float32)
    found = frame_metrics(scores, frames.sum(axis=1))
    expected = frame_wise_auc_ap(scores, frames.reshape(-1))
    assert found == pytest.approx(expected, rel=0, abs=1e-12)


def test_map_and_its_anomaly_only_mean(case):
    metrics = compute_metrics(*case, UCF_CRIME)
    per_class = metrics["per_class_ap"]
    assert list(per_class) == list(UCF_CRIME.classes)
    assert set(per_class["Normal"].values()) == {0.0}
    for iou, value in metrics["map"].items():
        column = [ap[iou] for ap in per_class.values()]
        assert value == pytest.approx(np.mean(column))
        assert metrics["anomaly_map"][iou] == pytest.approx(np.mean(column[1:]))
    assert metrics["average_map"] == pytest.approx(np.mean(list(metrics["map"].values())))
    assert metrics["average_map"] > 0


def test_report_has_the_official_lines(case):
    metrics = compute_metrics(*case, UCF_CRIME)
    lines = report_lines(metrics)
    assert lines[0] == f"AUC1:  {metrics['auc1']}  AP1:  {metrics['ap1']}"
    assert lines[1] == f"AUC2:  {metrics['auc2']}  AP2: {metrics['ap2']}"
    assert lines[2] == f"mAP@0.1 ={metrics['map']['0.1']:.2f}%"
    assert lines[7] == f"average MAP: {metrics['average_map']:.2f}"


def test_ano_auc_of_one_kind_of_frame_is_undefined(case):
    predictions, truth, rows = case
    truth.frames[: 16 * 15] = 1
    metrics = compute_metrics(predictions, truth, rows, UCF_CRIME)
    assert metrics["ano_auc"] is None
    assert "Ano-AUC: undefined (anomalous videos only)" in report_lines(metrics)


def test_predictions_are_kept_and_read_back(case, tmp_path):
    predictions, _, rows = case
    save_predictions(tmp_path / "p.npz", predictions, rows, UCF_CRIME)
    names, read, classes = load_predictions(tmp_path / "p.npz")
    assert names == list(LABELS)
    assert classes == list(UCF_CRIME.classes)
    for a, b in zip(predictions, read, strict=True):
        assert np.array_equal(a.score, b.score)
        assert np.array_equal(a.probabilities, b.probabilities)
    whole = (tmp_path / "p.npz").read_bytes()
    for content in (b"junk", whole[:-50]):
        (tmp_path / "p.npz").write_bytes(content)
        with pytest.raises(UserError, match="no predictions"):
            load_predictions(tmp_path / "p.npz")
