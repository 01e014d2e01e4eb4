"""What is said of an extraction as it goes on, by a clock of the test's own."""

import pytest

from utils.videos import progress
from utils.videos.progress import LINE_SECONDS, ExtractionProgress


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_nothing_is_measured_within_a_batch(clock, capsys):
    extract(clock, frames=192, seconds=40.0)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(", ")[2] for line in lines] == ["1.6 frames/s"] * 2


def extract(clock, frames=6400, seconds=2.0, advice=None):
    """Batches of 64 frames, each two seconds of work, that come as four rows at once."""
    with ExtractionProgress(2, advice) as told:
        told.expect(frames)
        for done in range(0, frames, 64):
            clock[0] += seconds
            for _ in range(4):
                told.add(16)
                clock[0] += 1e-5  # from one row of a batch to the next
            if done == frames // 128 * 64:
                told.end_video()


def test_a_line_every_half_minute_where_there_is_no_terminal(clock, capsys):
    extract(clock)  # 200 s
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 200 // (LINE_SECONDS + 2)
    assert lines[0] == "0 of 2 videos, 896 frames, 32.0 frames/s, 3 min left"
    assert lines[-1].startswith("1 of 2 videos, ")
    extract(clock, frames=640)
    assert capsys.readouterr().err == ""  # it was over before


def test_advice_where_it_takes_more_than_a_minute(clock, capsys):
    extract(clock, advice="--pool middle is faster")
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert notes == ["note: about 3 min more at 32.0 frames/s; --pool middle is faster"]
    extract(clock, frames=1280, advice="--pool middle is faster")
    extract(clock)
    assert "note: " not in capsys.readouterr().err


def test_unknown_lengths_leave_the_time_out(clock, capsys):
    extract(clock, frames=6400)
    assert "left" in capsys.readouterr().err
    with ExtractionProgress(1) as told:
        for _ in range(20):
            clock[0] += 4
            told.add(16)
    assert capsys.readouterr().err.splitlines()[0].endswith("frames/s")
