import numpy as np
import pytest

from benchmarks.plain import frame_wise_map
from utils.detection_map import (
    average_precisions,
    class_scores,
    detection_map,
    find_proposals,
    timed,
)
from utils.row_time import RowTime

EDGES = [16 * np.arange(11)]
NAMES = ("N", "X", "Y")


def random_case(rng, videos=12):
    predictions, segments, labels = [], [], []
    for _ in range(videos):
        t = int(rng.integers(1, 40))
        z = np.cumsum(rng.standard_normal((t, 3)), axis=0)
        predictions.append((np.exp(z) / np.exp(z).sum(1, keepdims=True)).astype(np.float32))
        count = int(rng.integers(0, 4))
        starts = rng.integers(0, 16 * t, count)
        segments.append([[int(s), int(s + rng.integers(1, 200))] for s in starts])
        labels.append([str(rng.choice(["N", "X", "Y", "A"])) for _ in range(count)])
    return predictions, segments, labels


@pytest.mark.parametrize("repeat", [16, 1])
@pytest.mark.parametrize("seed", range(8))
def test_against_frame_by_frame(seed, repeat):
    case = random_case(np.random.default_rng(seed))
    thresholds = (0.05, 0.1, 0.3, 0.5)
    fast = detection_map(*case, NAMES, thresholds, repeat)
    slow = frame_wise_map(*case, NAMES, thresholds, repeat)
    np.testing.assert_allclose(fast, slow, rtol=0, atol=1e-9)


def test_a_perfect_prediction_scores_100_for_its_class():
    curve = np.full((10, 3), 0.1)
    curve[2:5, 1] = 0.9
    ap = average_precisions([curve + 0.01 * np.eye(10, 3)], [[[32, 80]]], [["X"]], NAMES, EDGES)
    assert ap[:, 1].tolist() == [100] * 5
    assert ap[:, [0, 2]].sum() == 0


def test_segments_may_be_strings_as_in_the_official_files():
    case = random_case(np.random.default_rng(3))
    as_text = [[[str(s), str(e)] for s, e in video] for video in case[1]]
    np.testing.assert_array_equal(
        detection_map(*case, NAMES), detection_map(case[0], as_text, case[2], NAMES)
    )


def test_a_class_without_any_proposal_makes_everything_zero():
    predictions, segments, labels = random_case(np.random.default_rng(0))
    assert detection_map(predictions, segments, labels, NAMES).sum() > 0
    for p in predictions:
        p[:, 2] = 0.25
    assert detection_map(predictions, segments, labels, NAMES).sum() == 0


def test_ties_go_to_the_earlier_video_and_the_earlier_segment():
    curve = np.array([[0.1], [0.9], [0.1], [0.9]])
    edges = [16 * np.arange(5)] * 2
    runs, scores = find_proposals([curve, curve], edges)
    runs = timed(runs, edges)
    assert len(set(scores)) == 1
    assert list(zip(runs.video, runs.start, runs.end, strict=True)) == [
        (0, 16, 32), (0, 48, 64), (1, 16, 32), (1, 48, 64),
    ]  # fmt: skip
    # Two equal segments: the only proposal takes the first, so the second stays missing.
    ap = average_precisions(
        [curve[:3]], [[[16, 32], [16, 32]]], [["X", "X"]], ("X",), [16 * np.arange(4)]
    )
    assert ap.tolist() == [[50.0]] * 5


@pytest.mark.parametrize("t", [1, 5, 16, 17, 100])
@pytest.mark.parametrize("repeat", [16, 1])
def test_class_scores_count_frames(rng, t, repeat):
    curves = rng.random((3, t))
    frames = np.sort(np.repeat(curves, repeat, axis=1))[:, ::-1]
    expected = frames[:, : max(1, t * repeat // 16)].mean(axis=1)
    np.testing.assert_allclose(class_scores(curves, np.full(t, repeat)), expected)


def test_the_example_of_the_docstring():
    curve = np.array([0, 0.1, 0.9, 0.8, 0.1, 0.2])
    edges = [16 * np.arange(7)]
    runs, scores = find_proposals([curve[:, None]], edges)
    assert [int(column[0]) for column in runs] == [0, 0, 2, 4]
    assert [int(column[0]) for column in timed(runs, edges)] == [0, 0, 32, 64]
    assert scores == pytest.approx([1.53])


@pytest.mark.parametrize("row", ["8 frames", "1 frame", "share"])
@pytest.mark.parametrize("seed", range(6))
def test_rows_of_any_duration_against_frame_by_frame(seed, row):
    """The last row may be shorter, and videos may have fewer frames than rows that share them."""
    rng = np.random.default_rng(seed)
    predictions, segments, labels = random_case(rng)
    row = RowTime.read(row)
    edges = []
    for i, p in enumerate(predictions):
        most = 2 * len(p) if row.size is None else row.size * len(p)
        least = 1 if row.size is None else row.size * (len(p) - 1) + 1
        frames = int(rng.integers(least, most + 1))
        edges.append(row.edges(len(p), frames))
        size = frames / len(p) / 16
        segments[i] = [[int(s * size), int(e * size) + 1] for s, e in segments[i]]
    frames = [np.repeat(p, np.diff(e), axis=0) for p, e in zip(predictions, edges, strict=True)]
    thresholds = (0.05, 0.1, 0.3, 0.5)
    found = average_precisions(predictions, segments, labels, NAMES, edges, thresholds)
    slow = frame_wise_map(frames, segments, labels, NAMES, thresholds, repeat=1)
    assert slow.any()
    np.testing.assert_allclose(found.mean(axis=1), slow, rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_seconds_are_frames_by_another_name(seed):
    """At ten frames a second."""
    rng = np.random.default_rng(seed)
    predictions, segments, labels = random_case(rng)
    predictions = [np.repeat(p, 2, axis=0) for p in predictions]  # F // 16 and F / 16 are the same
    edges = [8 * np.arange(len(p) + 1) for p in predictions]
    thresholds = (0.1, 0.2, 0.3, 0.4, 0.5)
    frames = average_precisions(predictions, segments, labels, NAMES, edges, thresholds)
    in_seconds = [[(start / 10, end / 10) for start, end in video] for video in segments]
    seconds = average_precisions(
        predictions, in_seconds, labels, NAMES, [e / 10 for e in edges], thresholds
    )
    assert frames.any()
    np.testing.assert_allclose(seconds, frames, rtol=0, atol=1e-9)


def test_class_scores_of_seconds_are_not_cut():
    curves, durations = np.array([[0.2, 0.8, 0.4]]), np.array([0.5, 0.5, 7.0])
    # 8 s / 16 is 0.5 s: the second row. Of 9 s it is 0.5625 s: a part of the third, too.
    assert class_scores(curves, durations) == pytest.approx([0.8])
    durations[2] = 8
    assert class_scores(curves, durations) == pytest.approx([(0.5 * 0.8 + 0.0625 * 0.4) / 0.5625])
