"""What is written of answers: where they come from, pages as they come, copies, small pictures."""

import json
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
import torch

import predict
import ucf_option
import ucf_test
import utils.videos.proxy
from helpers.predicting import error_of
from helpers.videos import write_video
from utils.evaluation.scored_videos import Prediction
from utils.events.answer import About, answer_for
from utils.events.figure import MOST_LINES, event_figure, place_names
from utils.events.files import write_files
from utils.events.page import bands, for_script
from utils.events.pictures import pictures_of, strongest_moment
from utils.find_events import anomaly_shares, event_line
from utils.labels import UCF_CRIME
from utils.options.parser import as_arguments
from utils.runs.made_with import made_with
from utils.system.files import sha256
from utils.system.provenance import git_state

RANDOM = "weights are RANDOM"


@pytest.fixture
def trained_on_random(command, bases, tmp_path):
    """The command, with weights that say that CLIP's text weights were random."""
    args = ucf_option.parser.parse_args(command[2:])
    made = made_with(args, UCF_CRIME, "random")
    torch.save({"model_state_dict": bases["ucf"].state, "made_with": made}, tmp_path / "model.pth")
    return [*command, f"--model-path={tmp_path / 'model.pth'}"]


def answers(names="abc", length=5):
    """Answers to feature files, of which nothing is read."""
    score = np.linspace(0.1, 0.9, length)
    probabilities = np.full((length, 14), 0.05)
    probabilities[:, 3] = 0.35
    about = About("w.pth", "dsanet")
    for name in names:
        prediction = Prediction(score, probabilities)
        yield answer_for(name, Path(f"{name}.npy"), prediction, UCF_CRIME, about, fps=16.0)


def test_random_weights_are_said_in_all_that_is_written(trained_on_random, tmp_path, capsys):
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", np.ones((4, 512)))
    inputs = [str(tmp_path / f"{name}.npy") for name in ("a", "b")]
    predict.main(["ucf", *inputs, *trained_on_random])
    out = tmp_path / "out"
    record = json.loads((out / "a.json").read_text())
    assert record["random_clip"] == ["text"]
    assert record["sha256"] == {"model_path": sha256(tmp_path / "model.pth")}
    assert datetime.fromisoformat(record["date"]).tzinfo
    assert record["version"] == git_state()
    assert f"CLIP's text {RANDOM}" in (out / "a.html").read_text().replace("&#39;", "'")
    assert RANDOM in (out / "index.html").read_text()
    assert RANDOM in capsys.readouterr().err


def test_random_weights_of_the_visual_side(command, tmp_path):
    """Of a video by the options, of a feature file by the record beside it."""
    video = write_video(tmp_path / "v.mp4", 20)
    predict.main(["ucf", str(video), *command, "--pool=middle"])
    out = tmp_path / "out"
    assert json.loads((out / "v.json").read_text())["random_clip"] == ["visual"]
    predict.main(["ucf", str(out / "features" / "v__0.npy"), *command])
    assert json.loads((out / "v__0.json").read_text())["random_clip"] == ["visual"]
    np.save(tmp_path / "walk.npy", np.ones((4, 512)))
    predict.main(["ucf", str(tmp_path / "walk.npy"), *command])
    assert json.loads((out / "walk.json").read_text())["random_clip"] == []
    assert RANDOM not in (out / "walk.html").read_text()


def test_a_test_says_random_weights(trained_on_random, small_ucf, tmp_path, capsys):
    options = as_arguments(small_ucf)
    out = f"--output-dir={tmp_path / 'run'}"
    ucf_test.main([*options, out, f"--model-path={tmp_path / 'model.pth'}", "--bootstrap=0"])
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["provenance"]["random_clip"] == ["text"]
    assert RANDOM in capsys.readouterr().err


def test_the_picture_has_a_banner_and_a_row_of_names():
    (answer,) = answers("a")
    assert not event_figure(answer).get_suptitle()
    answer.about = answer.about._replace(random_clip=("text", "visual"))
    figure = event_figure(answer)
    assert f"text and visual {RANDOM}" in figure.get_suptitle()
    score, names, shares, bar = figure.axes
    assert not score.texts
    assert [text.get_text().strip() for text in names.texts] == ["arson"]
    assert score.get_ylabel() == "abnormality"
    assert bar.get_ylabel().split() == ["share", "among", "the", "anomaly", "classes"]
    low, high = shares.collections[0].get_clim()
    assert (low, high) == pytest.approx((0.05 / 0.95, 0.35 / 0.95))


def test_names_of_events_do_not_lie_on_one_another():
    (answer,) = answers("a", length=40)
    (event,) = answer.events
    answer.events = [event._replace(start=float(t), end=t + 0.5) for t in range(0, 40, 2)]
    placed = place_names(answer, per_inch=5.0)
    width = 5.0 * 0.075 * (len("arson") + 2)
    for line in range(MOST_LINES):
        starts = [start for on, start in placed if on == line]
        assert all(b - a >= width for a, b in pairwise(starts))
    assert max(start for _, start in placed) + width <= 40
    assert {line for line, _ in placed} >= {0, 1}
    answer.events = [event] * (MOST_LINES + 1)
    assert [line for line, _ in place_names(answer, 5.0)] == [*range(MOST_LINES), -1]


def test_shares_leave_the_normal_class_out():
    probabilities = np.array([[0.6, 0.1, 0.3], [1.0, 0.0, 0.0]])
    expected = np.array([[0.25, 0.75], [0.5, 0.5]])
    assert anomaly_shares(probabilities, 1.0) == pytest.approx(expected)
    (answer,) = answers("a")
    (event,) = answer.events
    assert event.probability == pytest.approx(0.35)
    assert event.share == pytest.approx(0.35 / 0.95)
    line = "arson: abnormality 0.90, share among the anomaly classes 0.37"
    assert event_line(event) == line
    assert for_script(answer)["share"] == pytest.approx([0.35 / 0.95] * 5, abs=1e-5)
    found = bands(answer)
    assert (found["lowest"], found["highest"]) == pytest.approx((0.05 / 0.95, 0.35 / 0.95))


def test_each_page_is_there_before_the_next_video_is(tmp_path, capsys):
    def as_they_come():
        for answer in answers():
            before = chr(ord(answer.name) - 1)
            if answer.name > "a":
                assert (tmp_path / f"{before}.html").read_text().endswith("</html>")
                assert f"{before}.npy: 1 event" in capsys.readouterr().out
            if answer.name == "c":
                raise KeyboardInterrupt
            yield answer

    with pytest.raises(KeyboardInterrupt):
        write_files(as_they_come(), [], tmp_path, listed=True, proxies=False)
    index = (tmp_path / "index.html").read_text()  # of what there is
    assert 'href="b.html"' in index and 'href="c.html"' not in index
    assert not list(tmp_path.glob(".*"))


def test_a_page_leads_to_its_files(tmp_path):
    write_files(answers("a"), [], tmp_path, listed=False, proxies=False)
    page = (tmp_path / "a.html").read_text()
    assert '<a href="a.json" download>' in page and '<a href="a.csv" download>' in page


def test_the_list_has_a_picture_of_each_strongest_moment(tmp_path):
    """Also where features were made before: the moment is sought in the video itself."""
    video = write_video(tmp_path / "v.mp4", 48)
    score = np.array([0.1, 0.2, 0.9])
    answer = answer_for("v", video, Prediction(score), UCF_CRIME, About("w.pth", "mil"))
    (event,) = answer.events
    assert strongest_moment(answer, event) == pytest.approx((32 + 8) / 25, abs=0.01)
    usual, strongest = pictures_of(answer)
    assert usual[:2] == strongest[:2] == b"\xff\xd8" and usual != strongest
    write_files([answer], [], tmp_path, listed=True, proxies=False)
    assert (tmp_path / "index.html").read_text().count("data:image/jpeg;base64,") == 2
    (feature,) = answers("a")
    assert pictures_of(feature) == [None, None]


def test_a_page_says_how_to_get_a_video_that_browsers_play(command, tmp_path):
    video = write_video(tmp_path / "v.mp4", 20)  # MPEG-4, not H.264
    options = [*command, "--pool=middle"]
    predict.main(["ucf", str(video), *options])
    page = (tmp_path / "out" / "v.html").read_text()
    assert "probably do not play this video (mpeg4, .mp4)" in page and "--proxy" in page
    predict.main(["ucf", str(video), *options, "--proxy"])
    page = (tmp_path / "out" / "v.html").read_text()
    assert page.index('src="v.proxy.mp4"') < page.index('src="../v.mp4"')
    assert "probably do not play" not in page


def test_copies_that_cannot_be_written(command, tmp_path, monkeypatch, capsys):
    video = write_video(tmp_path / "v.mp4", 20)

    def missing(*_):
        raise av.codec.codec.UnknownCodecError("libx264")

    with monkeypatch.context() as patched:
        patched.setattr("utils.videos.proxy.av.Codec", missing)
        error = error_of(["ucf", str(video), *command, "--proxy"], capsys)
    assert "no encoder libx264" in error
    assert not list((tmp_path / "out").rglob("v*"))
    (tmp_path / "v.proxy.mp4").touch()
    command[1] = str(tmp_path)
    both = [str(video), str(tmp_path / "v.proxy.mp4")]
    assert "would be written over" in error_of(["ucf", *both, *command, "--proxy"], capsys)


def test_what_would_be_quicker():
    assert predict.quicker("mean", "fp32", "cpu").startswith(
        "--pool middle --precision bf16 is some thirty times faster"
    )
    assert predict.quicker("middle", "fp32", "cpu").startswith("--precision bf16 is faster")
    assert "thirty" not in predict.quicker("mean", "fp32", "cuda")
    assert predict.quicker("middle", "bf16", "cpu") is None


def test_of_which_clip_the_features_are():
    about = About("w.pth", "dsanet", sha256={"model_path": "m", "clip_text": "t"})
    assert about.on_features_of("v ViT-B/16").sha256 == {**about.sha256, "clip_visual": "v"}
    assert about.on_features_of("random ViT-B/16").sha256 == about.sha256
    assert about.on_features_of("random ViT-B/16").random_clip == ("visual",)
    for nothing in (None, "", "  "):
        assert about.on_features_of(nothing) == about


def test_a_video_that_cannot_be_copied_fails_alone(tmp_path, monkeypatch):
    found = list(answers("abc"))
    for answer in found:
        answer.source = write_video(tmp_path / f"{answer.name}.mp4", 5)

    class Broken:
        def __init__(self, container, *_):
            raise av.error.ExternalError(1, "too wide")

    stream, failures = utils.videos.proxy._stream, []
    calls = iter([stream, Broken, stream])
    monkeypatch.setattr(utils.videos.proxy, "_stream", lambda *a: next(calls)(*a))
    told = write_files(found, failures, tmp_path, listed=True, proxies=True)
    assert [answer.name for answer in told] == ["a", "c"]
    (failure,) = failures
    assert failure.startswith(f"no copy of {tmp_path / 'b.mp4'} could be written: ")
    assert not list(tmp_path.glob(".*"))
    page = (tmp_path / "index.html").read_text()
    assert "no copy of" in page and "ended early" not in page


def test_a_list_that_is_not_whole_says_so(tmp_path):
    def ended():
        yield from answers("a")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_files(ended(), [], tmp_path, listed=True, proxies=False)
    page = (tmp_path / "index.html").read_text()
    assert "<h1>1 video</h1>" in page and "ended early: there may be more videos" in page
