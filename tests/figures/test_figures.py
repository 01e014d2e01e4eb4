import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

import ucf_option
import ucf_test
import ucf_train
from model import build_model
from utils.datasets.clips import process_feat
from utils.datasets.ground_truth import GroundTruth
from utils.engine import EvaluationSet
from utils.evaluation.predictions import load_scored, save_predictions
from utils.evaluation.scored_videos import Prediction, ScoredVideos
from utils.figures import __main__ as figures
from utils.figures.analysis import prototype_distances, semantics, snippet_classes
from utils.figures.confusion import confusion
from utils.figures.prototypes import distance_histogram
from utils.figures.scores import caption, choose_videos, indices_of, score_curves
from utils.figures.style import save_formats
from utils.figures.training import read_log, training_curves
from utils.figures.tsne import snippet_maps
from utils.labels import UCF_CRIME
from utils.options.parser import as_arguments
from utils.system.errors import UserError


def test_anomalous_videos_of_different_classes_come_first(scored):
    _, _, rows = scored
    assert choose_videos(rows, anomalous=2, normal=1) == [0, 1, 2]
    assert choose_videos([rows[0], rows[0], rows[1]], anomalous=2, normal=1) == [0, 2]


def test_captions_name_the_likeliest_anomaly(scored):
    predictions, _, rows = scored
    sure = predictions[0]._replace(probabilities=np.eye(14)[[0, 0, 3]])
    assert caption(sure, rows[0], UCF_CRIME) == "Abuse: abuse; likeliest: arson"
    assert caption(predictions[2], rows[2], UCF_CRIME) == "Normal: normal"


def test_a_picture_is_written(scored, tmp_path):
    predictions, truth, rows = scored
    videos = ScoredVideos(predictions, truth, rows, UCF_CRIME)
    figure = score_curves({"a": videos}, [0, 2])
    png = save_formats(figure, tmp_path, "a")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in png.with_suffix(".svg").read_bytes()
    pdf = png.with_suffix(".pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    save_formats(figure, tmp_path, "a")
    assert png.with_suffix(".pdf").read_bytes() == pdf


SIX = [{"epoch": e, "step": s, "losses": {"mil": 1.0 / s, "event": 0, "total": 2.0 / s}}
       for e in (1, 2) for s in (2, 3)]  # fmt: skip
SIX.insert(2, {"epoch": 1, "step": 3, "metrics": {"auc1": 0.5, "ap1": 0.25, "average_map": None}})


def test_steps_of_a_log_go_on_over_epochs(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in SIX))
    lines = read_log(path)
    assert [line["step"] for line in lines] == [2, 3, 3, 5, 6]
    left, right = training_curves(lines, "log").axes
    assert [line.get_label() for line in left.get_lines()] == ["total", "mil"]  # none that is 0
    assert [line.get_label() for line in right.get_lines()] == ["AUC1 (%)", "AP1 (%)"]
    assert list(right.get_lines()[0].get_ydata()) == [50]


def test_training_curves_have_the_title_that_is_given_and_percent():
    metrics = {"auc1": 0.5, "ap1": 0.25, "average_map": 12.5}
    figure = training_curves([*SIX[:1], {"epoch": 1, "step": 2, "metrics": metrics}], "runs/a")
    assert figure.get_suptitle() == "runs/a"
    drawn = {line.get_label(): list(line.get_ydata()) for line in figure.axes[1].get_lines()}
    assert drawn == {"AUC1 (%)": [50], "AP1 (%)": [25], "average mAP (%)": [12.5]}


@pytest.mark.parametrize(
    "losses, ticks", [((0.9, 0.3), {"0.3", "0.4", "0.6"}), ((90, 0.01), {"0.1", "1", "10"})]
)
def test_losses_are_on_an_axis_of_plain_numbers(losses, ticks):
    lines = [{"step": step, "losses": {"total": loss}} for step, loss in enumerate(losses)]
    figure = training_curves(lines, "")
    FigureCanvasAgg(figure).draw()
    axis = figure.axes[0].yaxis
    shown = {label.get_text() for label in axis.get_ticklabels(which="both")}
    assert ticks <= shown
    assert not any("$" in text for text in shown)


def test_no_test_video_of_that_name(scored):
    _, _, rows = scored
    assert indices_of(rows, ["Normal", "Abuse"]) == [2, 0]
    with pytest.raises(UserError, match="no test video is called 'v'; the first of 3 is 'Abuse'"):
        indices_of(rows, ["v"])


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "cannot be read: No such file"),
        ("", "has no losses yet"),
        ("{", r"is not the log\.jsonl of a training run"),
        ('{"epoch": 1}', r"is not the log\.jsonl of a training run"),
        ('{"epoch": 1, "step": 1}', "has no losses yet"),
    ],
)
def test_logs_that_are_none(content, message, tmp_path):
    path = tmp_path / "log.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=message):
        read_log(path)


def test_a_log_of_several_runs(tmp_path):
    path = tmp_path / "log.jsonl"
    lines = [{"epoch": 1, "step": i, "losses": {term: 1.0}} for i, term in enumerate("ab")]
    path.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(UserError, match="losses of different methods"):
        read_log(path)


def test_scores_that_leave_the_unit_interval_are_drawn_whole(scored):
    predictions, truth, rows = scored
    logits = [Prediction(8 * p.score - 3) for p in predictions]
    figure = score_curves({"a": ScoredVideos(logits, truth, rows, UCF_CRIME)}, [0])
    low, high = figure.axes[0].get_ylim()
    assert low <= logits[0].score.min() and high >= logits[0].score.max()


def test_confusion_counts_a_video_in_each_of_its_classes():
    rows = [SimpleNamespace(label=torch.tensor(label)) for label in
            ([1.0, 0, 0], [0, 1.0, 1.0], [0, 0, 1.0])]  # fmt: skip
    counts = confusion(rows, np.array([0, 2, 1]))
    assert counts.tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 1]]


def test_distances_are_shown_with_their_means():
    distances = np.array([0.1, 0.3, 0.6, 0.8])
    anomalous = np.array([False, False, True, True])
    _, shown = distance_histogram(distances, anomalous, published=True)
    assert shown.endswith("normal 0.20, anomalous 0.70 (paper: normal 0.35, anomalous 0.69)")
    _, shown = distance_histogram(distances, anomalous, published=False)
    assert shown.endswith("normal 0.20, anomalous 0.70")


def test_snippets_belong_to_what_most_of_their_frames_show():
    edges = [16 * np.arange(5), 16 * np.arange(3)]
    segments = [[(0, 24), (40, 57)], [(0, 32)]]
    truth = GroundTruth(edges, [[], []], segments, [["Abuse", "Arson"], ["A"]])
    test = SimpleNamespace(facts=UCF_CRIME, truth=truth, lengths=[4, 2])
    assert snippet_classes(test).tolist() == [1, 0, 0, 3, 0, 0]


@pytest.mark.slow
def test_figures_of_a_method_that_tells_no_classes(small_ucf, tmp_path, capsys):
    options = {**small_ucf, "method": "rtfm", "output-dir": tmp_path, "max-epoch": 1}
    options |= {"model-path": tmp_path / "m.pth", "checkpoint-path": tmp_path / "c.pth"}
    arguments = as_arguments(options)
    ucf_train.main(arguments)
    ucf_test.main([*arguments, f"--predictions={tmp_path / 'p.npz'}"])
    capsys.readouterr()
    figures.main(["all", "ucf", *arguments, f"--predictions={tmp_path / 'p.npz'}"])
    said = capsys.readouterr().out
    drawn = {path.stem for path in (tmp_path / "figures").glob("*.png")}
    assert drawn == {"scores", "roc", "alarms", "delay", "reliability", "training", "tsne"}
    assert "left out: classes: none of these methods tells classes" in said
    assert "left out: confusion: --method rtfm has no class texts" in said
    assert "left out: prototypes: normal prototypes are part of SG-NM" in said


def test_many_classes_are_told_apart(rng):
    facts = replace(UCF_CRIME, names=tuple(f"class {i}" for i in range(31)))
    classes = np.arange(62) % 31
    features = rng.standard_normal((62, 8))
    figure = snippet_maps(features, features, classes, facts)
    styles = [
        (p.get_edgecolor(), p.get_facecolor(), p.get_paths()[0].vertices)
        for p in figure.axes[0].collections
    ]
    assert len({tuple(part.tobytes() for part in style) for style in styles}) == 31


def test_a_method_without_visual_features(small_ucf, tmp_path, capsys):
    options = {**small_ucf, "method": "mil", "model-path": tmp_path / "m.pth"}
    arguments = as_arguments(options)
    args = ucf_option.parser.parse_args(arguments)
    torch.save(build_model(args, UCF_CRIME).state_dict(), tmp_path / "m.pth")
    with pytest.raises(SystemExit, match=r"^2$"):
        figures.main(["tsne", "ucf", *arguments, f"--out={tmp_path}"])
    assert "error: --method mil has no visual features\n" in capsys.readouterr().err


@pytest.fixture(scope="module")
def test_run(bases, tmp_path_factory):
    """Options of a test run, and its predictions."""
    folder = tmp_path_factory.mktemp("test_run")
    options = as_arguments(bases["ucf"].options)
    options += [f"--model-path={bases['ucf'].weights}", f"--output-dir={folder}"]
    ucf_test.main([*options, f"--predictions={folder / 'p.npz'}"])
    return options, folder / "p.npz"


@pytest.mark.slow
def test_all_figures_of_a_test_run(test_run, tmp_path, capsys):
    options, predictions = test_run
    options = [*options, f"--output-dir={tmp_path}"]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in SIX))
    figures.main(["all", "ucf", *options, "--methods", f"a={predictions}", f"b={predictions}"])
    printed = capsys.readouterr().out
    for kind in figures.KINDS:
        assert (tmp_path / "figures" / f"{kind}.png").stat().st_size > 5000
        assert "<svg" in (tmp_path / "figures" / f"{kind}.svg").read_text()[:1000]
    assert "mean distance to the nearest normal prototype: normal 0." in printed
    assert "% of the backgrounds nearest to normal" in printed


def test_what_figures_show_of_a_network(test_run, bases):
    args = ucf_option.parser.parse_args(test_run[0])
    model = build_model(args, UCF_CRIME)
    model.load_state_dict(bases["ucf"].state)
    test = EvaluationSet(args, UCF_CRIME)
    # The official background of each test video's clip is what the model itself makes of it.
    found = semantics(model, test)
    with torch.no_grad():
        for i, row in enumerate(test.rows):
            clip, valid = process_feat(row.features(), args.visual_length)
            out = model.eval()(torch.from_numpy(clip)[None], torch.tensor([valid]))
            assert out.logits3.argmax() == found.events[i]
            assert out.logits4.argmax() == found.backgrounds[i]
    assert len(prototype_distances(model, test)) == sum(test.lengths)
    with torch.no_grad():
        model.linear.bias[0] = float("nan")
    for analyse in (semantics, prototype_distances):
        with pytest.raises(UserError, match="not finite"):
            analyse(model, test)


def test_figures_that_cannot_be_drawn(test_run, tmp_path, capsys):
    options, predictions = test_run
    part = tmp_path / "part.npz"
    kept = load_scored(str(predictions))
    fewer = GroundTruth(*(values[1:] for values in vars(kept.truth).values()))
    of_fewer = ScoredVideos(kept.predictions[1:], fewer, kept.rows[1:], kept.facts)
    save_predictions(str(part), of_fewer)
    for arguments, message in (
        (["scores", "ucf", *options], "drawn from predictions"),
        (["scores", "ucf", *options, "--methods", "p.npz"], "expected NAME=FILE.npz"),
        (["scores", "ucf", *options, "--methods", "a=no.npz"], "no.npz"),
        (["scores", "ucf", *options, "--videos", "v", "--methods", f"a={predictions}"], "called"),
        (["prototypes", "ucf", *options, "--DNP_use=False"], "part of SG-NM"),
        (["tsne", "ucf", *options, "--method=mil"], "holds weights of --method dsanet"),
        (["confusion", "ucf", *options, "--method=vadclip"], "holds weights of --method dsanet"),
        (["scores", "ucf", *options, "--methods", "a=x", "a=y"], "the names must differ"),
        (["roc", "ucf", *options, "--methods", f"a={predictions}", f"b={part}"], "not of the same"),
        (["roc", "xd", "--methods", f"a={predictions}"], "is of UCF-Crime, not of XD-Violence"),
        (["roc", "ucf", *options, "--methods", f"_a={predictions}"], "expected NAME=FILE.npz"),
        (["all", "ucf", *options, "--method=mil", "--output-dir=elsewhere"], "nothing could be"),
    ):
        with pytest.raises(SystemExit) as end:
            figures.main(arguments)
        assert end.value.code == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert message in error
