"""Live sources, played over the network of this machine."""

import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest

import utils.videos.live
from helpers.server import Server
from helpers.videos import brightness, levels, write_video
from utils.system.errors import UserError
from utils.videos.frames import Video
from utils.videos.live import Live, Lost, open_source, timed_snippets


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


def test_time_never_goes_back(tmp_path, monkeypatch):
    """A source that was ahead of this machine's clock is opened again."""
    monkeypatch.setattr(utils.videos.live, "FIRST_WAIT", 0.05)
    server = Server(write_video(tmp_path / "v.ts", 40), times=2)
    live, items = Live(server.url, "middle"), []
    for item in live:
        items.append(item)
        if sum(isinstance(item, Lost) for item in items) == 2:
            live.close()
            break
    snippets = [item for item in items if not isinstance(item, Lost)]
    assert len(snippets) == 4
    assert snippets[2].start >= snippets[1].end


def test_cameras_are_not_read_everywhere(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    told = "^camera 0: cameras are read on Linux and macOS; name a URL$"
    with pytest.raises(UserError, match=told):
        open_source("0")


def test_time_goes_on_where_the_clock_of_a_source_starts_anew(tmp_path):
    data = write_video(tmp_path / "v.ts", 32).read_bytes()
    (tmp_path / "twice.ts").write_bytes(data + data)
    found = list(timed_snippets(Video(tmp_path / "twice.ts"), 0.0, "middle"))
    starts = [snippet.start for snippet in found]
    assert starts == pytest.approx([0, 0.64, 1.28, 1.92], abs=0.1)
    for snippet in found:
        assert snippet.end - snippet.start == pytest.approx(0.64, abs=0.05)


def test_how_long_a_gap_lasts_is_known_to_this_machine_alone(tmp_path, monkeypatch):
    """The source's clock leaps by a minute, this machine's by 30 seconds; a file can wait, so there
    this machine's says nothing."""
    times = [*range(0, 16), *range(16 + 60 * 25, 32 + 60 * 25)]
    video = write_video(tmp_path / "v.mkv", 32, times=times)
    for as_it_happens, start in ((True, 30), (False, 0.64)):
        clock = SimpleNamespace(monotonic=iter([0.0, 30.0]).__next__)
        monkeypatch.setattr(utils.videos.live, "time", clock)
        parts = timed_snippets(Video(video), 0.0, "middle", as_it_happens=as_it_happens)
        assert [part.start for part in parts] == pytest.approx([0, start], abs=0.05)


def test_snippets_may_have_another_number_of_frames(tmp_path):
    write_video(tmp_path / "v.ts", 30)
    live = Live((tmp_path / "v.ts").as_uri(), "middle", size=10)
    snippets = list(live)
    assert [levels(snippet.images)[0] for snippet in snippets] == pytest.approx(
        [brightness(5), brightness(15), brightness(25)], abs=5
    )
    found = [(snippet.start, snippet.end) for snippet in snippets]
    assert np.ravel(found) == pytest.approx([0, 0.4, 0.4, 0.8, 0.8, 1.2], abs=0.01)


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
