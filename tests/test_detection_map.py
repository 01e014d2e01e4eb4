import numpy as np
import pytest

from utils.detection_map import average_precisions, class_score, detection_map

NAMES = ("N", "X", "Y")


def frame_by_frame(predictions, segments, labels, names, threshold, repeat):
    """The protocol as it is told, on frames."""
    aps = []
    for c, name in enumerate(names):
        proposals = []
        for v, p in enumerate(predictions):
            curve = np.repeat(p[:, c].astype(np.float64), repeat)
            k = max(1, len(curve) // 16)
            c_score = np.sort(curve)[::-1][:k].mean()
            above = curve > curve.max() - 0.6 * (curve.max() - curve.min())
            start = None
            for t in range(len(curve) + 1):
                on = t < len(curve) and above[t]
                if on and start is None:
                    start = t
                if not on and start is not None:
                    if t - start >= 2:
                        proposals.append((curve[start:t].max() + 0.7 * c_score, v, start, t))
                    start = None
        if not proposals:
            return 0.0
        proposals.sort(key=lambda p: -p[0])
        free = {
            (v, i): set(range(*s))
            for v in range(len(segments))
            for i, s in enumerate(segments[v])
            if labels[v][i] == name
        }
        total, hits, ap = len(free), 0, 0.0
        for rank, (_, v, start, end) in enumerate(proposals, start=1):
            frames = set(range(start, end))
            best = max(
                ((len(frames & s) / len(frames | s), -i, key) for i, (key, s) in
                 enumerate(free.items()) if key[0] == v), default=None,
            )  # fmt: skip
            if best and best[0] >= threshold:
                del free[best[2]]
                hits += 1
                ap += hits / rank
        aps.append(100 * ap / total if total else 0.0)
    return np.mean(aps)


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
    slow = [frame_by_frame(*case, NAMES, threshold, repeat) for threshold in thresholds]
    np.testing.assert_allclose(fast, slow, rtol=0, atol=1e-9)


def test_a_perfect_prediction_scores_100_for_its_class():
    curve = np.full((10, 3), 0.1)
    curve[2:5, 1] = 0.9
    ap = average_precisions([curve + 0.01 * np.eye(10, 3)], [[[32, 80]]], [["X"]], NAMES)
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


@pytest.mark.parametrize("t", [1, 5, 16, 17, 100])
def test_class_score_counts_frames(rng, t):
    curve = rng.random(t)
    frames = np.sort(np.repeat(curve, 16))[::-1]
    assert class_score(curve, 16) == pytest.approx(frames[:t].mean())
