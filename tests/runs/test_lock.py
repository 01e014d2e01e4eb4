"""Two runs that would write to the same files."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from helpers.scripts import SCRIPTS, drop_checkpoints, one_error, options_of, run
from utils import PROJECT
from utils.runs.lock import Lock
from utils.system.errors import UserError

HOLDER = """
import os, sys
from utils.runs.lock import Lock
lock = Lock(*sys.argv[1:])
lock.take()
if not os.fork():  # as a process that reads features, which may live on
    os.close(0)
    __import__("time").sleep(60)
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(*paths):
    """By another process, with one of its own that outlives it."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, *map(str, paths)], cwd=PROJECT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_lock_ends_with_its_process_however_it_ends(number, tmp_path):
    path = tmp_path / "model.pth"
    with held(path) as process:
        with pytest.raises(UserError, match=f"process {process.pid} is training to .*model.pth"):
            Lock(tmp_path / "other", path).take()
        os.kill(process.pid, number)
        process.wait()
        Lock(path).take()


def test_the_same_file_by_another_path(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    with held(tmp_path / "model.pth"), pytest.raises(UserError):
        Lock("../model.pth").take()


def test_a_second_run_on_the_same_files_is_refused(small_ucf, tmp_path, capsys):
    options = {**small_ucf, "max-epoch": 1}
    with held(tmp_path / "checkpoint.pth"):
        error = one_error(SCRIPTS["ucf"].train, capsys, options_of(tmp_path, options))
        assert "is training to" in error
        assert "--checkpoint-path" in error
        assert not list(tmp_path.iterdir())
    run(SCRIPTS["ucf"].train, tmp_path, options)
    drop_checkpoints(tmp_path)
    with held(tmp_path / "elsewhere"):
        run(SCRIPTS["ucf"].train, tmp_path, options)  # its own lock was given back
