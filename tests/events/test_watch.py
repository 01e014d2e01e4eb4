"""Watching live sources, over a pipe and over the network of this machine."""

import json
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

import predict
import ucf_option
from helpers.predicting import error_of
from helpers.processes import SMALL_CLIP
from helpers.server import Server
from helpers.videos import write_video
from model import build_model
from utils import PROJECT
from utils.engine import Scoring, Videos, score
from utils.evaluation.scored_videos import Prediction
from utils.events.tracker import EventTracker
from utils.events.watch import Window, watch
from utils.labels import UCF_CRIME
from utils.videos.live import Lost, TimedSnippet


@pytest.mark.slow
def test_a_watch_is_ended_by_ctrl_c(command, tmp_path):
    server = Server(write_video(tmp_path / "v.ts", 100), times=1, endless=True)
    process = subprocess.Popen(
        [sys.executable, SMALL_CLIP, "predict.py", "ucf", server.url, *command, "--pool=middle"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=PROJECT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    while "left out" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert out.splitlines()[-1].startswith("watched ")
    assert "Error" not in errors and "terminate" not in errors


@pytest.mark.slow
def test_a_silent_pipe_can_be_stopped(command):
    process = subprocess.Popen(
        [sys.executable, SMALL_CLIP, "predict.py", "ucf", "-", *command], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=PROJECT,
    )  # fmt: skip
    assert process.stdout.readline() == "watching standard input; Ctrl-C ends it\n"
    process.terminate()
    assert process.wait(timeout=20) == 143


@pytest.mark.parametrize("method", ["dsanet", "clip-tsa"])
def test_the_window_holds_the_last_snippets(method, ucf_args, ucf_model):
    """And is scored as a video of them would be."""
    if method != "dsanet":
        ucf_args = ucf_option.parser.parse_args([f"--method={method}"])
        ucf_model = build_model(ucf_args, UCF_CRIME)

    class Tower:
        def __call__(self, pictures):
            torch.manual_seed(int(pictures[0, 0, 0, 0]))
            return torch.randn(len(pictures), 512)

    scoring = Scoring.of(ucf_args)

    def predict(names, features):
        return score(ucf_model, Videos(scoring, names, features))

    window = Window(predict, Tower(), scoring.visual_length)
    for i in range(40):
        images = torch.full((1, 3, 256, 340), i, dtype=torch.uint8)
        prediction = window.add(TimedSnippet(images, float(i), i + 1.0))
    assert list(window.starts) == list(range(8, 40))
    assert len(prediction.score) == ucf_args.visual_length == 32
    (expected,) = predict(["v"], [torch.stack([*window.features])])
    assert np.array_equal(prediction.score, expected.score)
    if method == "dsanet":
        assert np.array_equal(prediction.probabilities, expected.probabilities)
    else:
        assert prediction.probabilities is expected.probabilities is None
    window.clear()
    assert len(window.add(TimedSnippet(images, 0.0, 1.0)).score) == 1


def test_an_event_ends_where_the_source_breaks_off(tmp_path, capsys):
    class Source(list):
        name, left_out, close = "it", 0, lambda _: None

    class AlwaysHigh:
        starts, ends, cleared = [0.0], [0.0], 0

        def add(self, _):
            self.starts, self.ends = [self.ends[0]], [self.ends[0] + 1]
            return Prediction(np.array([0.9]))

        def clear(self):
            self.cleared += 1

    window = AlwaysHigh()
    log = tmp_path / "events.jsonl"
    watch(
        Source(["a snippet", Lost("it ended", 2), "a snippet"]), window,
        EventTracker(UCF_CRIME, 0.5, 0), log,
    )  # fmt: skip
    changes = [json.loads(line)["change"] for line in log.read_text().splitlines()]
    assert changes == ["start", "end", "start", "end"]
    assert window.cleared == 1
    printed = capsys.readouterr().out.splitlines()
    assert "0.0 to 1.0 s  anomaly: abnormality 0.90" in printed[1]
    assert printed[2] == "it ended; trying again in 2 s"
    assert printed[5] == "watched 2 snippets, 2.0 s; the highest abnormality was 0.90"


@pytest.mark.slow
def test_a_file_through_a_pipe(command, tmp_path):
    video = write_video(tmp_path / "v.ts", 50)
    run = subprocess.run(
        [sys.executable, SMALL_CLIP, "predict.py", "ucf", "-", *command, "--pool=middle",
         "--min-confidence=0"],
        stdin=video.open("rb"), capture_output=True, text=True, cwd=PROJECT, timeout=120,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert_watched("standard input", run.stdout.splitlines(), tmp_path)


def test_a_url_is_watched_to_its_end(command, tmp_path, capsys):
    url = write_video(tmp_path / "v.ts", 50).as_uri()
    predict.main(["ucf", url, *command, "--pool=middle", "--min-confidence=0"])
    assert_watched(url, capsys.readouterr().out.splitlines(), tmp_path)


def assert_watched(source, lines, tmp_path):
    assert lines[0] == f"watching {source}; Ctrl-C ends it"
    log = [json.loads(line) for line in (tmp_path / "out" / "events.jsonl").open()]
    assert [entry["change"] for entry in log] == ["start", "end"] * (len(log) // 2) != []
    assert len(lines) == 2 + len(log)
    assert lines[-1].startswith("watched 3 snippets, 1.9 s; the highest abnormality was 0.")
    for line, entry in zip(lines[1:-1], log, strict=True):
        assert entry["change"] in line and entry["name"] in line
        assert 0 <= entry["start"] < entry["end"] <= 48 / 25 + 0.01


@pytest.mark.parametrize(
    "inputs, message",
    [
        (["rtsp://me:secret@127.0.0.1:1/x"], "rtsp://127.0.0.1:1/x cannot be opened"),
        (["987"], "camera 987 cannot be opened"),
        (["0", "a.mp4"], "camera 0 is a live source: give it alone"),
        (["rtsp://[::1"], "'rtsp://…' is not a URL: Invalid IPv6 URL"),
        (["http://127.0.0.1:1/", "--truth=x.csv"], "give it alone, and no --truth"),
    ],
)
def test_bad_sources(inputs, message, command, capsys):
    error = error_of(["ucf", *inputs, *command], capsys)
    assert message in error
    assert "secret" not in error


def test_files_need_a_folder_to_write_to(command, capsys):
    assert "--out is missing" in error_of(["ucf", "a.mp4", *command[2:]], capsys)
