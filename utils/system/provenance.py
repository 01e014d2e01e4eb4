"""Where results come from: the code, the libraries, the machine and the files."""

import platform
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from utils import PROJECT
from utils.system import group

LIBRARIES = ("torch", "numpy", "pandas", "scikit-learn", "openai-clip")


def provenance(device: torch.device, hashes: dict[str, str]) -> dict:
    """What decided a run besides its options, as JSON has it.

    Args:
        device: that it computes on.
        hashes: sha256 of the files that it read, by option.
    """
    return {
        "command": shlex.join(sys.argv),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "git": git_state(),
        "device": describe_device(device),
        "processes": group.processes(),
        "sha256": hashes,
    }


def _version(library: str) -> str | None:
    """None where it was installed under another name."""
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def git_state(folder: Path = PROJECT) -> dict | None:
    """Commit of the code and whether it was changed since; None where it is no git checkout."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != folder:
            return None  # some other project's, which this one lies in
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        return None


def describe_device(device: torch.device) -> dict:
    """The parts of a device that numbers depend on."""
    if device.type == "cuda":
        return {
            "name": torch.cuda.get_device_name(device),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
        }
    return {
        "name": device.type,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }
