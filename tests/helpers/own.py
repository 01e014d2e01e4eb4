"""A data set of one's own: its file, tables and features."""

from pathlib import Path

import numpy as np
import yaml

from utils.labels import Dataset, read_dataset

CLASSES = {"fire": "flames and smoke", "hit-and-run": "a car hits someone", "normal": "a quiet day"}
WIDTH = 4


def describe(folder: Path, **said) -> Path:
    """Write its file; a key's hyphens are underscores here."""
    path = folder / "own.yml"
    facts = {"classes": CLASSES, "width": WIDTH, **said}
    written = {key.replace("_", "-"): value for key, value in facts.items()}
    path.write_text(yaml.safe_dump(written, sort_keys=False))
    return path


def described(folder: Path, **said) -> Dataset:
    return read_dataset(describe(folder, **said))


def table(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def features(folder: Path, counts: dict[str, int], width: int = WIDTH) -> None:
    """Files of so many rows by name, which may have folders in it."""
    for name, count in counts.items():
        path = folder / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.full((count, width), 10, np.float16))
