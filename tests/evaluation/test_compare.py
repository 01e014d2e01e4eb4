"""Two methods on the same videos."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from helpers.own import described
from helpers.scored import scored_videos
from helpers.scripts import one_error
from utils import compare
from utils.evaluation.comparison import Comparison
from utils.evaluation.predictions import load_scored, save_predictions
from utils.evaluation.scored_videos import Prediction, ScoredVideos
from utils.figures.style import FORMATS

COUNTS = [12] * 30


@pytest.fixture
def scored(rng, tmp_path, monkeypatch) -> ScoredVideos:
    monkeypatch.chdir(tmp_path)
    facts = described(tmp_path, classes={c: c for c in ("normal", "fire", "fall", "theft")}, fps=25)
    return scored_videos(rng, facts, COUNTS, [16 * t for t in COUNTS])


def better(scored: ScoredVideos, by: float) -> ScoredVideos:
    """Scores that know the truth."""
    shares = np.split(scored.truth.abnormal / scored.truth.durations, np.cumsum(COUNTS)[:-1])
    predictions = [
        Prediction(((p.score + by * share) / (1 + by)).astype(np.float32), p.probabilities)
        for p, share in zip(scored.predictions, shares, strict=True)
    ]
    return ScoredVideos(predictions, scored.truth, scored.rows, scored.facts)


def save(path: str, scored: ScoredVideos) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    save_predictions(path, scored)


def compared(a: str, b: str, *options: str) -> dict:
    compare.main([a, b, "--out", "out", "--bootstrap", "200", *options])
    return json.loads(Path("out/comparison.json").read_text())


def test_the_file_says_all_that_is_known_of_the_videos(scored):
    save("a.npz", scored)
    read = load_scored("a.npz")
    assert read.truth.segments == scored.truth.segments
    assert read.truth.spans == scored.truth.spans
    assert read.truth.labels == scored.truth.labels
    assert [r.video for r in read.rows] == [r.video for r in scored.rows]
    assert [r.normal for r in read.rows] == [r.normal for r in scored.rows]
    for one, other in zip(read.truth.edges, scored.truth.edges, strict=True):
        assert np.array_equal(one, other)


def test_the_better_of_two_leads_in_all_resamples(scored, capsys):
    save("a.npz", better(scored, 0.5))
    save("b.npz", scored)
    found = compared("a.npz", "b.npz", "--names", "good", "poor")
    auc = found["metrics"]["auc1"]
    assert auc["difference"] == pytest.approx(auc["a"] - auc["b"])
    assert auc["difference"] > 0.1
    low, high = auc["interval"]
    assert 0 < low < auc["difference"] < high
    assert auc["a_leads"] == 1
    assert found["metrics"]["average_map"]["interval"] == [0, 0]  # their classes are the same
    assert found["metrics"]["average_map"]["a_leads"] == 0.5
    assert set(found["classes"]["recall_at_5_by_class"]) == {"fire", "fall", "theft"}
    said = capsys.readouterr().out
    assert "A: good, B: poor; 30 videos, 200 resamples\n" in said
    assert "> 99.9 %" in said
    assert {p.name for p in Path("out").iterdir()} == {
        "comparison.json", *(f"{n}.{k}" for n in ("differences", "curves") for k in FORMATS),
    }  # fmt: skip


def test_less_is_better_of_some_figures(scored):
    wrong = better(scored, 0.5)
    found = Comparison([wrong], [scored], 100).differences()["metrics"]
    lower = found["calibration_error"]
    assert lower["difference"] < 0
    assert lower["a_leads"] == 1


def test_the_interval_is_that_of_differences_on_the_same_videos(scored):
    """Far narrower than that of either method, which the videos move together."""
    found = Comparison([better(scored, 0.02)], [scored], 300)
    a, b = (side["auc1"][0, 1:] for side in found.values)
    low, high = found.differences()["metrics"]["auc1"]["interval"]
    assert (low, high) == pytest.approx(np.percentile(a - b, [2.5, 97.5]))
    assert high - low < 0.5 * np.ptp(np.percentile(a, [2.5, 97.5]))


def test_folders_of_runs_are_paired_by_seed(scored, rng, capsys):
    for seed in (1, 2, 3):
        noise = [Prediction(rng.random(12).astype(np.float32), p.probabilities)
                 for p in scored.predictions]  # fmt: skip
        run = ScoredVideos(noise, scored.truth, scored.rows, scored.facts)
        save(f"a/seed{seed}/predictions.npz", better(run, 0.5))
        save(f"b/seed{seed}/predictions.npz", run)
    save("b/seed4/predictions.npz", scored)
    found = compared("a", "b")
    assert found["runs"] == 3
    each = [
        Comparison([load_scored(f"a/seed{s}/predictions.npz")],
            [load_scored(f"b/seed{s}/predictions.npz")], 10).differences()["metrics"]["auc1"]["a"]
        for s in (1, 2, 3)
    ]  # fmt: skip
    assert found["metrics"]["auc1"]["a"] == pytest.approx(np.mean(each))
    assert "1 run in one of the folders alone" in capsys.readouterr().err
    one = compared("a/seed1", "b/seed1")  # folders of a single run
    assert one["runs"] == 1


def test_folders_without_a_run_in_common(scored, capsys):
    save("a/seed1/predictions.npz", scored)
    save("b/seed2/predictions.npz", scored)
    Path("empty").mkdir()
    for other in ("b", "empty", "a/seed1"):  # the last is a run, and no folder of them
        error = one_error(compare.main, capsys, ["a", other, "--out", "out"])
        assert error == (
            f"error: a and {other} have no run in common: expected predictions.npz in both, or "
            "<seed>/predictions.npz, as ablate.py leaves it"
        )
    assert not Path("out").exists()


def test_few_seeds_widen_the_interval_as_students_t_does(scored, rng):
    """Where the videos alone leave no doubt, and the seeds do."""
    runs = [better(scored, by) for by in (0.1, 0.6)]
    found = Comparison(runs, [scored, scored], 2000).differences()["metrics"]["auc1"]
    each = [Comparison([r], [scored], 100).differences()["metrics"]["auc1"] for r in runs]
    assert all(of_run["interval"][0] > 0 for of_run in each)
    spread = np.std([of_run["difference"] for of_run in each], ddof=1) / 2**0.5
    low, high = found["interval"]
    assert low < 0 < high
    assert (high - low) / 2 == pytest.approx(stats.t.ppf(0.975, 1) * spread, rel=0.15)


def test_what_does_not_fit_is_said(scored, capsys):
    save("a.npz", scored)
    part = ScoredVideos(scored.predictions[1:], None, scored.rows[1:], scored.facts)
    save("b.npz", part)
    np.savez("c.npz", videos=["v"], lengths=[2], scores=[0.1, 0.2])
    save("d.npz", ScoredVideos(scored.predictions, None, scored.rows, scored.facts))
    moved = [[(s + 1, e) for s, e in of_video] for of_video in scored.truth.spans]
    truth = replace(scored.truth, spans=moved)
    save("e.npz", ScoredVideos(scored.predictions, truth, scored.rows, scored.facts))
    other = replace(scored.facts, classes=("normal", "fire", "fall", "x"))
    save("f.npz", ScoredVideos(scored.predictions, scored.truth, scored.rows, other))
    save("g.npz", replace(scored, facts=replace(scored.facts, fps=1)))
    turned = [row._replace(label=row.label.flip(0)) if i == 3 else row
              for i, row in enumerate(scored.rows)]  # fmt: skip
    save("h.npz", replace(scored, rows=turned))
    named = [["theft" if label == "fall" else label for label in of] for of in scored.truth.labels]
    save("i.npz", replace(scored, truth=replace(scored.truth, labels=named)))
    longer = [np.append(e, e[-1] + 17) if i == 2 else e for i, e in enumerate(scored.truth.edges)]
    more = [Prediction(np.append(p.score, 0), np.vstack([p.probabilities, p.probabilities[-1:]]))
            if i == 2 else p for i, p in enumerate(scored.predictions)]  # fmt: skip
    save("j.npz", replace(scored, predictions=more, truth=replace(scored.truth, edges=longer)))
    for pair, message in {
        ("a.npz", "b.npz"): "not of the same videos in the same order: see v0",
        ("a.npz", "c.npz"): "c.npz has scores, but no ground truth",
        ("a.npz", "."): "two files, or two folders",
        ("gone.npz", "a.npz"): "gone.npz cannot be read: No such file",
        ("a.npz", "d.npz"): "one alone knows when something happens",
        ("a.npz", "e.npz"): "different lengths or ground truth of v0",
        ("a.npz", "f.npz"): "data sets with different classes",
        ("a.npz", "g.npz"): "differ in what a row is, or in frames a second",
        ("a.npz", "h.npz"): "different lengths or ground truth of v3",
        ("a.npz", "i.npz"): "different lengths or ground truth of v",
        ("a.npz", "j.npz"): "different lengths or ground truth of v2",
    }.items():
        with pytest.raises(SystemExit) as end:
            compare.main([*pair, "--out", "out"])
        assert end.value.code == 2
        assert message in capsys.readouterr().err
    assert not Path("out").exists()


def test_damaged_truth_is_said_in_one_line(scored, capsys):
    save("a.npz", scored)
    with np.load("a.npz") as file:
        arrays = dict(file)
    spoiled = [
        ("dataset", np.array("{")), ("classes", arrays["classes"][::-1]),
        ("labels", arrays["labels"][1:]), ("labels", 0 * arrays["labels"]),
        ("edges", arrays["edges"][1:]), ("edges", 0 * arrays["edges"]),
        ("span_videos", arrays["span_videos"] + 90), ("spans", arrays["spans"] + 9000),
        ("spans", arrays["spans"] - 9000), ("segments", arrays["segments"][1:]),
        ("segments", arrays["segments"][:, ::-1]),
    ]  # fmt: skip
    for name, value in spoiled:
        np.savez("b.npz", **arrays | {name: value})
        with pytest.raises(SystemExit) as end:
            compare.main(["a.npz", "b.npz", "--out", "out"])
        assert end.value.code == 2
        error = capsys.readouterr().err
        assert "b.npz: what it says of its videos is damaged" in error, name
        assert error.count("\n") == 1


def test_runs_without_classes_are_compared_in_the_rest(scored):
    plain = [Prediction(p.score) for p in scored.predictions]
    without = ScoredVideos(plain, scored.truth, scored.rows, scored.facts)
    found = Comparison([scored, without], [scored, scored], 100).differences()
    assert found["metrics"]["auc1"]["difference"] == 0
    assert "average_map" not in found["metrics"]


def test_names_must_differ(scored, capsys):
    save("a.npz", scored)
    with pytest.raises(SystemExit, match=r"^2$"):
        compare.main(["a.npz", "a.npz", "--names", "X", "X"])
    assert "the names must differ" in capsys.readouterr().err


def test_one_file_may_be_a_snippet_longer(scored):
    edges = [np.append(e, e[-1] + 16) for e in scored.truth.edges]
    longer = [Prediction(np.append(p.score, 0), np.vstack([p.probabilities, p.probabilities[-1:]]))
              for p in scored.predictions]  # fmt: skip
    truth = replace(scored.truth, edges=edges)
    save("a.npz", scored)
    save("b.npz", ScoredVideos(longer, truth, scored.rows, scored.facts))
    assert compared("a.npz", "b.npz")["videos"] == 30


def test_unseen_classes_are_compared_where_both_leave_out_the_same(scored, capsys):
    save("a.npz", replace(better(scored, 0.5), left_out=("fall",)))
    save("b.npz", replace(scored, left_out=("fall",)))
    found = compared("a.npz", "b.npz")
    assert found["metrics"]["unseen_auc1"]["difference"] > 0.1
    assert found["metrics"]["seen_auc1"]["interval"][0] > 0
    assert "unseen AUC1 (%)" in capsys.readouterr().out
    save("b.npz", replace(scored, left_out=("theft",)))
    found = compared("a.npz", "b.npz")
    assert not any(name.startswith(("seen", "unseen")) for name in found["metrics"])
    assert "not all runs leave the same classes out" in capsys.readouterr().err


def test_what_one_method_alone_has_is_said(scored, capsys):
    plain = [Prediction(p.score) for p in scored.predictions]
    save("a.npz", scored)
    save("b.npz", replace(scored, predictions=plain))
    found = compared("a.npz", "b.npz")
    assert "average_map" in found["undefined"]
    assert "Not defined for both: AUC2; AP2; average mAP" in capsys.readouterr().out


def test_a_comparison_without_resamples_is_none(scored, capsys):
    save("a.npz", scored)
    with pytest.raises(SystemExit, match=r"^2$"):
        compare.main(["a.npz", "a.npz", "--names", "x", "y", "--bootstrap", "0"])
    assert "needs resamples" in capsys.readouterr().err


def test_a_comparison_on_one_video_is_none(scored, capsys):
    one = replace(scored, predictions=scored.predictions[:1], rows=scored.rows[:1], truth=None)
    for name in ("a.npz", "b.npz"):
        save(name, replace(one, edges=scored.edges[:1]))
    with pytest.raises(SystemExit, match=r"^2$"):
        compare.main(["a.npz", "b.npz", "--out", "out"])
    assert "a.npz has one video: a comparison needs more" in capsys.readouterr().err
