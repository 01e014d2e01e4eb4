"""What is printed does not steer the terminal it is printed to."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from utils import PROJECT
from utils.system.command import OneLineParser, command
from utils.system.console import note, printable, say
from utils.system.errors import UserError

EVIL = "a\x1b]0;title\x07b\u202ec"
ESCAPED = r"a\x1b]0;title\x07b\u202ec"


def test_characters_that_steer_are_escaped_and_others_stay():
    assert printable(EVIL) == ESCAPED
    assert printable("straße\t日本\n%") == "straße\t日本\n%"


def test_all_ways_to_print(capsys):
    @command
    def main():
        say(EVIL)
        note(EVIL)
        raise UserError(EVIL)

    with pytest.raises(SystemExit, match=r"^2$"):
        main()
    out, err = capsys.readouterr()
    assert out == f"{ESCAPED}\n"
    assert err == f"note: {ESCAPED}\nerror: {ESCAPED}\n"


NOISY = """
from utils.system.command import command
from utils.system.console import note, say

@command
def main():
    for _ in range(2000):
        say("a line with an umlaut, ä")
        note("a note")
    open("ended", "w").close()

main()
"""


@pytest.mark.parametrize(
    "redirected", [">&-", "2>&-", ">&- 2>&-", ">/dev/full", "2>/dev/full", "| head -n 1"]
)
def test_a_command_ends_well_though_nobody_hears_it(redirected, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONIOENCODING": "ascii"}
    environment["NOISY"] = NOISY
    line = f'"{sys.executable}" -c "$NOISY" {redirected}; exit ${{PIPESTATUS[0]}}'
    ended = subprocess.run(
        ["bash", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert (tmp_path / "ended").exists()
    lost = "note: stdout: No space left on device: what is printed from here on is lost\n"
    assert (lost in ended.stderr) == (redirected == ">/dev/full")


@pytest.mark.parametrize("script", ["ucf_train.py", "predict.py"])
@pytest.mark.parametrize("redirected", [">&-", "| cat"])
def test_help_in_a_small_encoding_and_to_nobody(script, redirected):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    line = f'"{sys.executable}" {script} --help {redirected}; exit ${{PIPESTATUS[0]}}'
    command = ["bash", "-c", line]
    ended = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_help_into_a_closed_pipe():
    line = f'"{sys.executable}" ucf_train.py --help-all | true; exit ${{PIPESTATUS[0]}}'
    ended = subprocess.run(["bash", "-c", line], cwd=PROJECT, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_paths_may_begin_with_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    parser = OneLineParser()
    parser.add_argument("--out", type=Path)
    parser.add_argument("--text")
    parsed = parser.parse_args(["--out=~/a", "--text=~/b"])
    assert (parsed.out, parsed.text) == (Path("/home/me/a"), "/home/me/b")


def test_a_path_that_the_system_refuses_is_one_line(capsys):
    @command
    def main():
        os.stat("a" * 300)

    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert capsys.readouterr().err == f"error: {'a' * 300}: File name too long\n"
