"""Data sets of one's own through all scripts: lists, training, test, prediction."""

import csv
import json

import numpy as np
import pytest
import yaml

import predict
from helpers.own_set import own_set
from helpers.processes import ended, torchrun
from helpers.scripts import SCRIPTS, one_error, options_of, run
from helpers.videos import write_video
from utils import check_data
from utils.evaluation.predictions import load_predictions
from utils.evaluation.scored_videos import Prediction
from utils.events.answer import About, answer_for
from utils.figures.__main__ import main as figures
from utils.labels import read_dataset
from utils.options.parser import as_arguments
from utils.system.untrusted import load_tensors

CLASSES = {"three": ["normal", "fire", "theft"], "two": ["normal", "anomaly"]}
SCORERS = ("mil", "rtfm", "clip-tsa")  # which tell no classes
CLASSES |= dict.fromkeys(("no events", "vadclip", *SCORERS), CLASSES["three"])
OF_FRAMES = ("auc1", "ap1", "pr_auc", "ano_auc")
OF_CLASSES = ("auc2", "ap2", "average_map", "average_anomaly_map", "map", "per_class_ap")
OF_VIDEOS = ("video_auc", "video_ap")


def results_of(kind, folder) -> dict:
    """What a test of a run says, and its predictions beside it."""
    options = {**kind.options, "model-path": kind.weights, "output-dir": folder}
    options |= {"predictions": folder / "p.npz"}
    SCRIPTS[kind.recipe].test(as_arguments(options))
    return json.loads((folder / "results.json").read_text())


@pytest.mark.parametrize("name", CLASSES)
def test_a_test_repeats_what_training_says(name, trained, tmp_path, capfd):
    kind = trained(name)
    capfd.readouterr()
    found = results_of(kind, tmp_path)
    best = json.loads((kind.folder / "best.json").read_text())
    assert best.pop("epoch") == 1
    assert best.pop("step") == 4
    for metric, value in best.items():
        assert found[metric] == value, metric
    assert found["provenance"]["trained_on"] == "Shop"

    known = name != "no events"
    told = name not in ("no events", *SCORERS)
    assert all(isinstance(found[metric], float) == known for metric in OF_FRAMES)
    assert all((found[metric] is not None) == told for metric in OF_CLASSES)
    assert all(0 <= found[metric] <= 1 for metric in OF_VIDEOS)
    # Where one class is all there is to tell, or none, nothing is told.
    with_accuracy = name not in ("two", *SCORERS)
    assert (found["class_accuracy"] is not None) == with_accuracy
    if with_accuracy:
        assert list(found["per_class_accuracy"]) == CLASSES[name][1:]
    if told:
        assert list(found["per_class_ap"]) == CLASSES[name]

    _, predictions, classes = load_predictions(tmp_path / "p.npz")
    assert classes == CLASSES[name]
    if name not in SCORERS:
        for p in predictions:
            assert p.probabilities.shape == (len(p.score), len(classes))
            np.testing.assert_allclose(p.probabilities.sum(axis=1), 1, rtol=1e-5)
    printed = capfd.readouterr()
    assert ("AUC, AP and mAP of frames: not defined" in printed.out) == (name == "no events")
    assert "brings its own options" not in printed.err or name in ("vadclip", *SCORERS)


def test_without_a_folder_results_lie_where_the_method_of_the_weights_has_its_own(
    trained, tmp_path, monkeypatch
):
    kind = trained("mil")
    monkeypatch.chdir(tmp_path)
    options = {**kind.options, "model-path": kind.weights, "bootstrap": 0}
    SCRIPTS[kind.recipe].test(as_arguments(options))
    (path,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert path.relative_to(tmp_path).as_posix() == "runs/shop_mil/results.json"
    assert json.loads(path.read_text())["weights"] == str(kind.weights)


def test_selection_is_by_whole_videos_where_no_events_are_known(trained):
    written = yaml.safe_load((trained("no events").folder / "options.yml").read_text())
    assert (written["select_by"], written["select_on"]) == ("video_auc", "test")


def test_without_a_test_set_the_last_weights_are_kept(trained, tmp_path, capsys):
    kind = trained("no test set")
    assert json.loads((kind.folder / "best.json").read_text()) == {"epoch": 1, "step": 0}
    assert not (kind.data.folder / "list" / "test.csv").exists()
    options = {**kind.options, "model-path": kind.weights, "output-dir": tmp_path}
    arguments = as_arguments(options)
    error = one_error(SCRIPTS["ucf"].test, capsys, arguments)
    assert "test.csv not found" in error
    error = one_error(SCRIPTS["ucf"].train, capsys, arguments)
    assert error.endswith("without a test set, train with --select last or with --validation 0.1")
    assert not (tmp_path / "results.json").exists()


def test_a_run_says_what_it_adapts(tmp_path, capsys):
    data = own_set(tmp_path / "shop", train_videos=2)
    options = {**data.options, "batch-size": 64, "max-steps": 1}
    run(SCRIPTS["ucf"].train, tmp_path / "run", options)
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert said == [
        f"note: {data.folder / 'list' / 'train.csv'} has 2 normal rows: --batch-size is 2 instead "
        "of 64",
        "note: a pass over the training list is 1 step: an epoch makes 10 passes before weights "
        "are evaluated",
        "note: the run is short: SG-NM warms up over its first 1 step",
    ]


@pytest.mark.parametrize("name", ["three", "two", "no test set", "mil"])
def test_predictions_are_those_of_a_test(name, trained, tmp_path):
    kind = trained(name)
    split = "train" if name == "no test set" else "test"
    videos = kind.data.videos_of(split)[:3]
    inputs = [str(kind.data.features_of(video)) for video in videos]
    options = {**kind.options, "model-path": kind.weights, "out": tmp_path / "out"}
    options |= {"min-confidence": 0}
    arguments = as_arguments(options)
    predict.main([kind.recipe, *inputs, *arguments])
    scores = {}
    if split == "test":
        results_of(kind, tmp_path)
        names, predictions, _ = load_predictions(tmp_path / "p.npz")
        scores = dict(zip(names, predictions, strict=True))
    for path in inputs:
        stem = path.rpartition("/")[2].removesuffix(".npy")
        record = json.loads((tmp_path / "out" / f"{stem}.json").read_text())
        rows = list(csv.DictReader((tmp_path / "out" / f"{stem}.csv").open()))
        count = len(np.load(path))
        assert len(rows) == len(record["snippets"]["score"]) == count
        # 0.5 s a row, or 4 frames at 30 a second.
        seconds = count * (0.5 if name == "two" else 4 / 30)
        assert float(rows[-1]["end"]) == pytest.approx(seconds, abs=0.01)
        assert record["events"]
        if split == "test":
            expected = scores[stem.rpartition("__")[0] or stem].score
            np.testing.assert_allclose(record["snippets"]["score"], expected, atol=1e-4)


@pytest.mark.parametrize("more", [[], ["--fps=8"]])
def test_a_frame_rate_that_is_assumed_is_said(more, trained, tmp_path, capsys):
    kind = trained("mil")
    path = kind.data.features_of(kind.data.videos_of("test")[0])
    options = {**kind.options, "model-path": kind.weights, "out": tmp_path, "min-confidence": 0}
    arguments = as_arguments(options)
    predict.main([kind.recipe, str(path), *arguments, *more])
    told = "note: Shop does not say its frame rate: 30 is assumed (--fps)\n"
    assert (told in capsys.readouterr().err) == (not more)
    rows = list(csv.DictReader((tmp_path / f"{path.stem}.csv").open()))
    seconds = len(rows) * 4 / (8 if more else 30)
    assert float(rows[-1]["end"]) == pytest.approx(seconds, abs=0.01)


def test_weights_tell_predict_what_they_need(trained, tmp_path, capsys):
    """Not where a row of features is a share of its video: how long that is stands in a table."""
    kind = trained("two")
    path = kind.data.features_of(kind.data.videos_of("test")[0])
    rest = [f"--model-path={kind.weights}", "--device=cpu", f"--out={tmp_path / 'out'}"]
    predict.main(["ucf", str(path), *rest])
    record = json.loads((tmp_path / "out" / f"{path.stem}.json").read_text())
    assert [*record["snippets"]][-1] == "anomaly"

    kind = trained("three")
    path = kind.data.features_of(kind.data.videos_of("test")[0])
    rest[0] = f"--model-path={kind.weights}"
    error = one_error(predict.main, capsys, ["ucf", str(path), *rest])
    assert f"{path}: its rows are equal shares of it, and its length is not known" in error
    wrong = tmp_path / "wrong.npy"
    np.save(wrong, np.ones((4, 512), np.float32))
    error = one_error(predict.main, capsys, ["ucf", str(wrong), *rest])
    assert f"{wrong} has shape (4, 512); expected (T, 24)" in error


def test_how_long_a_video_is_its_frames_tell(tmp_path):
    """Whatever the table of videos has, 12 s here."""
    data = own_set(tmp_path / "shop", row="0.5 seconds", fps=25, lists=False)
    video = write_video(tmp_path / "v.mkv", 40)
    scores = Prediction(np.array([0.1, 0.9, 0.1], np.float32))
    about = About("w.pth", "mil")
    answer = answer_for("v", video, scores, read_dataset(data.file), about, length=12.0)
    np.testing.assert_allclose(answer.timeline.edges, [0, 12 / 25, 24 / 25, 36 / 25], atol=2e-3)


def test_the_data_is_found_sound(trained, capsys):
    for name in ("three", "two", "no events"):
        data = trained(name).data
        check_data.main(["ucf", f"--dataset={data.file}", "--num-workers=1"])
        assert ", no problems" in capsys.readouterr().out


def test_a_run_is_repeated_from_its_options(tmp_path, capsys):
    """Options that were not given stay so: giving --max-epoch would change the epochs."""
    data = own_set(tmp_path / "shop", test=False, train_videos=2)
    options = {**data.options, "method": "mil", "select": "last"}
    run(SCRIPTS["xd"].train, tmp_path / "a", options)
    written = tmp_path / "a" / "options.yml"
    again = {"config": written}
    run(SCRIPTS["xd"].train, tmp_path / "b", again)
    a, b = ((tmp_path / folder / "log.jsonl").read_text() for folder in "ab")
    assert a == b
    weights = [load_tensors(tmp_path / folder / "model.pth") for folder in "ab"]
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])


def test_figures_that_need_events_say_so(trained, tmp_path, capsys):
    kind = trained("no events")
    results_of(kind, tmp_path)
    options = {**kind.options, "model-path": kind.weights, "output-dir": kind.folder}
    options |= {"predictions": tmp_path / "p.npz", "out": tmp_path / "figures"}
    arguments = as_arguments(options)
    for figure in ("classes", "scores", "tsne", "prototypes"):
        error = one_error(figures, capsys, [figure, kind.recipe, *arguments])
        assert error.endswith("this figure shows when something happens, and Shop has no table "
                              "of events")  # fmt: skip
    for figure in ("training", "confusion"):
        figures([figure, kind.recipe, *arguments])
        assert (tmp_path / "figures" / f"{figure}.png").is_file()


@pytest.mark.slow
def test_two_processes_adapt_and_say_it_once(tmp_path):
    data = own_set(tmp_path / "shop", test=False)
    options = {**data.options, "batch-size": 64, "validation": 0.25, "max-steps": 2}
    command = ["ucf_train.py", *options_of(tmp_path / "run", options)]
    code, _, errors = ended(torchrun(2, command))
    assert code == 0, errors
    assert errors.count("has 3 normal rows: --batch-size is 2 instead of 64") == 1
    assert errors.count("an epoch makes 10 passes before") == 1
    best = json.loads((tmp_path / "run" / "best.json").read_text())
    assert best["step"] == 2
    assert 0 <= best["validation"]["video_auc"] <= 1


def test_ground_truth_that_would_not_be_read(tmp_path, capsys):
    data = own_set(tmp_path / "shop", train_videos=2)
    told = f"--gt-path would not be read: {data.file} names no ground-truth; say it there"
    options = as_arguments({**data.options, "gt-path": "gt.npy"})
    assert told in one_error(SCRIPTS["xd"].test, capsys, options)
