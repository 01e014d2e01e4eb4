import numpy as np
import pytest

from helpers import golden
from helpers.own import described
from helpers.scored import scored_videos
from ucf_option import parser
from utils.datasets.lists import read_list
from utils.evaluation.bootstrap import interval, intervals, resample_weights
from utils.evaluation.metrics import Evaluation
from utils.evaluation.over_list import scored_by
from utils.labels import UCF_CRIME
from utils.metric_names import METRICS, value_of

VIDEOS = 60


@pytest.fixture
def evaluation(rng, tmp_path) -> Evaluation:
    facts = described(tmp_path, classes={c: c for c in ("normal", "fire", "fall", "theft")}, fps=25)
    counts = rng.integers(5, 30, VIDEOS).tolist()
    return Evaluation(scored_videos(rng, facts, counts, [16 * t for t in counts]))


def test_every_resample_has_as_many_videos():
    drawn = resample_weights(7, 100)
    assert (drawn.sum(axis=1) == 7).all()
    assert np.array_equal(drawn, resample_weights(7, 100))
    assert drawn.std() > 0


def test_means_of_resamples_are_the_figures_within_their_error(evaluation):
    """Of ratios up to a bias of the order 1 / videos; what depends on a threshold moves in steps,
    a mean of distances grows with noise, and a median jumps."""
    metrics, figures = evaluation.metrics(), evaluation.values(resample_weights(VIDEOS, 1000))
    for name in METRICS:
        plain = value_of(metrics, name)
        if plain is None or name.startswith("median"):
            continue
        values = figures[name][np.isfinite(figures[name])]
        loose = name.startswith(("recall", "found", "calibration"))
        assert abs(values.mean() - plain) <= (0.6 if loose else 0.2) * values.std(), name


def test_intervals_hold_the_figures_and_have_their_layout(evaluation):
    metrics, sure = evaluation.metrics(), intervals(evaluation, 300)
    assert sure["resamples"] == 300
    low, high = sure["auc1"]
    assert low < metrics["auc1"] < high
    assert sure["deployment"]["event_f1"].keys() == metrics["deployment"]["event_f1"].keys()
    assert sure["per_class_ap"]["fire"].keys() == metrics["per_class_ap"]["fire"].keys()
    assert sure == intervals(evaluation, 300)


def test_weightings_at_once_or_a_few_at_a_time_are_the_same(evaluation, monkeypatch):
    weights = resample_weights(VIDEOS, 20)
    expected = evaluation.values(weights)
    monkeypatch.setattr("utils.evaluation.metrics.AT_ONCE", 1)
    found = evaluation.values(weights)
    for name in ("auc1", "average_map", "found_at_5", "calibration_error"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-12)


def test_an_interval_of_what_is_mostly_undefined_is_none():
    assert interval(np.array([np.nan, np.nan, 1])) is None
    assert interval(np.array([np.nan, 3.0, 3.0])) == [3, 3]


def test_a_class_that_a_resample_has_lost_is_left_out_of_its_mean(evaluation):
    scored = evaluation.scored
    without = np.array([int("theft" not in labels) for labels in scored.truth.labels])
    figures = evaluation.values(np.stack([without, np.ones_like(without)]))
    lost, there = figures["per_class_ap"]["theft"]["0.1"]
    assert np.isnan(lost)
    assert there >= 0
    others = [of["0.1"][0] for of in figures["per_class_ap"].values()]
    assert figures["map"]["0.1"][0] == pytest.approx(np.nanmean(others))


@golden.needs_real_data
def test_published_scores_under_the_protocol():
    """PEL4VAD's on UCF-Crime, without features: AUC 86.76, AP by trapezoids 33.99, and 0.47 % of
    the normal videos' frames above 0.5 are published."""
    lists = golden.REAL / "lists"
    args = parser.parse_args([
        f"--test-list={lists / 'ucf_CLIP_rgbtest.csv'}",
        f"--gt-segment-path={lists / 'gt_segment_ucf.npy'}",
        f"--gt-label-path={lists / 'gt_label_ucf.npy'}",
    ])  # fmt: skip
    rows = read_list(args.test_list, UCF_CRIME, absent=True)
    scored = scored_by(golden.REAL / "published_scores.npz", rows, UCF_CRIME, args)
    evaluation = Evaluation(scored)
    metrics, sure = evaluation.metrics(), intervals(evaluation, 200)
    assert len(scored.truth.durations) == 69_355
    for name, value in {"auc1": 0.86758, "ap1": 0.33917, "pr_auc": 0.33999}.items():
        assert metrics[name] == pytest.approx(value, rel=0, abs=5e-6)
        low, high = sure[name]
        assert low < value < high
        assert 0.05 < high - low < 0.3
    rate = metrics["deployment"]["false_alarm_rate"]
    assert rate == pytest.approx(0.00474, rel=0, abs=5e-6)
