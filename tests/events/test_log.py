"""The log of a live source's events."""

import json

import pytest

from utils.events.watch import tell
from utils.find_events import Event
from utils.system.errors import UserError

FALL = Event(start=1, end=2, code="fall", name="a fall", probability=0.5, confidence=0.9)


def test_a_log_that_can_no_longer_be_written(tmp_path, capsys):
    log = tmp_path / "events.jsonl"
    tell("camera 0", [("start", FALL)], log)
    assert [json.loads(line)["change"] for line in log.read_text().splitlines()] == ["start"]
    log.unlink()
    log.mkdir()
    with pytest.raises(UserError, match=rf"^{log} cannot be written: Is a directory$"):
        tell("camera 0", [("end", FALL)], log)
    assert "a fall" in capsys.readouterr().out.splitlines()[-1]  # it was said all the same
