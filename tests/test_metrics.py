from functools import partial

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks.plain import frame_wise_auc_ap
from utils.labels import UCF_CRIME
from utils.metrics import (
    compute_metrics,
    frame_metrics,
    load_predictions,
    report_lines,
    save_predictions,
)
from utils.system.errors import UserError


def test_metrics_are_those_of_the_expanded_frames(scored):
    predictions, truth, rows = scored
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


def test_map_and_its_anomaly_only_mean(scored):
    metrics = compute_metrics(*scored, UCF_CRIME)
    per_class = metrics["per_class_ap"]
    assert list(per_class) == list(UCF_CRIME.classes)
    assert set(per_class["Normal"].values()) == {0.0}
    for iou, value in metrics["map"].items():
        column = [ap[iou] for ap in per_class.values()]
        assert value == pytest.approx(np.mean(column))
        assert metrics["anomaly_map"][iou] == pytest.approx(np.mean(column[1:]))
    assert metrics["average_map"] == pytest.approx(np.mean(list(metrics["map"].values())))
    assert metrics["average_map"] > 0


def test_report_has_the_official_lines(scored):
    metrics = compute_metrics(*scored, UCF_CRIME)
    lines = report_lines(metrics)
    assert lines[0] == f"AUC1:  {metrics['auc1']}  AP1:  {metrics['ap1']}"
    assert lines[1] == f"AUC2:  {metrics['auc2']}  AP2: {metrics['ap2']}"
    assert lines[2] == f"mAP@0.1 ={metrics['map']['0.1']:.2f}%"
    assert lines[7] == f"average MAP: {metrics['average_map']:.2f}"


def test_ano_auc_of_one_kind_of_frame_is_undefined(scored):
    predictions, truth, rows = scored
    truth.frames[: 16 * 15] = 1
    metrics = compute_metrics(predictions, truth, rows, UCF_CRIME)
    assert metrics["ano_auc"] is None
    assert "Ano-AUC: undefined (anomalous videos only)" in report_lines(metrics)


def test_predictions_are_kept_and_read_back(scored, tmp_path):
    predictions, _, rows = scored
    save_predictions(tmp_path / "p.npz", predictions, rows, UCF_CRIME)
    names, read, classes = load_predictions(tmp_path / "p.npz")
    assert names == ["Abuse", "Arson", "Normal"]
    assert classes == list(UCF_CRIME.classes)
    for a, b in zip(predictions, read, strict=True):
        assert np.array_equal(a.score, b.score)
        assert np.array_equal(a.probabilities, b.probabilities)
    whole = (tmp_path / "p.npz").read_bytes()
    for content in (b"junk", whole[:-50]):
        (tmp_path / "p.npz").write_bytes(content)
        with pytest.raises(UserError, match="no predictions"):
            load_predictions(tmp_path / "p.npz")
