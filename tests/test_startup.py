"""`--help` comes at once: no command imports what is slow to import before it has read its
options."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

from utils import PROJECT

SLOW_TO_IMPORT = {"torch", "sklearn", "matplotlib", "av", "jinja2"}
SCRIPTS = (
    "ucf_train.py", "xd_train.py", "ucf_test.py", "xd_test.py", "predict.py", "ablate.py",
    "extract_features.py",
)  # fmt: skip
MODULES = (
    "make_lists", "check_data", "compare_features", "demo_data", "demo_report", "figures",
    "evaluate", "compare", "across",
)  # fmt: skip
COMMANDS = {
    **{script: [script] for script in SCRIPTS},
    **{f"python -m utils.{module}": ["-m", f"utils.{module}"] for module in MODULES},
}


OWN_HELP = (
    "predict.py", "extract_features.py", "python -m utils.figures",
    "python -m utils.compare_features", "python -m utils.evaluate", "python -m utils.compare",
    "python -m utils.across",
)  # fmt: skip
FIGURES, REPORT = (COMMANDS[f"python -m utils.{module}"] for module in ("figures", "demo_report"))


def ended_light(arguments: list[str]) -> subprocess.CompletedProcess:
    """A command that has ended without a large library; stderr has what it imported, too."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        env={**os.environ, "COLUMNS": "80"}, cwd=PROJECT, capture_output=True, text=True,
    )  # fmt: skip
    imported = set(re.findall(r"^import time: .*\| +(\S+)$", done.stderr, re.MULTILINE))
    assert "utils.system.command" in imported
    slow = imported & SLOW_TO_IMPORT
    assert not slow
    return done


@pytest.mark.parametrize("command", COMMANDS)
def test_help_waits_for_no_large_library_and_fits_a_terminal(command):
    done = ended_light([*COMMANDS[command], "--help"])
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith(f"usage: {command} ")
    if command in OWN_HELP:
        assert max(map(len, done.stdout.splitlines())) <= 80


def test_threads_are_told_to_wait_quietly_before_pytorch_is_imported():
    """By what every command imports first, see `ended_light`. `-i` goes on with what it set."""
    script = (
        "import os, sys; print('policy', os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    )
    env = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    done = subprocess.run(
        [sys.executable, "-i", "ucf_train.py", "--help"], input=script, env=env, cwd=PROJECT,
        capture_output=True, text=True,
    )  # fmt: skip
    assert "policy PASSIVE False" in done.stdout


def test_features_are_compared_without_pytorch(tmp_path):
    np.save(tmp_path / "a.npy", np.eye(3))
    done = ended_light(["-m", "utils.compare_features", *[str(tmp_path / "a.npy")] * 2])
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("1 video compared, 3 rows")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["predict.py", "ucf", "a.mp4"], "--out is missing"),
        (["predict.py", "a.mp4", "--out=o"], "'a.mp4' stands where ucf or xd is expected"),
        (["predict.py", "--out", "o", "--config", "c.yml", "ucf", "a.npy"], "'c.yml' stands where"),
        (["predict.py", "ucf", "--out=o"], "name a video, a folder or a feature file"),
        (["predict.py", "ucf", "nowhere.mp4", "--out=o"], "nowhere.mp4 not found"),
        (["predict.py", "ucf", "0", "1", "--out=o"], "camera 0 is a live source"),
        (
            ["predict.py", "ucf", "a.npy", "--out=o", "--temp=0"],
            "--temp: 0 is not in [0.001, 1000]",
        ),
        (["predict.py", "ucf", "a.npy", "--out=o", "--classes=c.yml", "--method=mil"], "MIL"),
        (["predict.py", "ucf", "a.npy", "--out=o", "--classes=c.yml", "--method=rtfm"], "RTFM"),
        (["extract_features.py", "nowhere", "--out=o"], "nowhere not found"),
        (["extract_features.py", "nowhere", "--out=o", "--crops=10"], "list of crops"),
        (["extract_features.py", "v", "--out=o", "--backbone=RN50"], "invalid choice: 'RN50'"),
        ([*FIGURES, "nothing", "ucf"], "invalid choice: 'nothing'"),
        ([*FIGURES, "scores", "ucf", "--out=/dev/null"], "cannot be written"),
        (["-m", "utils.compare_features", "nowhere", "utils"], "nowhere not found"),
        ([*REPORT, "ucf", "--eval-batch=none"], "--eval-batch"),
    ],
)
def test_what_is_wrong_with_options_waits_for_none_either(arguments, message):
    done = ended_light(arguments)
    assert done.returncode == 2
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert message in error
