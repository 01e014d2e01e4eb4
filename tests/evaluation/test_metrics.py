from functools import partial

import numpy as np
import pytest
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score

from benchmarks.plain import frame_wise_auc_ap, frame_wise_map
from benchmarks.sections import areas
from helpers import golden
from helpers.own import described
from helpers.scored import scored_videos
from helpers.truth import frames_of
from utils.datasets.ground_truth import GroundTruth
from utils.datasets.lists import Row
from utils.detection_map import IOU_THRESHOLDS
from utils.evaluation.metrics import Evaluation
from utils.evaluation.predictions import load_predictions, save_predictions
from utils.evaluation.report import report_lines
from utils.evaluation.scored_videos import Prediction, ScoredVideos
from utils.labels import UCF_CRIME
from utils.metric_names import METRICS, OF_DEPLOYMENT
from utils.system.errors import UserError


def compute_metrics(*scored):
    return Evaluation(ScoredVideos(*scored)).metrics()


def test_metrics_are_those_of_the_expanded_frames(scored):
    predictions, truth, rows = scored
    metrics = compute_metrics(predictions, truth, rows, UCF_CRIME)
    frames = frames_of(truth)
    score = np.repeat(np.concatenate([p.score for p in predictions]), 16)
    normal = np.repeat(np.concatenate([p.probabilities[:, 0] for p in predictions]), 16)
    exactly = partial(pytest.approx, rel=0, abs=1e-12)
    assert metrics["auc1"] == exactly(roc_auc_score(frames, score))
    assert metrics["ap1"] == exactly(average_precision_score(frames, score))
    assert metrics["auc2"] == pytest.approx(roc_auc_score(frames, 1 - normal))
    anomalous = 16 * (6 + 9)
    assert metrics["ano_auc"] == exactly(roc_auc_score(frames[:anomalous], score[:anomalous]))


@pytest.mark.parametrize("levels", [3, 1000, None])
def test_counting_frames_equals_expanding_scores(rng, levels):
    scores = rng.random(5000).astype(np.float32)
    if levels:  # with ties
        scores = np.round(scores * levels) / levels
    frames = (rng.random((5000, 16)) < rng.choice([0, 0, 0.3, 1], (5000, 1))).astype(np.float32)
    found = areas(scores, frames.sum(axis=1))
    frames = frames.reshape(-1)
    expected = frame_wise_auc_ap(scores, frames)
    assert found[:2] == pytest.approx(expected, rel=0, abs=1e-12)
    precision, recall, _ = precision_recall_curve(frames, np.repeat(scores, 16))
    assert found[2] == pytest.approx(auc(recall, precision), rel=0, abs=1e-12)


@golden.needs_real_data
def test_published_scores_have_their_published_figures():
    """PEL4VAD's on UCF-Crime; its paper says 86.76 and 33.99, which is by trapezoids."""
    with np.load(golden.REAL / "published_scores.npz") as file:
        scores, abnormal = file["scores"], file["abnormal"]
    found = areas(scores, abnormal)
    assert found == pytest.approx((0.86758, 0.33917, 0.33999), rel=0, abs=5e-6)


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
    truth.spans[:2] = [(0, 96)], [(0, 144)]
    metrics = compute_metrics(predictions, truth, rows, UCF_CRIME)
    assert metrics["ano_auc"] is None
    assert "Ano-AUC: undefined (anomalous videos only)" in report_lines(metrics)


def test_predictions_are_kept_and_read_back(scored, tmp_path):
    predictions, truth, rows = scored
    save_predictions(tmp_path / "p.npz", ScoredVideos(predictions, truth, rows, UCF_CRIME))
    names, read, classes = load_predictions(tmp_path / "p.npz")
    assert names == ["Abuse", "Arson", "Normal"]
    assert classes == list(UCF_CRIME.classes)
    for a, b in zip(predictions, read, strict=True):
        assert np.array_equal(a.score, b.score)
        assert np.array_equal(a.probabilities, b.probabilities)
    whole = (tmp_path / "p.npz").read_bytes()
    for content in (b"junk", whole[:-50]):
        (tmp_path / "p.npz").write_bytes(content)
        with pytest.raises(UserError, match="holds no scores by video"):
            load_predictions(tmp_path / "p.npz")


@pytest.mark.parametrize("row", ["8 frames", "share"])
@pytest.mark.parametrize("codes", [("normal", "fire", "fall"), ("normal", "anomaly")])
def test_rows_of_any_duration_are_those_of_expanded_frames(rng, tmp_path, row, codes):
    facts = described(tmp_path, classes={code: code for code in codes}, row=row)
    counts, lengths = (6, 9, 5, 7, 12, 4), (43, 72, 33, 50, 93, 30)
    scored = scored_videos(rng, facts, counts, lengths)
    predictions, truth, rows = scored.predictions, scored.truth, scored.rows
    metrics = compute_metrics(predictions, truth, rows, facts)
    frames, times = frames_of(truth), truth.durations
    score = np.repeat(np.concatenate([p.score for p in predictions]), times)
    other = np.repeat(1 - np.concatenate([p.probabilities[:, 0] for p in predictions]), times)
    within = np.repeat([not r.normal for r in rows], [e[-1] for e in truth.edges])
    exactly = partial(pytest.approx, rel=0, abs=1e-12)
    assert len(frames) == sum(lengths)
    assert metrics["auc1"] == exactly(roc_auc_score(frames, score))
    assert metrics["ap1"] == exactly(average_precision_score(frames, score))
    assert metrics["auc2"] == exactly(roc_auc_score(frames, other))
    assert metrics["ap2"] == exactly(average_precision_score(frames, other))
    assert metrics["ano_auc"] == exactly(roc_auc_score(frames[within], score[within]))
    curves = [
        np.repeat(p.probabilities, np.diff(e), axis=0)
        for p, e in zip(predictions, truth.edges, strict=True)
    ]
    slow = frame_wise_map(curves, truth.segments, truth.labels, facts.classes, IOU_THRESHOLDS, 1)
    assert list(metrics["map"].values()) == pytest.approx(slow.tolist(), abs=1e-9)
    assert metrics["average_map"] > 0


def test_seconds_give_the_metrics_of_frames(rng, tmp_path):
    """At ten frames a second."""
    classes = {"normal": "a", "fire": "b", "fall": "c"}
    frames = described(tmp_path, classes=classes, row="8 frames")
    seconds = described(tmp_path, classes=classes, row="0.8 seconds")
    counts = (6, 10, 4, 8, 12, 4)
    lengths = [8 * t for t in counts]  # so that F // 16 cuts nothing
    scored = scored_videos(rng, frames, counts, lengths)
    predictions, truth, rows = scored.predictions, scored.truth, scored.rows
    expected = compute_metrics(predictions, truth, rows, frames)
    tenth = [
        [[(start / 10, end / 10) for start, end in video] for video in of_videos]
        for of_videos in (truth.spans, truth.segments)
    ]
    edges = [seconds.row.edges(t, n / 10) for t, n in zip(counts, lengths, strict=True)]
    found = compute_metrics(predictions, GroundTruth(edges, *tenth, truth.labels), rows, seconds)
    for name in ("auc1", "ap1", "auc2", "ap2", "ano_auc", "average_map", "average_anomaly_map"):
        assert found[name] == pytest.approx(expected[name], rel=1e-9), name
    assert found["average_map"] > 0


def test_metrics_of_whole_videos(rng, tmp_path):
    classes = {"normal": "a", "fire": "b", "fall": "c", "theft": "d"}
    facts = described(tmp_path, classes=classes)
    labels = ("fire", "normal", "fire-fall", "fall", "normal", "fall")
    rows = [Row(tmp_path / "x.npy", facts.encode(label)) for label in labels]
    highest = (0.9, 0.3, 0.7, 0.2, 0.4, 0.4)  # a tie of a normal and an anomalous one
    likeliest = (1, 2, 2, 3, 0, 2)  # of a moment; that of normal does not count
    predictions = []
    for top, c in zip(highest, likeliest, strict=True):
        p = np.full((3, 4), 0.1)
        p[1, c], p[2, 0] = 0.5, 0.6
        predictions.append(Prediction(np.array([0, top, 0]), p))
    metrics = compute_metrics(predictions, None, rows, facts)
    # Of 4 × 2 pairs the anomalous one is higher in 2 + 2 + 0 + 1½.
    assert metrics["video_auc"] == pytest.approx(5.5 / 8)
    # Ranks: 0.9 and 0.7 anomalous, one of each at 0.4, 0.3 normal, 0.2 anomalous.
    assert metrics["video_ap"] == pytest.approx((1 + 1 + 3 / 4 + 4 / 6) / 4)
    assert metrics["class_accuracy"] == pytest.approx(3 / 4)  # all but the one told to be theft
    assert metrics["per_class_accuracy"] == {"fire": 1, "fall": pytest.approx(2 / 3), "theft": None}
    assert all(metrics[name] is None for name in ("auc1", "ap2", "ano_auc", "average_map", "map"))
    lines = report_lines(metrics)
    assert lines[0].startswith("video AUC: 0.6875  video AP: 0.8542  class accuracy: 0.7500")
    assert "no table of events" in lines[1]
    assert [line.split() for line in lines[-3:]] == [
        ["fire", "100.00"], ["fall", "66.67"], ["theft", "none"],
    ]  # fmt: skip


def test_metrics_of_whole_videos_of_one_kind_are_undefined(tmp_path):
    facts = described(tmp_path)
    rows = [Row(tmp_path / "x.npy", facts.encode("fire"))] * 2
    metrics = compute_metrics([Prediction(np.array([0.1, 0.2]))] * 2, None, rows, facts)
    names = {*METRICS} - {*OF_DEPLOYMENT}
    assert all(metrics[name] is None for name in names)
    assert set(metrics["deployment"].values()) == {None}
    assert metrics["undefined"]["video_auc"] == "all videos are anomalous"
    assert metrics["undefined"]["false_alarms_per_hour"] == "there is no normal video"
    assert report_lines(metrics)[0].startswith("video AUC: undefined  video AP: undefined")


def test_two_classes_have_no_class_accuracy(rng, tmp_path):
    facts = described(tmp_path, classes={"normal": "a", "anomaly": "b"})
    rows = [Row(tmp_path / "x.npy", facts.encode(c)) for c in ("normal", "anomaly")]
    p = rng.random((3, 2)).astype(np.float32)
    metrics = compute_metrics([Prediction(p[:, 0], p)] * 2, None, rows, facts)
    assert metrics["video_auc"] == 0.5
    assert metrics["class_accuracy"] is metrics["per_class_accuracy"] is None
