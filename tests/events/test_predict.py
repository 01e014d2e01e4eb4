import csv
import json
import os
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import torch

import predict
import ucf_option
from helpers.own import described
from helpers.predicting import error_of
from helpers.videos import write_video
from model import build_model, hierarchical_belief_modulation
from utils import checkpoint
from utils.evaluation.scored_videos import Prediction
from utils.events.annotated import KnownEvents, Segment
from utils.find_events import Timeline, anomaly_shares, find_events
from utils.labels import UCF_CRIME, XD_VIOLENCE
from utils.runs.made_with import made_with
from utils.videos.frames import frame_times


def test_events_are_where_the_score_is_high_and_of_the_likeliest_class():
    score = np.array([0, 0.1, 0.9, 0.8, 0.1, 0.1, 0.6, 0.2], np.float32)
    probabilities = np.full((8, 14), 0.01)
    probabilities[2:4, [3, 5]] = [[0.3, 0.6], [0.5, 0.1]]  # arson 0.8, burglary 0.7 in all
    probabilities[6, 10] = 0.5
    events = find_events(
        Prediction(score, probabilities), UCF_CRIME, Timeline(8, 16.0, None), 0.5, 0
    )
    assert [(e.start, e.end, e.code, e.name) for e in events] == [
        (2, 4, "Arson", "arson"), (6, 7, "Shooting", "shooting"),
    ]  # fmt: skip
    assert [e.confidence for e in events] == pytest.approx([0.9, 0.6])
    few = find_events(Prediction(score), UCF_CRIME, Timeline(8, 16.0, None), 0.5, 1.5)
    assert [(e.start, e.end, e.code, e.name) for e in few] == [(2, 4, None, "anomaly")]
    assert not find_events(Prediction(score), UCF_CRIME, Timeline(8, 16.0, None), 0.95, 0)


def test_seconds_follow_the_frames_of_a_video(tmp_path):
    times = np.cumsum([1 + 3 * (i % 5 == 0) for i in range(40)]).tolist()
    video = write_video(tmp_path / "v.mkv", 40, times=times)
    found = frame_times(video)
    expected = (np.array(times) - times[0]) / 25
    assert np.abs(found - expected).max() < 2e-3
    edges = Timeline(2, 30.0, found).edges
    assert edges == pytest.approx([0, expected[16], expected[32]], abs=2e-3)
    # A last snippet that ends with the video, and a video of fewer frames than a snippet has.
    assert Timeline(1, 30.0, np.arange(16) / 8).edges == pytest.approx([0, 2])
    assert Timeline(1, 30.0, np.arange(5) / 8).edges == pytest.approx([0, 5 / 8])
    # Frames of a table are read as decimals.
    assert Timeline(1, 30.0, np.arange(16) / 8).seconds(np.array([4.0, 99.0])).tolist() == [0.5, 2]


def test_videos_and_features(command, tmp_path, capsys):
    video = write_video(tmp_path / "clip.mp4", 40)
    np.save(tmp_path / "walk.npy", np.random.default_rng(0).standard_normal((70, 512)))
    options = [*command, "--pool=middle", "--min-confidence=0", "--fps=16"]
    predict.main(["ucf", str(video), str(tmp_path / "walk.npy"), *options])
    printed = capsys.readouterr().out
    out = tmp_path / "out"
    for name, snippets, seconds in (("clip", 2, 32 / 25), ("walk", 70, 70)):
        record = json.loads((out / f"{name}.json").read_text())
        rows = list(csv.DictReader((out / f"{name}.csv").open()))
        assert len(rows) == len(record["snippets"]["score"]) == snippets
        assert float(rows[-1]["end"]) == pytest.approx(seconds, abs=0.05)
        assert float(rows[0]["Abuse"]) == record["snippets"]["Abuse"][0]
        total = sum(record["snippets"][code][0] for code in UCF_CRIME.classes)
        assert total == pytest.approx(1, abs=1e-4)
        assert record["events"]
        assert f"{name}.html, .json, .csv, .png" in printed
        assert f"abnormality {record['events'][0]['confidence']:.2f}, share among" in printed
        assert (out / f"{name}.png").stat().st_size > 5000
    features = out / "features" / "clip__0.npy"
    before = features.stat().st_mtime_ns
    predict.main(["ucf", str(video), *options])
    assert features.stat().st_mtime_ns == before
    for other in ("--precision=bf16", "--backbone=ViT-B/32"):  # which they are not made with
        predict.main(["ucf", str(video), *options, other])
        assert features.stat().st_mtime_ns != before
        before = features.stat().st_mtime_ns
    index = (out / "index.html").read_text()
    assert 'href="clip.html"' in index and 'href="walk.html"' in index
    assert 'src="../clip.mp4"' in (out / "clip.html").read_text()


def test_nothing_but_a_bad_video_is_bad_input(command, tmp_path, capsys):
    (tmp_path / "bad.mp4").write_text("no")
    with pytest.raises(SystemExit) as end:
        predict.main(["ucf", str(tmp_path / "bad.mp4"), *command])
    assert end.value.code == 2
    assert not list((tmp_path / "out").rglob("*.json"))


def test_no_input_is_written_over(command, tmp_path, capsys):
    np.save(tmp_path / "v.npy", np.ones((4, 512)))
    truth = tmp_path / "v.csv"
    truth.write_text("video,start,end,class\nv,0,1,x\n")
    command[1] = str(tmp_path)
    error = error_of(["ucf", str(tmp_path / "v.npy"), *command, f"--truth={truth}"], capsys)
    assert "v.csv would be written over" in error
    assert truth.read_text().startswith("video,start,end")
    (tmp_path / "file").touch()
    command[1] = str(tmp_path / "file")
    assert "cannot be written" in error_of(["ucf", str(tmp_path / "v.npy"), *command], capsys)


def test_another_clip_than_that_of_the_weights_is_said_of_videos(
    command, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(predict, "answer_all", lambda *_: None)
    args = ucf_option.parser.parse_args(command[2:])
    path, model = tmp_path / "model.pth", build_model(args, UCF_CRIME)
    checkpoint.save_weights(model, path, made_with(args, UCF_CRIME, "0123456789ab" + 52 * "c"))
    for name in ("v.mp4", "walk.npy"):
        (tmp_path / name).touch()
        predict.main(["ucf", str(tmp_path / name), *command, f"--model-path={path}"])
        told = (
            f"note: {path} was trained with CLIP weights 0123456789ab; features of videos are made "
            "with random (sha256)\n"
        )
        assert (told in capsys.readouterr().err) == (name == "v.mp4")


def test_odd_names(command, tmp_path):
    np.save(tmp_path / "cost $5_{$ <a>.npy", np.ones((4, 512)))
    (tmp_path / "c.yml").write_text("'cash $\\foo$': money\n")
    classes = f"--classes={tmp_path / 'c.yml'}"
    predict.main(["ucf", str(tmp_path / "cost $5_{$ <a>.npy"), *command, classes])
    assert (tmp_path / "out" / "cost $5_{$ <a>.png").is_file()


def test_times_are_those_of_a_player(tmp_path):
    """The pictures begin two seconds after the sound."""
    path = tmp_path / "late.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream("aac", rate=8000)
        for i in range(5):
            samples = np.zeros((1, 1024), np.float32)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 8000, 1024 * i
            container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
        for i in range(20):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            frame.pts = 50 + i
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    times = frame_times(path)
    assert times[[0, -1]] == pytest.approx([2, 2 + 19 / 25], abs=0.2)


def test_a_folder_keeps_its_sub_folders(command, tmp_path):
    for name in ("a/x.mp4", "b/x.mp4"):
        write_video(tmp_path / "videos" / name, 20)
    predict.main(["ucf", str(tmp_path / "videos"), *command, "--pool=middle"])
    page = (tmp_path / "out" / "b" / "x.html").read_text()
    assert 'href="../index.html"' in page and 'src="../../videos/b/x.mp4"' in page
    assert 'href="b/x.html"' in (tmp_path / "out" / "index.html").read_text()


def test_known_events_are_shown_beside(command, tmp_path, capsys):
    np.save(tmp_path / "walk__0.npy", np.ones((20, 512)))
    np.save(tmp_path / "talk.npy", np.ones((20, 512)))
    truth = tmp_path / "truth.csv"
    truth.write_text("video,start,end,class\nwalk,2.5,4,RoadAccidents\nwalk,0.5,1,a fall\n")
    inputs = [str(tmp_path / f"{name}.npy") for name in ("walk__0", "talk")]
    predict.main(["ucf", *inputs, *command, f"--truth={truth}"])
    walk, talk = (tmp_path / "out" / f"{name}.json" for name in ("walk__0", "talk"))
    assert json.loads(walk.read_text())["truth"] == [
        {"start": 0.5, "end": 1.0, "name": "a fall"},
        {"start": 2.5, "end": 4.0, "name": "road accident"},
    ]
    assert "truth" not in json.loads(talk.read_text())
    assert "annotated: road accident" in (tmp_path / "out" / "walk__0.html").read_text()
    assert "names none" not in capsys.readouterr().err
    predict.main(["ucf", inputs[1], *command, f"--truth={truth}"])
    assert "truth.csv names none of these videos" in capsys.readouterr().err


@pytest.mark.parametrize("facts", [UCF_CRIME, XD_VIOLENCE])
def test_annotations_of_the_data_sets_are_in_frames(facts, tmp_path):
    lines = {"ucf": "v.mp4 Arson 32 64 -1 -1\nn.mp4 Normal -1 -1 -1 -1\n", "xd": "v G 32 64\n"}
    path = tmp_path / "annotations.txt"
    path.write_text(lines[facts.name])
    known = KnownEvents.read(path, facts)
    name = "arson" if facts is UCF_CRIME else "explosion"
    assert known.of("v", Timeline(9, 16.0, None)) == [Segment(2, 4, name)]
    frames_at = np.cumsum(np.where(np.arange(144) < 32, 0.5, 0.1)) - 0.5  # slow, then quick
    assert known.of("v", Timeline(9, 16.0, frames_at))[0][:2] == pytest.approx((15.6, 18.8))
    assert known.of("n", Timeline(9, 16.0, None)) == ([] if facts is UCF_CRIME else None)
    assert known.of("other", Timeline(9, 16.0, None)) is None


def test_whose_annotations_they_are_is_seen_by_their_classes(tmp_path):
    """Whatever the weights were trained on."""
    path = tmp_path / "annotations.txt"
    for line, name in (("v.mp4 Arson 32 64 -1 -1", "arson"), ("v G 32 64", "explosion")):
        path.write_text(line)
        for facts in (UCF_CRIME, XD_VIOLENCE, described(tmp_path)):
            known = KnownEvents.read(path, facts)
            assert known.of("v", Timeline(9, 16.0, None)) == [Segment(2, 4, name)]


@pytest.mark.slow
def test_names_as_a_mac_writes_them(command, tmp_path):
    """Their features are made anew where they must be, and what they were made with is known."""
    video = write_video(tmp_path / "cafe\u0301.mp4", 20)
    for pool in ("middle", "mean"):
        predict.main(["ucf", str(video), *command, f"--pool={pool}"])
    (features,) = (tmp_path / "out" / "features").glob("*.npy")
    predict.main(["ucf", str(features), *command])
    record = json.loads((tmp_path / "out" / f"{features.stem}.json").read_text())
    assert record["random_clip"] == ["visual"]


def test_names_with_a_colon(command, tmp_path, monkeypatch):
    """Which of a name alone would be a protocol."""
    write_video(tmp_path / "12:30:00.mp4", 20)
    monkeypatch.chdir(tmp_path)
    predict.main(["ucf", "12:30:00.mp4", *command, "--pool=middle", "--proxy", "--out=."])
    assert (tmp_path / "12:30:00.html").is_file()
    assert (tmp_path / "12:30:00.proxy.mp4").is_file()


@pytest.mark.skipif(sys.platform == "darwin", reason="there are no such names")
def test_a_folder_whose_name_is_not_utf_8(command, tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    video = write_video(folder / "v.mp4", 20)
    (folder / "bad.mp4").write_text("no")
    with pytest.raises(SystemExit) as end:
        predict.main(["ucf", str(video), str(folder / "bad.mp4"), *command, "--pool=middle"])
    assert end.value.code == 1
    assert 'src="../caf%E9/v.mp4"' in (tmp_path / "out" / "v.html").read_text()
    assert "bad.mp4 cannot be opened" in (tmp_path / "out" / "index.html").read_text()


def test_a_name_that_is_too_long_for_what_is_written(command, tmp_path, capsys):
    video = write_video(tmp_path / f"{238 * 'v'}.mp4", 20)
    assert "__features.json' cannot be written: " in error_of(["ucf", str(video), *command], capsys)


def test_classes_of_ones_own(command, tmp_path, capsys):
    classes = tmp_path / "classes.yml"
    classes.write_text("fire: [flames, smoke]\na fall: a person falls\nNormal: a quiet day\n")
    np.save(tmp_path / "walk.npy", np.random.default_rng(0).standard_normal((40, 512)))
    options = [*command, "--min-confidence=0"]
    predict.main(["ucf", str(tmp_path / "walk.npy"), *options])
    of_ucf = json.loads((tmp_path / "out" / "walk.json").read_text())
    predict.main(["ucf", str(tmp_path / "walk.npy"), *options, f"--classes={classes}"])
    record = json.loads((tmp_path / "out" / "walk.json").read_text())
    assert "classes.yml are zero-shot and unmeasured" in capsys.readouterr().err
    assert list(record["snippets"]) == ["start", "end", "score", "normal", "fire", "a fall"]
    assert {event["name"] for event in record["events"]} <= {"fire", "a fall"}
    page = (tmp_path / "out" / "walk.html").read_text()
    assert "zero-shot" in page and "not measured" in page
    # When something happens does not depend on the classes.
    assert record["snippets"]["score"] == of_ucf["snippets"]["score"]
    assert [e["start"] for e in record["events"]] == [e["start"] for e in of_ucf["events"]]


def test_classes_are_said_once(capsys):
    options = ["--out=o", "--classes=c.yml", "--texts=t.yml"]
    assert (
        error_of(["ucf", "walk.npy", *options], capsys)
        == "error: --classes and --texts both say what classes are: leave one out"
    )


@pytest.mark.parametrize(
    "text, message",
    [
        ("normal: a day", "names no class but normal"),
        ("- fire", "expected lines 'name: what it looks like'"),
        ("1: fire", "expected lines 'name: what it looks like'"),
        ("score: fire", "a class cannot be called 'score'"),
        ("fire: x\nFire: y", "'fire' appears twice"),
        ("fire: []", "fire: expected a sentence or a list of them, found []"),
        (f"fire: {'fire ' * 90}", "has 92 tokens; CLIP reads at most 77"),
    ],
)
def test_bad_classes(text, message, command, tmp_path, capsys):
    np.save(tmp_path / "walk.npy", np.ones((4, 512)))
    (tmp_path / "c.yml").write_text(text)
    options = [*command, f"--classes={tmp_path / 'c.yml'}"]
    assert message in error_of(["ucf", str(tmp_path / "walk.npy"), *options], capsys)


@pytest.mark.parametrize(
    "text, message",
    [
        ("video,from,to,class\n", "has the columns video, from, to, class; expected video, start"),
        ("video,start,end,class\nv,1,2,x\nv,4,3,x\n", "line 3: expected numbers 0 ≤ start < end"),
        ("video,start,end,class\nv,one,2,x\n", "found 'one', '2'"),
        ("video,start,end,class\nv,1,2,\n", "and a class, found '1', '2', ''"),
        ("", "is empty: expected the line video,start,end,class first"),
    ],
)
def test_bad_truth(text, message, command, tmp_path, capsys):
    np.save(tmp_path / "walk.npy", np.ones((4, 512)))
    (tmp_path / "t.csv").write_text(text)
    options = [*command, f"--truth={tmp_path / 't.csv'}"]
    assert message in error_of(["ucf", str(tmp_path / "walk.npy"), *options], capsys)


def test_a_bad_video_stops_no_other(command, tmp_path, capsys):
    (tmp_path / "bad.mp4").write_text("no")
    np.save(tmp_path / "walk.npy", np.ones((3, 512)))
    with pytest.raises(SystemExit) as end:
        predict.main(["ucf", str(tmp_path / "bad.mp4"), str(tmp_path / "walk.npy"), *command])
    assert end.value.code == 1
    printed = capsys.readouterr()
    assert "failed: video" in printed.err
    assert (tmp_path / "out" / "walk.json").is_file()
    assert not (tmp_path / "out" / "bad.json").exists()


@pytest.mark.parametrize(
    "inputs, message",
    [
        (["nowhere.mp4"], "nowhere.mp4 not found"),
        (["a/x.npy", "b/x.mp4"], "two inputs are called x"),
        (["a/x.npy", "a/index.npy"], "an input is called index"),
        (["flat.npy"], "has shape (512,); expected (T, 512)"),
    ],
)
def test_bad_inputs(inputs, message, command, tmp_path, capsys):
    np.save(tmp_path / "flat.npy", np.ones(512))
    for name in ("a/x.npy", "b/x.mp4", "a/index.npy"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert message in error_of(["ucf", *[str(tmp_path / n) for n in inputs], *command], capsys)
    assert not (tmp_path / "out" / "flat.json").exists()


def test_shares_are_those_of_the_alignment_whatever_the_temperature_of_the_metrics():
    logits1, logits2 = torch.randn(1, 6, 1), 4 * torch.randn(1, 6, 14)
    expected = logits2[0, :, 1:].softmax(dim=-1).numpy()
    for temperature in (0.5, 1.0, 5.0):
        probabilities = hierarchical_belief_modulation(logits1, logits2, temperature)[0].numpy()
        found = anomaly_shares(probabilities, temperature)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)
        prediction = Prediction(np.linspace(0.6, 1, 6), probabilities)
        event, *_ = find_events(prediction, UCF_CRIME, Timeline(6, 16.0), 0, 0, temperature)
        inside = slice(round(event.start), round(event.end))
        mean = expected[inside].mean(axis=0)
        assert (event.code, event.share) == (
            UCF_CRIME.classes[1 + mean.argmax()], pytest.approx(mean.max(), rel=1e-3)
        )  # fmt: skip
        probability = probabilities[inside, 1 + mean.argmax()].mean()
        assert event.probability == pytest.approx(probability, rel=1e-4)
