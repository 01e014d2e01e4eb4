"""Where results come from: the code, the libraries, the machine and the files that decided them."""

import platform
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from utils import PROJECT
from utils.datasets.class_texts import MANUAL_TEXTS
from utils.datasets.ground_truth import present_form
from utils.network.backbone import RANDOM
from utils.network.clip_weights import weights_file
from utils.system import parallel
from utils.system.files import sha256

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
        "device": describe(device),
        "processes": parallel.processes(),
        "sha256": hashes,
    }


def _version(library: str) -> str | None:
    """None where it was installed under another name."""
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def list_hashes(args, train: bool) -> dict[str, str]:
    """sha256 of the lists, of the ground truth and of hand-written class texts, by option."""
    files = {"train_list": args.train_list} if train else {}
    files |= {"test_list": args.test_list, "gt_path": args.gt_path}
    for option in ("gt_segment_path", "gt_label_path"):
        files[option] = present_form(getattr(args, option))
    if args.method != "mil" and args.text_tuning == "manual":
        files["texts"] = args.texts or MANUAL_TEXTS
    return {option: sha256(path) for option, path in files.items()}


def clip_hash(args) -> dict[str, str]:
    """sha256 of CLIP's weights, or that they are random; nothing for a method without."""
    if args.method == "mil":
        return {}
    source = args.clip_weights
    return {"clip_weights": RANDOM if source == RANDOM else sha256(weights_file(source))}


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


def describe(device: torch.device) -> dict:
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
