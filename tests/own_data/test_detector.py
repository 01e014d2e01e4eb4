"""Weights from Python: what the scripts say, said by `Detector`."""

import csv
import random
from pathlib import Path

import numpy as np
import pytest
import torch

import predict
import ucf_option
from detector import Detector
from helpers.scripts import SCRIPTS
from model import build_model
from utils.evaluation.predictions import load_predictions
from utils.labels import UCF_CRIME
from utils.options.parser import as_arguments
from utils.system.errors import UserError

N = 16  # --visual-length
ROWS = (1, N - 1, N, N + 1, 3 * N + 1)


@pytest.fixture(scope="module", params=["no events", "two", "mil", "clip-tsa"])
def kind(request, trained):
    return trained(request.param)


@pytest.fixture(scope="module")
def detector(kind):
    return Detector.load(kind.weights, dataset=kind.data.file, device="cpu")


def features_of(rows: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, width)).astype(np.float32)


def length_of(detector, rows: int) -> float:
    """Of a video, in the unit of its data set."""
    return rows * (0.5 if detector.facts.row.unit == "seconds" else 4)


def test_it_scores_as_a_test_and_predict_do(kind, detector, tmp_path):
    given = {f"v{rows}": features_of(rows, detector.width, rows) for rows in ROWS}
    for name, features in given.items():
        np.save(tmp_path / f"{name}.npy", features)
    unit = "seconds" if detector.facts.row.unit == "seconds" else "frames"
    size = length_of(detector, 1)
    with (tmp_path / "test.csv").open("w") as file:
        lines = csv.writer(file)
        lines.writerow(["path", "label", unit])
        lines.writerows([tmp_path / f"{n}.npy", "normal", len(f) * size] for n, f in given.items())
    if detector.facts.has_events:  # which then has to be of these videos
        events = tmp_path / "events.csv"
        events.write_text(f"video,start,end,class\nv16,0,1,{detector.facts.classes[1]}\n")
        text = (tmp_path / "test.csv").read_text().splitlines()
        text[3] = text[3].replace("normal", detector.facts.classes[1])
        (tmp_path / "test.csv").write_text("\n".join(text) + "\n")
        said = kind.data.file.read_text() + f"events: {events}\n"
        (tmp_path / "shop.yml").write_text(said)
    else:
        (tmp_path / "shop.yml").write_text(kind.data.file.read_text())
    (tmp_path / "videos.csv").write_text(
        f"video,label,{unit}\n"
        + "".join(f"{name},normal,{len(f) * size:g}\n" for name, f in given.items())
    )
    options = {**kind.options, "dataset": tmp_path / "shop.yml", "model-path": kind.weights}
    arguments = as_arguments(options)
    SCRIPTS[kind.recipe].test(
        [*arguments, f"--test-list={tmp_path / 'test.csv'}", f"--output-dir={tmp_path}",
         f"--predictions={tmp_path / 'p.npz'}"]
    )  # fmt: skip
    names, predictions, _ = load_predictions(tmp_path / "p.npz")
    inputs = [str(tmp_path / f"{name}.npy") for name in given]
    out = f"--out={tmp_path / 'out'}"
    predict.main([kind.recipe, *inputs, *arguments, out, "--min-confidence=0"])
    for name, tested in zip(names, predictions, strict=True):
        rows = len(given[name])
        scored = detector.score(given[name], length=rows * size, min_confidence=0)
        assert scored.scores.shape == (rows,)
        np.testing.assert_allclose(scored.scores, tested.score, rtol=0, atol=1e-6)
        assert scored.seconds.shape == (rows + 1,)
        with (tmp_path / "out" / f"{name}.csv").open() as file:
            lines = list(csv.DictReader(file))
        said = [float(line["score"]) for line in lines]
        np.testing.assert_allclose(scored.scores, said, atol=1e-4)
        ends = [float(line["end"]) for line in lines]
        np.testing.assert_allclose(scored.seconds[1:], ends, atol=1e-3)
        if tested.probabilities is None:
            assert scored.probabilities is None
        else:
            np.testing.assert_allclose(
                scored.probabilities, tested.probabilities, rtol=0, atol=1e-6
            )


def test_any_kind_of_number(detector):
    features = features_of(20, detector.width).astype(np.float16)
    length = length_of(detector, len(features))
    expected = detector.score(features.astype(np.float32), length=length).scores
    for given in (features, features.astype(np.float64), torch.from_numpy(features),
                  features.tolist()):  # fmt: skip
        assert np.array_equal(detector.score(given, length=length).scores, expected)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda f: f[:, :-1], "features have shape"),
        (lambda f: f[0], "features have shape"),
        (lambda f: f[:0], "features have shape"),
        (lambda f: f[None], "features have shape"),
        (lambda f: np.where(f == f.max(), np.nan, f), "features hold NaN or infinite values"),
        (lambda f: f.astype(np.float64) * 1e60, "features hold NaN or infinite values"),
        (lambda f: [[1, 2], [3]], "features are not an array of numbers"),
        (lambda f: "features.npy", "features are not an array of numbers"),
        (lambda f: None, "features"),
    ],
)
def test_features_that_are_none(change, message, detector, recwarn):
    with pytest.raises(UserError) as error:
        detector.score(change(features_of(20, detector.width)), length=80)
    assert message in str(error.value)
    assert not recwarn.list


def test_how_long_a_share_is_must_be_said(three):
    detector = Detector.load(three.weights, device="cpu")
    features = features_of(20, 24)
    with pytest.raises(UserError, match="its length is not known"):
        detector.score(features)
    seconds = detector.score(features, length=80, fps=8).seconds
    np.testing.assert_allclose(seconds, np.arange(21) / 2)
    np.testing.assert_allclose(detector.score(features, length=80).seconds[-1], 80 / 30)
    assert detector.trained_on.title == "Shop"
    assert detector.facts.classes == ("normal", "fire", "theft")


def test_given_frames_a_second_count_more_than_the_data_sets(three, tmp_path):
    path = tmp_path / "shop.yml"
    path.write_text(three.data.file.read_text() + "fps: 16\n")
    detector = Detector.load(three.weights, dataset=path, device="cpu")
    features = features_of(20, 24)
    assert detector.score(features, length=80).seconds[-1] == 5
    assert detector.score(features, length=80, fps=8).seconds[-1] == 10


def test_random_states_stay_as_they_are(kind, detector):
    states = lambda: (torch.get_rng_state(), np.random.get_state()[1], random.getstate())  # noqa: E731
    before = states()
    other = Detector.load(kind.weights, dataset=kind.data.file, device="cpu")
    other.score(features_of(3, other.width), length=length_of(other, 3))
    after = states()
    assert torch.equal(before[0], after[0])
    assert np.array_equal(before[1], after[1])
    assert before[2] == after[2]
    assert not other.model.training


def test_the_classes_of_another_data_set(trained):
    detector = Detector.load(trained("two").weights, dataset="ucf", device="cpu")
    assert detector.score(features_of(5, 512)).probabilities.shape == (5, 14)
    assert Detector.load(trained("two").weights, device="cpu").facts.classes == (
        "normal", "anomaly",
    )  # fmt: skip


def test_weights_that_say_nothing(three, trained, tmp_path):
    """Those of MIL ranking show nothing, either."""
    torch.manual_seed(0)
    state = build_model(ucf_option.parser.parse_args(["--method=mil"]), UCF_CRIME).state_dict()
    torch.save(dict(state), tmp_path / "w.pth")
    with pytest.raises(UserError, match="does not say what it was trained on: name the data set"):
        Detector.load(tmp_path / "w.pth")
    detector = Detector.load(tmp_path / "w.pth", dataset="ucf", device="cpu")
    scored = detector.score(features_of(5, 512), min_confidence=0)
    assert scored.probabilities is None
    assert {event.name for event in scored.events} == {"anomaly"}
    with pytest.raises(UserError, match="was trained on features 512 wide, those of Shop are 24"):
        Detector.load(tmp_path / "w.pth", dataset=str(three.data.file))
    two = Detector.load(tmp_path / "w.pth", dataset=trained("two").data.file, device="cpu")
    assert two.score(features_of(5, 512)).seconds[-1] == 2.5


@pytest.mark.parametrize(
    "more, message",
    [
        ({"dataset": "another"}, "data set another cannot be read"),
        ({"tempo": 1}, "unrecognized arguments: --tempo=1; did you mean --temp?"),
        ({"temp": 0}, "argument --temp"),
        ({"device": "nowhere"}, "--device nowhere is none of auto"),
        ({"attn_window": 3}, "--attn-window is 8 in the file and 3 here"),
    ],
)
def test_what_cannot_be_loaded(more, message, three):
    with pytest.raises(UserError) as error:
        Detector.load(three.weights, **more)
    assert message in str(error.value)


def test_a_file_that_is_not_there():
    with pytest.raises(UserError, match=r"weights nowhere\.pth not found"):
        Detector.load(Path("nowhere.pth"))
