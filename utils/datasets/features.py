"""Feature files: a row for each snippet of a video, 16 frames unless a data set says otherwise."""

from pathlib import Path

import numpy as np

from utils.network.backbone import WIDTH
from utils.system.errors import UserError
from utils.system.files import composed
from utils.system.untrusted import load_array

SNIPPET_FRAMES = 16
CROP_DIGITS = 2  # in the name of a file


def video_and_crop(stem: str) -> tuple[str, int]:
    """Of a feature file `<video>__<crop>.npy`, or `<video>.npy`, whose crop is 0, by its name
    without the ending. A crop has one or two digits: `cam__20240101` is a video."""
    stem = composed(stem)
    video, _, crop = stem.rpartition("__")
    is_crop = video and crop.isdecimal() and len(crop) <= CROP_DIGITS
    return (video, int(crop)) if is_crop else (stem, 0)


def video_name(path: Path) -> str:
    """Name of the video of a feature file."""
    return video_and_crop(path.stem)[0]


def read_features(path: Path, header_only: bool = False, width: int = WIDTH) -> np.ndarray:
    """Read a feature file.

    Args:
        path: `.npy`, (T, D), any floating type.
        header_only: leave the values on disk, where only the shape is wanted.
        width: D, as the data set has it.

    Returns:
        (T, D) float32 (as the file has it with `header_only`).

    Raises:
        UserError: the file is missing, empty, damaged, of another shape or type, or not finite.
    """
    features = load_array(path, "feature file", mmap_mode="r" if header_only else None)
    shape = features.shape
    if len(shape) != 2 or shape[1] != width or not shape[0]:
        usual = f" with a row per {SNIPPET_FRAMES} frames: CLIP ViT-B/16 image features"
        raise UserError(
            f"feature file {path} has shape {shape}; expected (T, {width})"
            f"{usual if width == WIDTH else ''}; the width of others is said in the file of "
            "--dataset"
        )
    if features.dtype.kind != "f":
        raise UserError(
            f"feature file {path} holds {features.dtype}; expected floating point: extract it again"
        )
    if header_only:
        return features
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite: refused below
        features = features.astype(np.float32, order="C")
    if not np.isfinite(features).all():
        row = int(np.flatnonzero(~np.isfinite(features).all(axis=1))[0])
        raise UserError(
            f"feature file {path} holds NaN or infinite values, first in row {row}: "
            "extract it again"
        )
    return features
