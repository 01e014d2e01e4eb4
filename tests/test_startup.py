"""`--help` comes at once: no command imports a large library before it has read its options."""

import re
import subprocess
import sys

import pytest

from utils import PROJECT

SLOW_TO_IMPORT = {"torch", "sklearn", "matplotlib"}
SCRIPTS = (
    "ucf_train.py", "xd_train.py", "ucf_test.py", "xd_test.py", "predict.py", "ablate.py",
    "extract_features.py",
)  # fmt: skip
MODULES = ("make_lists", "check_data", "demo_data", "demo_report", "figures")
COMMANDS = {
    **{script: [script] for script in SCRIPTS},
    **{f"python -m utils.{module}": ["-m", f"utils.{module}"] for module in MODULES},
}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_waits_for_no_large_library(command):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *COMMANDS[command], "--help"],
        cwd=PROJECT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("usage: ")
    imported = set(re.findall(r"^import time: .*\| +(\S+)$", done.stderr, re.MULTILINE))
    assert "argparse" in imported
    slow = imported & SLOW_TO_IMPORT
    assert not slow
