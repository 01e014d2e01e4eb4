"""Live sources, played over a pipe and over the network of this machine."""

import json
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

import predict
import utils.videos.live
from helpers.predicting import error_of
from helpers.videos import brightness, levels, write_video
from utils import PROJECT
from utils.events.find import Timeline, find_events
from utils.events.tracker import EventTracker, Window, watch
from utils.labels import UCF_CRIME
from utils.metrics import Prediction
from utils.videos.frames import Video
from utils.videos.live import Live, Lost, TimedSnippet, is_live, shown, timed_snippets


def follow(score, min_confidence=0.5, min_seconds=0.0, window=256, classes=None):
    """What a tracker tells of scores, one a second: (second it was told, change, event)."""
    tracker = EventTracker(UCF_CRIME, min_confidence, min_seconds)
    told = []
    for i in range(1, len(score) + 1):
        seen = slice(max(0, i - window), i)
        probabilities = None if classes is None else classes[seen]
        prediction = Prediction(np.asarray(score)[seen], probabilities)
        times = np.arange(len(score) + 1.0)
        changes = tracker.add(prediction, times[:-1][seen], times[1:][seen])
        told += [(i, change, event) for change, event in changes]
    return told + [(len(score), change, event) for change, event in tracker.finish()]


def test_an_event_is_told_when_it_starts_and_when_it_ends():
    score = np.array([0, 0.1, 0.45, 0.8, 0.9, 0.4, 0.3, 0.1, 0.1, 0.7])
    classes = np.full((10, 14), 0.01)
    classes[2:5, 6] = 0.5
    classes[3, 3] = 0.6
    told = follow(score, classes=classes)
    assert [(at, change) for at, change, _ in told] == [
        (4, "start"), (7, "end"), (10, "start"), (10, "end"),
    ]  # fmt: skip
    start, end = told[0][2], told[1][2]
    assert (start.start, start.end, start.name) == (2, 4, "explosion")
    assert (end.start, end.end, end.name, end.confidence) == (2, 6, "explosion", 0.9)
    assert told[3][2][:2] == (9, 10)
    # All that is known by its end, the same as of the finished video.
    prediction = Prediction(score[:9], classes[:9])
    whole = find_events(prediction, UCF_CRIME, Timeline(9, 16.0, None), 0.5, 0)
    assert [event[:4] for event in whole] == [(2, 6, "Explosion", "explosion")]


def test_short_events_are_not_told():
    score = [0, 0.9, 0, 0, 0.9, 0.9, 0.9, 0]
    told = follow(score, min_seconds=3)
    assert [(at, change, event[:2]) for at, change, event in told] == [
        (7, "start", (4, 7)), (8, "end", (4, 7)),
    ]  # fmt: skip


def test_an_event_may_outlast_the_window():
    score = [0.1] * 5 + [0.9, 0.7] * 20 + [0.1]
    told = follow(score, window=8)
    assert [(at, change, event[:2]) for at, change, event in told] == [
        (6, "start", (5, 6)), (46, "end", (5, 45)),
    ]  # fmt: skip


def test_a_scene_that_is_abnormal_from_the_start_is_one_event():
    told = follow([0.9, 0.88, 0.91, 0.86, 0.9, 0.2, 0.2])
    assert [(change, event[:3]) for _, change, event in told] == [
        ("start", (0, 1, None)), ("end", (0, 5, None)),
    ]  # fmt: skip


def test_events_do_not_overlap():
    """The second one's level reaches back below where the first one ended."""
    told = follow([0, 0.9, 0.34, 0.3, 0.6, 0])
    ends = [event[:2] for _, change, event in told if change == "end"]
    assert ends == [(1, 2), (2, 5)]


def test_what_shows_in_hindsight_is_told_late():
    tracker = EventTracker(UCF_CRIME, 0.5, 0)
    times = np.arange(7.0)
    assert tracker.add(Prediction(np.array([0.1, 0.2, 0.3])), times[:3], times[1:4]) == []
    told = tracker.add(Prediction(np.array([0.1, 0.4, 0.8, 0.1])), times[:4], times[1:5])
    assert [(change, event[:2]) for change, event in told] == [("start", (1, 3)), ("end", (1, 3))]
    again = tracker.add(Prediction(np.array([0.1, 0.9, 0.8, 0.1, 0.6])), times[:5], times[1:6])
    assert [(change, event[:2]) for change, event in again] == [("start", (4, 5))]


def test_which_inputs_are_live(tmp_path, monkeypatch):
    assert all(map(is_live, ("-", "0", "rtsp://host/path", "http://host")))
    assert not any(map(is_live, ("0.mp4", "./0", "a-b.mp4", "videos")))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "2024").mkdir()
    assert not is_live("2024")
    assert shown("rtsp://me:p%40ss@host:554/a?b=c") == "rtsp://host:554/a?b=c"
    assert shown("-") == "standard input"
    assert shown("1") == "camera 1"


class Server:
    """Sends a video to each that connects, as often as it is told, and breaks off."""

    def __init__(self, video: Path, times: int, endless: bool = False):
        self.endless = endless
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"tcp://127.0.0.1:{self.socket.getsockname()[1]}"
        self.data = video.read_bytes()
        self.times = times
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        for _ in range(self.times):
            connection, _ = self.socket.accept()
            with connection, suppress(OSError):
                connection.sendall(self.data)
                while self.endless:
                    connection.sendall(self.data)
        self.socket.close()


def test_a_source_that_breaks_off_is_opened_again(tmp_path, monkeypatch):
    monkeypatch.setattr(utils.videos.live, "FIRST_WAIT", 0.05)
    monkeypatch.setattr(utils.videos.live, "LONGEST_WAIT", 0.15)
    server = Server(write_video(tmp_path / "v.ts", 40), times=2)
    live = Live(server.url, "mean")
    items = []
    for item in live:
        items.append(item)
        if sum(isinstance(item, Lost) for item in items) == 4:
            live.close()
            break
    kinds = ["lost" if isinstance(item, Lost) else "snippet" for item in items]
    assert kinds == ["snippet", "snippet", "lost", "snippet", "snippet", "lost", "lost", "lost"]
    assert "ended" in items[2].reason
    assert "cannot be opened" in items[-1].reason  # by then the server is gone
    assert [item.wait for item in items if isinstance(item, Lost)] == [0.05, 0.05, 0.1, 0.15]
    first, second = items[:2], items[3:5]
    for i, snippet in enumerate(first):
        expected = [brightness(16 * i + k) for k in range(16)]
        assert np.abs(np.array(levels(snippet.images)) - expected).max() < 5  # the next is 10 away
        assert (snippet.start, snippet.end) == pytest.approx((0.64 * i, 0.64 * (i + 1)), abs=0.01)
    assert second[0].start > items[2].wait  # time goes on while it is gone


def test_time_goes_on_where_the_clock_of_a_source_starts_anew(tmp_path):
    data = write_video(tmp_path / "v.ts", 32).read_bytes()
    (tmp_path / "twice.ts").write_bytes(data + data)
    found = list(timed_snippets(Video(tmp_path / "twice.ts"), 0.0, "middle"))
    starts = [snippet.start for snippet in found]
    assert starts == pytest.approx([0, 0.64, 1.28, 1.92], abs=0.1)
    for snippet in found:
        assert snippet.end - snippet.start == pytest.approx(0.64, abs=0.05)


def test_a_watch_is_ended_by_ctrl_c(command, tmp_path):
    server = Server(write_video(tmp_path / "v.ts", 100), times=1, endless=True)
    process = subprocess.Popen(
        [sys.executable, "predict.py", "ucf", server.url, *command, "--pool=middle"],
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


def test_a_silent_pipe_can_be_stopped(command):
    process = subprocess.Popen(
        [sys.executable, "predict.py", "ucf", "-", *command], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=PROJECT,
    )  # fmt: skip
    assert process.stdout.readline() == "watching standard input; Ctrl-C ends it\n"
    process.terminate()
    assert process.wait(timeout=20) == 143


def test_a_source_that_is_too_quick_loses_snippets_and_keeps_its_time(tmp_path):
    server = Server(write_video(tmp_path / "v.ts", 16 * 40), times=1)
    live = Live(server.url, "middle")
    while live.left_out < 20:
        threading.Event().wait(0.01)
    snippets = []
    for item in live:
        if isinstance(item, Lost):
            break
        snippets.append(item)
    live.close()
    assert len(snippets) + live.left_out == 40
    for snippet in snippets:
        number = round(snippet.start / 0.64)
        level = levels(snippet.images)[0]
        assert level == pytest.approx(brightness(16 * number + 8), abs=5)


def test_the_window_holds_the_last_snippets(ucf_args, ucf_model):
    """And is scored as a video of them would be."""

    class Tower:
        def __call__(self, pictures):
            torch.manual_seed(int(pictures[0, 0, 0, 0]))
            return torch.randn(len(pictures), 512)

    window = Window(ucf_model, Tower(), ucf_args)
    for i in range(40):
        images = torch.full((1, 3, 256, 340), i, dtype=torch.uint8)
        prediction = window.add(TimedSnippet(images, float(i), i + 1.0))
    assert list(window.starts) == list(range(8, 40))
    assert len(prediction.score) == ucf_args.visual_length == 32
    expected = predict.score(
        ucf_model,
        predict.Videos(predict.Scoring.of(ucf_args), ["v"], [torch.stack([*window.features])]),
    )[0]
    assert np.array_equal(prediction.score, expected.score)
    assert np.array_equal(prediction.probabilities, expected.probabilities)
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
    assert "0.0 to 1.0 s  anomaly  0.90" in printed[1]
    assert printed[2] == "it ended; trying again in 2 s"
    assert printed[5] == "watched 2 snippets, 2.0 s; the highest score was 0.90"


def test_a_file_through_a_pipe(command, tmp_path):
    video = write_video(tmp_path / "v.ts", 50)
    run = subprocess.run(
        [sys.executable, "predict.py", "ucf", "-", *command, "--pool=middle", "--min-confidence=0"],
        stdin=video.open("rb"), capture_output=True, text=True, cwd=PROJECT, timeout=120,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert lines[0] == "watching standard input; Ctrl-C ends it"
    log = [json.loads(line) for line in (tmp_path / "out" / "events.jsonl").open()]
    assert [entry["change"] for entry in log] == ["start", "end"] * (len(log) // 2) != []
    assert len(lines) == 2 + len(log)
    assert lines[-1].startswith("watched 3 snippets, 1.9 s; the highest score was 0.")
    for line, entry in zip(lines[1:-1], log, strict=True):
        assert entry["change"] in line and entry["name"] in line
        assert 0 <= entry["start"] < entry["end"] <= 48 / 25 + 0.01


@pytest.mark.parametrize(
    "inputs, message",
    [
        (["rtsp://me:secret@127.0.0.1:1/x"], "rtsp://127.0.0.1:1/x cannot be opened"),
        (["987"], "camera 987 cannot be opened"),
        (["0", "a.mp4"], "camera 0 is a live source: give it alone"),
        (["rtsp://[::1"], "'rtsp://…' is no URL: Invalid IPv6 URL"),
        (["http://127.0.0.1:1/", "--truth=x.csv"], "give it alone, and no --truth"),
    ],
)
def test_bad_sources(inputs, message, command, capsys):
    error = error_of(["ucf", *inputs, *command], capsys)
    assert message in error
    assert "secret" not in error


def test_files_need_a_folder_to_write_to(command, capsys):
    assert "--out is missing" in error_of(["ucf", "a.mp4", *command[2:]], capsys)
