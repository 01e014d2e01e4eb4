import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import predict
import ucf_option
from model import build_model
from test_end_to_end import small_ucf  # noqa: F401
from test_extraction import write_video
from utils.events import Timeline, find_events
from utils.labels import UCF_CRIME
from utils.metrics import Prediction
from utils.video import frame_times


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


@pytest.fixture
def command(small_ucf, tmp_path):  # noqa: F811
    options = [f"--{name}={value}" for name, value in small_ucf.items()]
    torch.manual_seed(0)
    model = build_model(ucf_option.parser.parse_args(options), UCF_CRIME)
    torch.save(model.state_dict(), tmp_path / "model.pth")
    return ["--out", str(tmp_path / "out"), *options, f"--model-path={tmp_path / 'model.pth'}"]


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
        assert f"{len(record['events'])} events" in printed
        assert (out / f"{name}.png").stat().st_size > 5000
    features = out / "features" / "clip__0.npy"
    before = features.stat().st_mtime_ns
    predict.main(["ucf", str(video), *options])
    assert features.stat().st_mtime_ns == before


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
        (["flat.npy"], "has shape (512,); expected (T, 512)"),
    ],
)
def test_bad_inputs(inputs, message, command, tmp_path, capsys):
    np.save(tmp_path / "flat.npy", np.ones(512))
    with pytest.raises(SystemExit) as end:
        predict.main(["ucf", *[str(tmp_path / Path(name)) for name in inputs], *command])
    assert end.value.code == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if "RANDOM" not in line]
    assert len(errors) == 1
    assert message in errors[0]
    assert not (tmp_path / "out" / "flat.json").exists()
