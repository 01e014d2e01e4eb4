"""Features of videos, kept beside what is predicted from them, so that asking again is quick."""

import json
from contextlib import suppress
from pathlib import Path

import torch

from utils.datasets.features import read_features
from utils.network.clip_visual import VisualTower
from utils.system.files import write_json
from utils.videos.extraction import Extraction
from utils.videos.frames import CENTRE
from utils.videos.inputs import is_features

DECODERS = 1
PICTURES = 64  # that the visual tower sees at once


def features_of(
    sources: dict[str, Path],
    folder: Path,
    pool: str,
    clip_weights: str,
    precision: str,
    device: torch.device,
) -> tuple[dict[str, torch.Tensor], list[str]]:
    """Features (T, 512) by name, those of videos first, and which videos failed and why.

    Args:
        sources: videos and feature files by name. The latter are read before the hours of work that
            the former may be.
        folder, pool, clip_weights, precision, device: see `extract`.

    Raises:
        UserError: a feature file cannot be used.
    """
    given = {name: read_features(path) for name, path in sources.items() if is_features(path)}
    videos = {path: name for name, path in sources.items() if name not in given}
    files, failures = extract(videos, folder, pool, clip_weights, precision, device)
    found = {name: read_features(path) for name, path in files.items()} | given
    return {name: torch.from_numpy(rows) for name, rows in found.items()}, failures


def extract(
    videos: dict[Path, str],
    folder: Path,
    pool: str,
    clip_weights: str,
    precision: str,
    device: torch.device,
) -> tuple[dict[str, Path], list[str]]:
    """Feature files by name, and what failed and why.

    `<name>__0.json` beside a file says what it was made of. If that is no longer so, it is made
    anew.

    Args:
        videos: files and their names.
        folder: of the features.
        pool: see extract_features.py.
        clip_weights, precision, device: of the visual tower, see `VisualTower`.
    """
    files = {name: folder / f"{name}__{CENTRE}.npy" for name in videos.values()}
    made_with = {"clip_weights": _stamp(Path(clip_weights)), "pool": pool, "precision": precision}
    for video, name in videos.items():
        made_of = {"video": _stamp(video), **made_with}
        if _read(_record(folder, name)) != made_of:
            files[name].unlink(missing_ok=True)
            write_json(_record(folder, name), made_of)
    places = {video: Path(name) for video, name in videos.items()}
    extraction = Extraction(places, folder, [CENTRE], pool, "float32")
    if extraction.waiting:
        tower = VisualTower(clip_weights, device, precision)
        extraction.run(tower, PICTURES, DECODERS)
    for name, file in list(files.items()):
        if not file.is_file():
            _record(folder, name).unlink(missing_ok=True)
            del files[name]
    return files, extraction.failures


def _record(folder: Path, name: str) -> Path:
    return folder / f"{name}__{CENTRE}.json"


def _read(path: Path):
    with suppress(OSError, ValueError):
        return json.loads(path.read_text(encoding="utf-8"))


def _stamp(path: Path) -> list:
    """What tells a file from another or a later one; a name that is no file, as it is."""
    if not path.is_file():
        return [str(path)]
    found = path.stat()
    return [str(path.absolute()), found.st_size, found.st_mtime_ns]
