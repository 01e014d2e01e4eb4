"""Curves of a test, and their bands."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from sklearn.metrics import roc_curve

from helpers import naive
from helpers.own import described
from helpers.scored import scored_videos
from utils.evaluation.metrics import Evaluation
from utils.evaluation.scored_videos import Prediction, ScoredVideos
from utils.figures.comparison import differences
from utils.figures.curves import delay_curves, recall_over_alarms, reliability, roc_and_pr
from utils.system.errors import UserError

COUNTS = [20] * 24


@pytest.fixture
def methods(rng, tmp_path) -> dict[str, ScoredVideos]:
    facts = described(tmp_path, classes={c: c for c in ("normal", "fire", "fall")}, fps=25)
    videos = [scored_videos(rng, facts, COUNTS, [16 * t for t in COUNTS]) for _ in "ab"]
    return dict(zip("ab", videos, strict=True))


def line(axis, label: str):
    return next(found for found in axis.get_lines() if found.get_label() == label)


def at(axis, label: str, x: float) -> float:
    drawn = line(axis, label)
    return float(drawn.get_ydata()[np.abs(drawn.get_xdata() - x).argmin()])


def assert_within_its_band(axis, label: str) -> None:
    """Nearly everywhere, and the band has a width."""
    index = [found.get_label() for found in axis.get_lines()].index(label)
    vertices = axis.collections[index].get_paths()[0].vertices
    x, y = line(axis, label).get_data()
    inside = [v[v[:, 0] == place][:, 1] for v, place in zip([vertices] * len(x), x, strict=True)]
    spans = [(of.min(), of.max()) for of in inside if len(of)]
    assert len(spans) > 5
    assert np.mean([low - 1e-9 <= v <= high + 1e-9 for (low, high), v in
        zip(spans, y[[len(of) > 0 for of in inside]], strict=True)]) > 0.9  # fmt: skip
    assert max(high - low for low, high in spans) > 0.01


def test_roc_and_precision_recall(methods):
    left, right = roc_and_pr({n: [scored] for n, scored in methods.items()}).axes
    for name, scored in methods.items():
        score, frames = naive.by_frame(scored)
        false, true, _ = roc_curve(frames, score)
        drawn = line(left, name)
        expected = np.interp(drawn.get_xdata()[1:-1], false, true)
        assert drawn.get_ydata()[1:-1] == pytest.approx(expected, abs=1e-9)
        assert_within_its_band(left, name)
        assert_within_its_band(right, name)
    y = line(right, "a").get_ydata()
    share = methods["a"].truth.abnormal.sum() / methods["a"].truth.durations.sum()
    assert y[-1] == pytest.approx(share, abs=0.02)  # all that is abnormal is found: nearly all


def test_the_curve_of_several_runs_is_their_mean(methods):
    mean, _ = roc_and_pr({"both": [*methods.values()]}).axes
    each, _ = roc_and_pr({n: [scored] for n, scored in methods.items()}).axes
    a, b = (line(each, name).get_ydata() for name in "ab")
    assert line(mean, "both").get_ydata() == pytest.approx((a + b) / 2)


def test_events_found_over_false_alarms(methods):
    (axis,) = recall_over_alarms(methods).axes
    for name, scored in methods.items():
        figures = Evaluation(scored).metrics()["deployment"]
        found = at(axis, name, figures["false_alarms_per_hour"])
        assert found == pytest.approx(figures["event_recall"]["0.1"], abs=0.05)
        y = line(axis, name).get_ydata()
        assert (np.diff(y) >= 0).all()
        assert_within_its_band(axis, name)


def test_without_normal_videos_there_are_no_false_alarms_to_count(methods):
    anomalous = [int(i % 3 != 2) for i in range(len(COUNTS))]
    alone = {n: naive.written_out(scored, anomalous) for n, scored in methods.items()}
    with pytest.raises(UserError, match="no normal video"):
        recall_over_alarms(alone)


def test_delay(methods):
    axes = delay_curves(methods).axes
    for axis, percent in zip(axes, (1, 2, 5), strict=True):
        assert axis.get_title() == f"{percent} % false positives"
        for name, scored in methods.items():
            figures = Evaluation(scored).metrics()["deployment"]
            y = line(axis, name).get_ydata()
            assert (np.diff(y) >= 0).all()
            assert y[-1] == pytest.approx(figures[f"found_at_{percent}"])


def test_reliability(methods):
    axis, counts = reliability(methods).axes
    score, frames = naive.by_frame(methods["a"])
    inside = (score >= 3 / 15) & (score < 4 / 15)
    assert at(axis, "a", 3.5 / 15) == pytest.approx(frames[inside].mean())
    assert sum(bar.get_height() for bar in counts.patches) == pytest.approx(2)  # all of both
    FigureCanvasAgg(axis.figure).draw()
    assert not any("$" in label.get_text() for label in counts.get_yticklabels(which="both"))


def test_scores_that_are_no_probabilities_have_no_reliability(methods):
    scored = methods["a"]
    wide = [Prediction(9 * p.score, p.probabilities) for p in scored.predictions]
    with pytest.raises(UserError, match="scores of a are not probabilities"):
        reliability({"a": ScoredVideos(wide, scored.truth, scored.rows, scored.facts)})


def test_differences_are_drawn_with_their_intervals():
    found = {"metrics": {
        "auc1": {"difference": 0.02, "interval": [0.01, 0.03]},
        "calibration_error": {"difference": 0.05, "interval": [0.01, 0.09]},
        "median_delay_at_1": {"difference": 3, "interval": [1, 4]},
        "average_map": {"difference": -2, "interval": [-5, 1]},
    }}  # fmt: skip
    (axis,) = differences(found, ("x", "y")).axes
    names = [label.get_text() for label in axis.get_yticklabels()]
    assert names == ["average mAP", "calibration error (less is better)", "AUC1"]  # from below
    bars = axis.get_lines()[:-1:2]
    assert [tuple(bar.get_xdata()) for bar in bars] == [(-5, 1), (-9, -1), (1, 3)]
    neither, behind, ahead = (bar.get_color() for bar in bars)
    assert len({neither, behind, ahead}) == 3
    assert axis.get_xlabel().startswith("← y is better")
