"""Commands answer --help, and say what is wrong with options, before they load anything heavy."""

import os
import subprocess
import sys

import pytest

from utils import PROJECT

HEAVY = {"torch", "av", "matplotlib", "jinja2", "sklearn", "pandas", "numpy"}
FIGURES, REPORT = ("-m", "utils.figures"), ("-m", "utils.demo_report")


def ended_light(arguments) -> subprocess.CompletedProcess:
    """A command that has ended; it loaded nothing heavy. What it loads is written to stderr."""
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        env={**os.environ, "COLUMNS": "80"}, capture_output=True, text=True, cwd=PROJECT,
    )  # fmt: skip
    loaded = [line.rpartition("|")[2] for line in ended.stderr.splitlines() if "|" in line]
    assert {name.strip().partition(".")[0] for name in loaded} & (HEAVY | {"argparse"}) == {
        "argparse"
    }
    return ended


@pytest.mark.parametrize(
    "command", [("predict.py",), ("extract_features.py",), FIGURES, REPORT], ids=" ".join
)
def test_help_is_told_at_once_and_fits_a_terminal(command):
    ended = ended_light([*command, "--help"])
    assert ended.returncode == 0
    name = command[0] if command[0] != "-m" else f"python {' '.join(command)}"
    assert ended.stdout.startswith(f"usage: {name} ")
    assert max(map(len, ended.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["predict.py", "ucf", "a.mp4"], "--out is missing"),
        (["predict.py", "ucf", "nowhere.mp4", "--out=o"], "nowhere.mp4 not found"),
        (["predict.py", "ucf", "0", "1", "--out=o"], "camera 0 is a live source"),
        (["predict.py", "ucf", "a.npy", "--out=o", "--temp=0"], "--temp: 0 is not a positive"),
        (["predict.py", "ucf", "a.npy", "--out=o", "--classes=c.yml", "--method=mil"], "MIL"),
        (["extract_features.py", "nowhere", "--out=o"], "nowhere not found"),
        (["extract_features.py", "nowhere", "--out=o", "--crops=10"], "list of crops"),
        ([*FIGURES, "nothing", "ucf"], "invalid choice: 'nothing'"),
        ([*FIGURES, "scores", "ucf", "--out=/dev/null"], "cannot be written"),
        ([*REPORT, "ucf", "--eval-batch=none"], "--eval-batch"),
    ],
)
def test_bad_options_are_told_at_once(arguments, message):
    ended = ended_light(arguments)
    assert ended.returncode == 2
    (error,) = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert message in error
