"""Features of videos, kept beside what is predicted from them, so that asking again is quick."""

import json
from contextlib import suppress
from pathlib import Path

from utils.network.clip_visual import VisualTower
from utils.system.files import write_json
from utils.videos.extraction import Extraction
from utils.videos.frames import CENTRE

DECODERS = 1
PICTURES = 64  # that the visual tower sees at once


def extract(
    videos: dict[Path, str], folder: Path, pool: str, args, device
) -> tuple[dict[str, Path], list[str]]:
    """Feature files by name, and what failed and why.

    `<name>__0.json` beside a file says what it was made of. If that is no longer so, it is made
    anew.

    Args:
        videos: files and their names.
        folder: of the features.
        pool: see extract_features.py.
        args: options, of which `clip_weights` and `precision` count.
        device: where the visual tower computes.
    """
    files = {name: folder / f"{name}__{CENTRE}.npy" for name in videos.values()}
    made_of = {
        name: {
            "video": _stamp(video),
            "clip_weights": _stamp(Path(args.clip_weights)),
            "pool": pool,
            "precision": args.precision,
        }
        for video, name in videos.items()
    }
    for name, file in files.items():
        if _read(_record(folder, name)) != made_of[name]:
            file.unlink(missing_ok=True)
            write_json(_record(folder, name), made_of[name])
    places = {video: Path(name) for video, name in videos.items()}
    extraction = Extraction(places, folder, [CENTRE], pool, "float32")
    if extraction.waiting:
        tower = VisualTower(args.clip_weights, device, args.precision)
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
