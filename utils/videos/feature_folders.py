"""The feature files in a folder, by video, crop and how they were pooled. No PyTorch here."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

from utils.datasets.features import video_and_crop
from utils.network.backbone import is_random
from utils.system.errors import UserError
from utils.system.files import composed, files_below
from utils.videos.records import place_of, read_record


class Kind(NamedTuple):
    """What a feature file is of its video; None where that is not known."""

    pool: str | None
    crop: int | None


class FoundFeatures(NamedTuple):
    """Attributes:
    videos: files by video and kind.
    random: how many files were made with random CLIP weights.
    """

    videos: dict[str, dict[Kind, Path]]
    random: int


def find_features(path: Path, with_records: bool) -> FoundFeatures:
    """The feature files at a path: it is one, or a folder to look through.

    Args:
        path: of files `<video>__<crop>.npy`; without `__<crop>` the crop is not known.
        with_records: see what their records say. Files of one crop are told apart by their pool.

    Raises:
        UserError: there are none, or two are the same crop of the same video.
    """
    record_of = cache(read_record)
    videos: dict[str, dict[Kind, Path]] = {}
    random = 0
    for file in _files(path):
        video, crop = video_and_crop(file.stem)
        if video == composed(file.stem):
            crop = None  # its name says none
        record = record_of(place_of(file)) if with_records else None
        recorded = record if record and crop in record["crops"] else {}
        random += is_random(str(recorded.get("clip_weights")))
        kind = Kind(recorded.get("pool"), crop)
        files = videos.setdefault(video, {})
        if kind in files:
            raise UserError(
                f"{files[kind]} and {file} are both of a video {video}: compare their folders one "
                "by one"
            )
        files[kind] = file
    return FoundFeatures(videos, random)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"{path} not found: expected a feature file, or a folder of them")
    files = files_below(path, ".npy")
    if not files:
        raise UserError(f"{path} holds no features: expected files <video>__<crop>.npy in it")
    return files
