"""Features of videos, kept beside what is predicted from them, so that asking again is quick."""

from pathlib import Path

import torch

from utils.datasets.features import SNIPPET_FRAMES, read_features
from utils.network.backbone import WIDTH
from utils.network.clip_file import weights_identity
from utils.network.clip_visual import VisualTower
from utils.videos.extraction import Extraction
from utils.videos.frames import CENTRE
from utils.videos.inputs import is_features
from utils.videos.records import Recipe, feature_file, is_made_so

DECODERS = 1
PICTURES = 64  # that the visual tower sees at once


def features_of(
    sources: dict[str, Path],
    folder: Path,
    pool: str,
    clip_weights: str,
    precision: str,
    device: torch.device,
    backbone: str,
    size: int = SNIPPET_FRAMES,
    width: int = WIDTH,
) -> tuple[dict[str, torch.Tensor], list[str]]:
    """Features (T, D) by name, those of videos first, and which videos failed and why.

    Args:
        sources: videos and feature files by name. The latter are read before the hours of work that
            the former may be.
        folder, pool, clip_weights, precision, device, backbone, size: see `extract`.
        width: of the features, D.

    Raises:
        UserError: a feature file cannot be used.
    """
    given = {
        name: read_features(path, width=width)
        for name, path in sources.items()
        if is_features(path)
    }
    videos = {path: Path(name) for name, path in sources.items() if name not in given}
    found, failures = {}, []
    if videos:
        clip = clip_weights, precision, device, backbone
        files, failures = extract(videos, folder, pool, *clip, size)
        found = {name: read_features(path, width=width) for name, path in files.items()}
    return {name: torch.from_numpy(rows) for name, rows in (found | given).items()}, failures


def extract(
    videos: dict[Path, Path],
    folder: Path,
    pool: str,
    clip_weights: str,
    precision: str,
    device: torch.device,
    backbone: str,
    size: int,
) -> tuple[dict[str, Path], list[str]]:
    """Feature files by name, and what failed and why. What its record does not vouch for, or not in
    the way that is asked for now, is made anew.

    Args:
        videos: files and their names.
        folder: of the features.
        pool: see extract_features.py.
        clip_weights, precision, device, backbone: of the visual tower, see `VisualTower`.
        size: frames that a row stands for.
    """
    clip = weights_identity(clip_weights, backbone)
    recipe = Recipe(clip, pool, precision, "float32", size)
    files = {video: feature_file(folder / name, CENTRE) for video, name in videos.items()}
    for video, name in videos.items():
        if not is_made_so(folder / name, CENTRE, video, recipe):
            files[video].unlink(missing_ok=True)
    extraction = Extraction(videos, folder, [CENTRE], recipe)
    if extraction.waiting:
        tower = VisualTower(clip_weights, device, precision, backbone)
        extraction.run(tower, PICTURES, DECODERS)
    done = {name.as_posix(): files[video] for video, name in videos.items()}
    return {name: file for name, file in done.items() if file.is_file()}, extraction.failures
