"""Too little of what a system gives: one line, which says what to do."""

import os
import resource
import subprocess
import sys

import pytest

from utils import PROJECT
from utils.system.command import command
from utils.system.errors import UserError
from utils.system.handles import require_handles

LIMIT = resource.RLIMIT_NOFILE


@pytest.fixture
def limit_of(monkeypatch):
    """Give this process other limits, as far as it is told."""
    found = {}

    def of(soft, hard):
        monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
        monkeypatch.setattr(resource, "setrlimit", lambda _, limits: found.update(set=limits))
        return found

    return of


def test_few_file_handles_are_raised_where_they_can_be(limit_of):
    found = limit_of(40, 4096)
    require_handles(4)
    assert found["set"] == (64, 4096)


@pytest.mark.parametrize("soft, workers", [(40, 0), (40, 1), (1024, 100), (-1, 100)])
def test_enough_file_handles_are_left_alone(limit_of, soft, workers):
    found = limit_of(soft, soft)
    require_handles(workers)
    assert not found


def test_too_few_file_handles_name_both_numbers(limit_of):
    limit_of(40, 50)
    with pytest.raises(UserError, match=r"--num-workers 4 needs some 64 file handles.* allows 50 "):
        require_handles(4)


def test_a_run_with_few_file_handles_ends_in_one_line(small_ucf, tmp_path):
    options = [f"--{name}={value}" for name, value in small_ucf.items() if name != "num-workers"]
    options += ["--method=mil", "--num-workers=3", f"--output-dir={tmp_path}"]
    options += [f"--{name}-path={tmp_path / name}.pth" for name in ("model", "checkpoint")]
    done = subprocess.run(
        [sys.executable, "ucf_train.py", *options], cwd=PROJECT, capture_output=True, text=True,
        preexec_fn=lambda: resource.setrlimit(LIMIT, (30, 30)), timeout=120,
    )  # fmt: skip
    assert done.returncode == 2
    (line,) = (line for line in done.stderr.splitlines() if "UserWarning" not in line)
    assert line.startswith("error: --num-workers 3 needs some 56 file handles")


@pytest.mark.parametrize(
    "error, said",
    [
        (OSError(24, os.strerror(24)), "too few file handles (ulimit -n): give --num-workers 0"),
        (OSError(12, os.strerror(12)), "not enough memory"),
        (RuntimeError("CUDA error: out of memory"), "not enough memory"),
        (RuntimeError("received 0 items of ancdata"), "too few file handles"),
        (RuntimeError("unable to open shared memory object </torch_1> in read-write mode: No space "
            "left on device (28)"), "too little shared memory"),
        (RuntimeError("Bus error. It is possible that dataloader's workers are out of shared "
            "memory. Please try to raise your shared memory limit."), "too little shared memory"),
    ],
)  # fmt: skip
def test_what_a_system_lacks_is_one_line(error, said, capsys):
    def run():
        raise error

    with pytest.raises(SystemExit) as end:
        command(run)()
    assert end.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_other_errors_are_not_hidden():
    def run():
        raise OSError(5, "an error of the disk")

    with pytest.raises(OSError):
        command(run)()
