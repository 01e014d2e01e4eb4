"""Every metric against the obvious way, of the videos as they are and as a resample counts them."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from helpers import naive
from helpers.own import described
from helpers.scored import scored_videos
from utils.datasets.ground_truth import GroundTruth
from utils.detection_map import IOU_THRESHOLDS, average_precisions
from utils.evaluation.alarms import all_events
from utils.evaluation.metrics import Evaluation
from utils.evaluation.report import deployment_lines, report_lines
from utils.evaluation.scored_videos import Prediction, ScoredVideos

COUNTS = (6, 30, 14, 22, 12, 25, 9, 17, 40)
LENGTHS = [16 * t for t in COUNTS]
FPS = 25
ONCE = np.ones(len(COUNTS), dtype=int)
RESAMPLES = [ONCE, np.array([2, 0, 1, 0, 3, 1, 0, 1, 1]), np.array([0, 1, 0, 4, 0, 0, 2, 1, 1])]


@pytest.fixture(params=[None, 4], ids=["", "ties"])
def scored(rng, tmp_path, request) -> ScoredVideos:
    classes = {"normal": "a", "fire": "b", "fall": "c", "theft": "d"}
    facts = described(tmp_path, classes=classes, fps=FPS)
    return scored_videos(rng, facts, COUNTS, LENGTHS, request.param)


def flat(values: dict, weighting: int) -> dict:
    return {
        name: flat(value, weighting) if isinstance(value, dict) else value[weighting]
        for name, value in values.items()
    }


@pytest.fixture(params=range(len(RESAMPLES)))
def pair(scored, request) -> tuple[dict, ScoredVideos]:
    """Values of one of several weightings, and the videos written out."""
    values = Evaluation(scored).values(np.stack(RESAMPLES))
    return flat(values, request.param), naive.written_out(scored, RESAMPLES[request.param])


def test_areas(pair):
    values, videos = pair
    found = [values[name] for name in ("auc1", "ap1", "pr_auc")]
    assert found == pytest.approx(naive.areas(videos), rel=0, abs=1e-12)


def test_recall_at_a_false_positive_rate(pair):
    values, videos = pair
    for percent in (1, 2, 5):
        expected = naive.recall_at(videos, percent / 100)
        assert values[f"recall_at_{percent}"] == pytest.approx(expected, abs=1e-12)
    for code in videos.facts.classes[1:]:
        if any(code in labels for labels in videos.truth.labels):
            expected = naive.class_recall_at(videos, 0.05, code)
            assert values["recall_at_5_by_class"][code] == pytest.approx(expected, abs=1e-12)


def test_delays(pair):
    values, videos = pair
    for percent in (1, 2, 5):
        found, median = naive.delays_at(videos, percent / 100, FPS)
        assert values[f"found_at_{percent}"] == pytest.approx(found)
        assert values[f"median_delay_at_{percent}"] == pytest.approx(median, nan_ok=True)


def test_false_alarms(pair):
    values, videos = pair
    assert values["false_alarm_rate"] == pytest.approx(naive.false_alarm_rate(videos))
    expected = naive.false_alarms_per_hour(videos, FPS)
    assert values["false_alarms_per_hour"] == pytest.approx(expected)


def test_events(pair):
    values, videos = pair
    f1 = []
    for iou in IOU_THRESHOLDS:
        found, annotated, right = naive.event_counts(videos, iou)
        assert values["event_precision"][str(iou)] == pytest.approx(right / found)
        assert values["event_recall"][str(iou)] == pytest.approx(right / annotated)
        f1.append(2 * right / (found + annotated))
        assert values["event_f1"][str(iou)] == pytest.approx(f1[-1])
    assert values["average_event_f1"] == pytest.approx(np.mean(f1))


def test_within_anomalous_videos(pair):
    values, videos = pair
    anomalous = [int(not row.normal) for row in videos.rows]
    expected = naive.areas(naive.written_out(videos, anomalous))[0]
    assert values["ano_auc"] == pytest.approx(expected, rel=0, abs=1e-12)
    assert values["ano_auc_per_video"] == pytest.approx(naive.auc_per_video(videos))


def test_calibration(pair):
    values, videos = pair
    assert values["calibration_error"] == pytest.approx(naive.calibration_error(videos), abs=1e-6)


def test_whole_videos(pair):
    values, videos = pair
    anomalous = [not row.normal for row in videos.rows]
    highest = [score.max() for score in videos.scores]
    assert values["video_auc"] == pytest.approx(roc_auc_score(anomalous, highest))
    assert values["video_ap"] == pytest.approx(average_precision_score(anomalous, highest))
    right = [
        row.label[1 + p.probabilities[:, 1:].max(axis=0).argmax()] > 0
        for p, row in zip(videos.predictions, videos.rows, strict=True)
        if not row.normal
    ]
    assert values["class_accuracy"] == pytest.approx(np.mean(right))


def test_the_normal_class(pair):
    values, videos = pair
    anomaly = [Prediction(1 - p.probabilities[:, 0]) for p in videos.predictions]
    expected = naive.areas(replace(videos, predictions=anomaly))
    assert (values["auc2"], values["ap2"]) == pytest.approx(expected[:2], rel=0, abs=1e-12)


def test_a_score_that_never_changes_is_one_event(tmp_path):
    """Else a detector that always cries wolf would have no false alarms."""
    facts = described(tmp_path, classes={"normal": "a", "fire": "b"}, fps=16)
    plain = scored_videos(np.random.default_rng(0), facts, (225, 1, 225), (3600, 16, 3600))
    always = [Prediction(np.full(len(s), 0.99)) for s in plain.scores]
    metrics = Evaluation(replace(plain, predictions=always)).metrics()["deployment"]
    assert metrics["false_alarm_rate"] == 1
    assert metrics["false_alarms_per_hour"] == pytest.approx(3600 / 225)
    never = [Prediction(np.full(len(s), 0.49)) for s in plain.scores]
    metrics = Evaluation(replace(plain, predictions=never)).metrics()["deployment"]
    assert metrics["false_alarms_per_hour"] == 0


def test_rows_that_have_no_frame_are_no_events(tmp_path):
    """Six rows share three frames: every second one has none."""
    facts = described(tmp_path, classes={"normal": "a", "fire": "b"}, row="share")
    video = scored_videos(np.random.default_rng(0), facts, (6, 6, 6), (3, 3, 3))
    scores = np.array([0.6, 1, 0.3, 0.9, 0.6, 0.2])
    found = all_events(replace(video, predictions=[Prediction(scores)] * 3))
    lasting = np.flatnonzero(np.diff(video.edges[0]))
    assert found.confidence.max() == scores[lasting].max()


@pytest.mark.parametrize("weighting", range(len(RESAMPLES)))
def test_average_precision(scored, weighting):
    values = flat(Evaluation(scored).values(np.stack(RESAMPLES)), weighting)
    for iou in IOU_THRESHOLDS:
        found = {code: of_class[str(iou)] for code, of_class in values["per_class_ap"].items()}
        expected = naive.average_precisions(scored, RESAMPLES[weighting], iou)
        assert found == pytest.approx(expected, rel=1e-9, nan_ok=True)
        assert values["map"][str(iou)] == pytest.approx(np.nanmean([*expected.values()]))


def test_average_precision_of_each_video_once_is_the_protocols(scored):
    truth, codes = scored.truth, scored.facts.classes
    probabilities = [p.probabilities for p in scored.predictions]
    expected = average_precisions(probabilities, truth.segments, truth.labels, codes, truth.edges)
    of_classes = Evaluation(scored).metrics()["per_class_ap"]
    found = np.array([[*of_class.values()] for of_class in of_classes.values()])
    assert pytest.approx(expected, rel=0, abs=1e-9) == found.T
    assert expected.max() > 0


def test_the_first_alarm_of_an_event_that_began_before(tmp_path):
    """An alarm that is on when the event begins has no delay; one after its end does not count."""
    facts = described(tmp_path, classes={"normal": "a", "fire": "b"}, fps=16)
    scores = [[0.9, 0.9, 0.1, 0.1], [0.1, 0.1, 0.9, 0.1], [0.1, 0.1, 0.1, 0.9], [0.1] * 400]
    spans = [[(8, 40)], [(16, 64)], [(0, 48)], []]
    labels = [["fire"], ["fire"], ["fire"], []]
    edges = [np.arange(len(s) + 1) * 16 for s in scores]
    rows = [scored_videos(np.random.default_rng(0), facts, (4,) * 3, (64,) * 3).rows[i]
            for i in (0, 1, 1, 2)]  # fmt: skip
    truth = GroundTruth(edges, spans, spans, labels)
    videos = ScoredVideos([Prediction(np.array(s)) for s in scores], truth, rows, facts)
    metrics = Evaluation(videos).metrics()["deployment"]
    assert metrics["found_at_1"] == pytest.approx(2 / 3)
    assert metrics["median_delay_at_1"] == pytest.approx((0 + 1) / 2)


UNDEFINED = {
    "no normal video": (lambda i: i % 3 != 2, ("false_alarm_rate", "video_auc"), "recall_at_5"),
    "normal videos alone": (lambda i: i % 3 == 2, ("auc1", "recall_at_2", "average_event_recall",
        "ano_auc", "found_at_1", "median_delay_at_1", "video_ap"), "false_alarms_per_hour"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNDEFINED)
def test_what_is_not_defined_is_said_and_the_rest_goes_on(scored, case):
    kept, missing, there = UNDEFINED[case]
    counts = [int(kept(i)) for i in range(scored.num_videos)]
    metrics = Evaluation(naive.written_out(scored, counts)).metrics()
    values = {**metrics, **metrics["deployment"]}
    for name in missing:
        assert values[name] is None
        assert metrics["undefined"][name]
    assert values[there] is not None
    lines = "\n".join([*report_lines(metrics), *deployment_lines(metrics)])
    assert "Not defined, because" in lines


def test_without_events_false_alarms_are_counted_all_the_same(scored):
    with_events = Evaluation(scored).metrics()
    without = Evaluation(
        ScoredVideos(scored.predictions, None, scored.rows, scored.facts)
    ).metrics()
    for name in ("false_alarm_rate", "false_alarms_per_hour"):
        assert without["deployment"][name] == with_events["deployment"][name]
    assert without["auc1"] is None
    assert "no table of events" in without["undefined"]["recall_at_5"]


def test_scores_that_are_no_probabilities_have_no_threshold(scored):
    wide = [Prediction(8 * p.score - 3) for p in scored.predictions]
    metrics = Evaluation(ScoredVideos(wide, scored.truth, scored.rows, scored.facts)).metrics()
    expected = Evaluation(scored).metrics()
    assert metrics["auc1"] == pytest.approx(expected["auc1"], abs=1e-12)
    assert metrics["deployment"]["recall_at_5"] == expected["deployment"]["recall_at_5"]
    assert metrics["deployment"]["average_event_f1"] is None
    assert "are not probabilities" in metrics["undefined"]["calibration_error"]
