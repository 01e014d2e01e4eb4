"""`pip install .` says what this folder is, instead of a riddle of setuptools."""

import subprocess
import sys
import tomllib

from utils import PROJECT


def test_pip_is_told_that_there_is_nothing_to_install():
    build = tomllib.loads((PROJECT / "pyproject.toml").read_text())["build-system"]
    assert build["requires"] == []
    (folder,) = build["backend-path"]
    done = subprocess.run(
        [sys.executable, PROJECT / folder / f"{build['build-backend']}.py"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert "this folder is the program" in done.stderr
    assert "pip install -r requirements.txt" in done.stderr
