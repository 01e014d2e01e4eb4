"""The demo data has the real formats, CLIP's statistics, and is neither trivial nor hopeless."""

import json
import re

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from utils.datasets.features import SNIPPET_FRAMES
from utils.demo_data import generate, main
from utils.demo_videos import (
    CONFUSABLE,
    FULL_SIZE,
    SNIPPETS,
    TEST_VIDEOS,
    TRAIN_VIDEOS,
    make_crop,
    make_split,
    make_world,
    unit,
)
from utils.labels import UCF_CRIME, XD_VIOLENCE
from utils.system.errors import UserError
from utils.videos.inputs import CROPS

BOTH = pytest.mark.parametrize("facts", [UCF_CRIME, XD_VIOLENCE], ids=lambda facts: facts.name)
SMALL = {"train_videos": 4, "test_videos": 12}


@pytest.fixture(scope="module")
def full():
    """{data set: (world, training videos, test videos)} of the default size, in memory."""
    with threadpool_limits(1):
        worlds = {facts.name: make_world(facts, seed=0) for facts in (UCF_CRIME, XD_VIOLENCE)}
        sizes = {"train": TRAIN_VIDEOS, "test": TEST_VIDEOS}
        return {
            name: (world, *(make_split(world, split, sizes[split]) for split in sizes))
            for name, world in worlds.items()
        }


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """{data set: folder of a small data set}."""
    folders = {facts: tmp_path_factory.mktemp(facts.name) for facts in (UCF_CRIME, XD_VIOLENCE)}
    for facts, folder in folders.items():
        generate(facts, folder, **SMALL)
    return {facts.name: folder for facts, folder in folders.items()}


def snippet_labels(video):
    """(T,) whether the middle of each snippet lies in an event."""
    middle = (np.arange(len(video.features)) + 0.5) * SNIPPET_FRAMES
    inside = [(e.start <= middle) & (middle < e.stop) for e in video.events]
    return np.any([middle < 0, *inside], axis=0)  # no event: all False


def cosine_at(x, lag):
    return np.mean(np.sum(x[lag:] * x[:-lag], axis=1))


@pytest.mark.slow
@BOTH
def test_statistics_of_clip_features(full, facts):
    _, train, _ = full[facts.name]
    videos = [unit(video.features) for video in train]
    neighbours = [cosine_at(x, 1) for x in videos]
    assert min(neighbours) > 0.94 and max(neighbours) < 0.99
    assert 0.965 < np.median(neighbours) < 0.98
    eight_apart = [cosine_at(x, 8) for x in videos]
    assert 0.91 < np.median(eight_apart) < 0.945
    assert np.mean(np.abs(np.subtract(eight_apart, 0.9275)) < 0.04) > 0.7  # 0.8875 ... 0.9675

    means = unit(np.array([x.mean(axis=0) for x in videos]))
    pairs = (means @ means.T)[np.triu_indices(len(means), 1)]
    assert 0.70 < np.median(pairs) < 0.80
    assert np.mean((pairs > 0.65) & (pairs < 0.87)) > 0.95
    assert np.std(pairs) > 0.035  # some places look alike, some do not

    mean = means.mean(axis=0)
    assert set(np.argsort(np.abs(mean))[-3:]) == {442, 81, 382}
    assert mean[442] == pytest.approx(0.59, abs=0.04)
    assert mean[[81, 382]] == pytest.approx([0.2, -0.2], abs=0.04)
    assert all(9 < np.linalg.norm(video.features[0]) < 11 for video in train)


@pytest.mark.slow
@BOTH
def test_variation_within_a_video_has_few_directions(full, facts):
    """As in real videos: 4 directions hold about 60 % of the variance, 32 about 90 %."""
    shares = []
    for video in full[facts.name][1]:
        if len(video.features) >= 60:
            x = unit(video.features)
            variance = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2
            shares.append(np.cumsum(variance)[[3, 31]] / variance.sum())
    assert np.mean(shares, axis=0) == pytest.approx([0.57, 0.92], abs=0.1)


@pytest.mark.slow
@BOTH
def test_crops_are_the_same_video_a_little_different(full, facts):
    world, train, _ = full[facts.name]
    crops = [make_crop(world, train[0], k) for k in range(CROPS)]
    assert np.allclose(crops[0], train[0].features, atol=0.01)
    for crop in crops[1:]:
        assert crop.dtype == np.float16 and crop.shape == train[0].features.shape
        likeness = np.sum(unit(crop.astype(float)) * unit(train[0].features), axis=1)
        assert np.all((likeness > 0.9) & (likeness < 0.999))
    assert not np.allclose(crops[1], crops[6], atol=0.01)


@pytest.mark.slow
@BOTH
def test_events_can_be_learned_but_not_perfectly(full, facts):
    """A linear probe trained with snippet labels, which the training lists do not have."""
    _, train, test = full[facts.name]
    x, x_test = (np.concatenate([unit(v.features) for v in videos]) for videos in (train, test))
    y, y_test = (np.concatenate([snippet_labels(v) for v in videos]) for videos in (train, test))
    with threadpool_limits(1):
        scores = LogisticRegression(max_iter=100).fit(x, y).decision_function(x_test)
    assert 0.93 < roc_auc_score(y_test, scores) < 0.985
    assert 0.05 < y_test.mean() < 0.25


@pytest.mark.slow
@BOTH
def test_background_gives_the_class_away_a_little(full, facts):
    """Between chance and certainty: nearest class mean of the snippets outside events."""
    _, train, test = full[facts.name]

    def backgrounds(videos):
        rows = [(v.features[~snippet_labels(v)].mean(0), v.events[0].codes[0])
                for v in videos if v.events]  # fmt: skip
        return np.array([row for row, _ in rows]), [code for _, code in rows]

    x, codes = backgrounds(train)
    x_test, codes_test = backgrounds(test)
    centres = {code: x[[c == code for c in codes]].mean(axis=0) for code in facts.classes[1:]}
    distances = [np.linalg.norm(x_test - centre, axis=1) for centre in centres.values()]
    guesses = np.array([*centres])[np.argmin(distances, axis=0)]
    accuracy = np.mean(guesses == codes_test)
    assert 1.5 / len(centres) < accuracy < 0.9


@pytest.mark.slow
@BOTH
def test_confusable_classes_look_alike(full, facts):
    looks = full[facts.name][0].events
    group = {code: i for i, codes in enumerate(CONFUSABLE[facts.name]) for code in codes}
    same, other = [], []
    for a in looks:
        for b in looks:
            if a < b:
                near = a in group and group[a] == group.get(b)
                (same if near else other).append(looks[a] @ looks[b])
    assert np.mean(same) > 0.6 and np.mean(same) > np.mean(other) + 0.15


@pytest.mark.slow
@BOTH
def test_events_fill_the_promised_part_of_a_video(full, facts):
    _, train, test = full[facts.name]
    shares = []
    for video in train + test:
        frames = SNIPPET_FRAMES * len(video.features)
        bounds = [frame for event in video.events for frame in (event.start, event.stop)]
        assert bounds == sorted(bounds) and all(0 <= bound <= frames for bound in bounds)
        assert all(e.stop - e.start >= 2 * SNIPPET_FRAMES - 1 for e in video.events)
        if video.events:
            shares.append(sum(e.stop - e.start for e in video.events) / frames)
    assert max(shares) <= 0.61 and min(shares) < 0.12  # whole frames: 0.60 and a little
    assert {code for v in train for e in v.events for code in e.codes} == {*facts.classes[1:]}
    assert any(bound % SNIPPET_FRAMES for v in test for e in v.events for bound in e[:2])


@BOTH
def test_a_video_depends_on_seed_and_name_alone(facts):
    world = make_world(facts, seed=0)
    few = {v.name: v for v in make_split(world, "test", 6)}
    many = {v.name: v for v in make_split(make_world(facts, seed=0), "test", 20)}
    for name, video in few.items():
        assert many[name].events == video.events
        assert np.array_equal(many[name].features, video.features)
        assert np.array_equal(make_crop(world, many[name], 7), make_crop(world, video, 7))
    other = make_split(make_world(facts, seed=1), "test", 6)
    assert not any(np.array_equal(v.features, few[v.name].features) for v in other)


def test_ucf_files(written):
    folder = written["ucf"]
    names = {str(path.relative_to(folder / "features")) for path in folder.rglob("*__5.npy")}
    assert names == {
        "Abuse/Abuse001_x264__5.npy",
        "Arrest/Arrest001_x264__5.npy",
        "Training_Normal_Videos_Anomaly/Normal_Videos001_x264__5.npy",
        "Training_Normal_Videos_Anomaly/Normal_Videos002_x264__5.npy",
        *(f"{c}/{c}501_x264__5.npy" for c in UCF_CRIME.classes[1:8]),
        *(f"Testing_Normal_Videos_Anomaly/Normal_Videos_50{i}_x264__5.npy" for i in range(1, 6)),
    }
    assert len([*folder.rglob("*.npy")]) == 10 * 4 + 12 + 1  # and the ground truth
    features = np.load(folder / "features/Abuse/Abuse001_x264__9.npy")
    assert features.dtype == np.float16 and features.shape[1] == 512
    lines = (folder / "Temporal_Anomaly_Annotation.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines] == sorted(line.split()[0] for line in lines)
    assert len(lines) == 12
    for line in lines:
        pattern = r"(\w+?)\d+_x264  \1  \d+  \d+  (\d+  \d+|-1  -1)  "
        normal = r"Normal_Videos_\d{3}_x264  Normal  -1  -1  -1  -1  "
        assert re.fullmatch(pattern, line) or re.fullmatch(normal, line), line


def test_xd_files(written):
    folder = written["xd"]
    assert len([*(folder / "train_features").glob("*.npy")]) == 10 * 4
    assert len([*(folder / "test_features").glob("*_label_*__0.npy")]) == 12
    plain = (folder / "annotations.txt").read_text().splitlines()
    classes = (folder / "annotations_multiclasses.txt").read_text().splitlines()
    assert len(plain) == len(classes) == 7  # normal videos are not in them
    for line, line_with_classes in zip(plain, classes, strict=True):
        name, *frames = line.split(" ")
        same_name, *words = line_with_classes.split(" ")
        label = re.fullmatch(r"Demo\.test\.\d{3}__#1_label_((\w+)-(\w+)-(\w+))", name)[1]
        assert name == same_name and set(words[::3]) == set(label.split("-")) - {"0"}
        spans = {*zip(words[1::3], words[2::3], strict=True)}
        assert spans == {*zip(frames[::2], frames[1::2], strict=True)}


@pytest.mark.slow
def test_several_classes_and_events_in_one_xd_video(full):
    videos = [v for v in full["xd"][1] + full["xd"][2] if v.events]
    assert {len(video.events) for video in videos} == {1, 2, 3}
    assert {len({c for e in v.events for c in e.codes}) for v in videos} == {1, 2, 3}
    assert any(len(event.codes) > 1 for video in videos for event in video.events)


@BOTH
def test_lists_and_ground_truth_come_with_it(written, facts):
    lists = written[facts.name] / "list"
    assert len((lists / facts.train_list).read_text().splitlines()) == 1 + 10 * 4
    assert len((lists / facts.test_list).read_text().splitlines()) == 1 + 12
    truth = np.load(lists / facts.gt)
    assert len(truth) % SNIPPET_FRAMES == 0 and 0 < truth.mean() < 0.5


@BOTH
def test_same_command_twice_changes_nothing_and_another_one_is_refused(tmp_path, capsys, facts):
    command = [facts.name, "--out", str(tmp_path), "--train-videos", "2", "--test-videos", "2"]
    main(command)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.npy")}
    main(command)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.npy")} == before
    assert json.loads((tmp_path / f"demo_{facts.name}.json").read_text())["seed"] == 0
    capsys.readouterr()
    with pytest.raises(SystemExit, match=r"^2$"):
        main([*command, "--seed", "1"])
    assert "holds other features" in capsys.readouterr().err


def test_never_writes_into_real_features(tmp_path):
    (tmp_path / "features/Abuse").mkdir(parents=True)
    with pytest.raises(UserError, match="holds other features"):
        generate(UCF_CRIME, tmp_path)
    assert not [*tmp_path.rglob("*.npy")]


@pytest.mark.slow
@BOTH
def test_full_size_is_that_of_the_official_lists(facts):
    world = make_world(facts, seed=0, full_size=True)
    for split, (videos, anomalous) in FULL_SIZE[facts.name].items():
        made = make_split(world, split, videos // 80)
        assert abs(sum(bool(v.events) for v in made) - anomalous / 80) < 1
        assert max(len(v.features) for v in made) > max(SNIPPETS)


@pytest.mark.slow
@BOTH
def test_long_events_fill_half_of_the_anomalous_videos(full, facts):
    _, train, _ = full[facts.name]
    with threadpool_limits(1):
        long = make_split(make_world(facts, seed=0, long_events=True), "train", TRAIN_VIDEOS)

    def mostly_abnormal(videos):
        return np.mean([snippet_labels(v).mean() > 0.65 for v in videos if v.events])

    assert mostly_abnormal(train) == 0
    assert 0.4 < mostly_abnormal(long) < 0.6
