"""Features of videos, kept beside what is predicted from them, so that asking again is quick."""

from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import torch

from utils.datasets.features import SNIPPET_FRAMES, read_features
from utils.network.backbone import WIDTH
from utils.network.clip_file import weights_identity
from utils.network.clip_visual import VisualTower
from utils.system.errors import UserError
from utils.videos.extraction import Extraction
from utils.videos.frames import CENTRE
from utils.videos.inputs import is_features
from utils.videos.records import Recipe, feature_file, is_made_so, place_of, read_record

DECODERS = 1
DTYPE = "float32"
PICTURES = 64  # that the visual tower sees at once


class Features(NamedTuple):
    """Of one video.

    Attributes:
        name: of it, among those that were asked about.
        rows: (T, D).
        clip: whose visual tower made them, as `weights_identity` says it; None where nothing says.
    """

    name: str
    rows: torch.Tensor
    clip: str | None


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
    failures: list[str] | None = None,
    advice: str | None = None,
) -> Iterator[Features]:
    """Features of each source: those that are there already, then the others as they are made. What
    was kept here before and is not as is asked for now is made anew.

    Args:
        sources: videos and feature files by name. The latter are read at once, before the hours of
            work that the former may be.
        folder: of the features.
        pool: see extract_features.py.
        clip_weights, precision, device, backbone: of the visual tower, see `VisualTower`.
        size: frames that a row stands for.
        width: of the features, D.
        failures: which videos failed and why is added here.
        advice: to those for whom it takes long, see `ExtractionProgress`.

    Raises:
        UserError: a feature file cannot be used, features in the folder are not from here, or
            CLIP's weights cannot be had.
    """
    given = [
        Features(name, _read(path, width), _said_clip(path))
        for name, path in sources.items()
        if is_features(path)
    ]
    videos = {path: Path(name) for name, path in sources.items() if not is_features(path)}
    clip = weights_identity(clip_weights, backbone) if videos else ""
    recipe = Recipe(clip, pool, precision, DTYPE, size)
    outdated = {
        feature_file(folder / name, CENTRE): folder / name
        for video, name in videos.items()
        if not is_made_so(folder / name, CENTRE, video, recipe)
    }
    for file, place in outdated.items():
        if file.exists() and not _is_from_here(place):
            raise UserError(f"{file} was not made by predict.py: name another --out, or move it")
    for file in outdated:
        file.unlink(missing_ok=True)
    extraction = Extraction(videos, folder, [CENTRE], recipe, failures)
    made = (video for video in ())
    if extraction.waiting:
        tower = VisualTower(clip_weights, device, precision, backbone)
        made = extraction.each(tower, PICTURES, DECODERS, advice)
    waiting = {*extraction.waiting}
    ready = [video for video in videos if video not in waiting]

    def each():
        yield from given
        with closing(made):  # an extraction that is not wanted any more leaves nothing half-written
            for name in map(videos.get, chain(ready, made)):
                file = feature_file(folder / name, CENTRE)
                yield Features(name.as_posix(), _read(file, width), clip)

    return each()


def _read(path: Path, width: int) -> torch.Tensor:
    return torch.from_numpy(read_features(path, width=width))


def _is_from_here(place: Path) -> bool:
    """Whether the record of features says what this would: one crop, unrounded."""
    record = read_record(place)
    return bool(record) and (record["crops"], record["dtype"]) == ([CENTRE], DTYPE)


def _said_clip(path: Path) -> str | None:
    """What the record beside a feature file says."""
    record = read_record(place_of(path)) or {}
    clip = record.get("clip_weights")
    return clip if isinstance(clip, str) else None
