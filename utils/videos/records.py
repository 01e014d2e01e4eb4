"""How feature files were made: a record of each video, `<video>__features.json` beside them.

A record speaks for the crops that it names. It is written just before their files are, so none of
these is ever without it. Crops that have no file are as if it did not name them.

No PyTorch here.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from utils.datasets.features import SNIPPET_FRAMES, video_and_crop
from utils.system.console import dashed
from utils.system.errors import UserError
from utils.system.files import composed, remove_left_behind, write_json

SHA256_DIGITS = 64


class Recipe(NamedTuple):
    """How features are made of a video.

    Attributes:
        clip_weights: see `weights_identity`.
        pool, precision, dtype: see extract_features.py.
        snippet_frames: that a row stands for.
    """

    clip_weights: str
    pool: str
    precision: str
    dtype: str
    snippet_frames: int = SNIPPET_FRAMES


def feature_file(place: Path, crop: int) -> Path:
    """The features of a crop; `place` is the path without `__<crop>.npy`."""
    return place.with_name(f"{place.name}__{crop}.npy")


def place_of(file: Path) -> Path:
    """The place of a feature file. Its letters are those of the file, see `composed`."""
    named = video_and_crop(file.stem)[0] != composed(file.stem)  # its name has a crop
    return file.with_name(file.stem.rpartition("__")[0] if named else file.stem)


def record_file(place: Path) -> Path:
    """The record beside them."""
    return place.with_name(f"{place.name}__features.json")


def made_of(video: Path, recipe: Recipe) -> dict:
    """What a record says, but for the crops. A video that is gone has no size and no time."""
    stamp = {"path": str(video.absolute()), "bytes": None, "mtime_ns": None}
    with suppress(OSError):
        found = video.stat()
        stamp |= {"bytes": found.st_size, "mtime_ns": found.st_mtime_ns}
    return {"video": stamp, **recipe._asdict()}


def read_record(place: Path) -> dict | None:
    """What `made_of` gave when the features were made, and `crops`, those that have a file. None
    where there are none such; an empty dict where the record cannot be read."""
    try:
        record = json.loads(record_file(place).read_text(encoding="utf-8"))
        video, crops = dict(record["video"]), [int(crop) for crop in record["crops"]]
        sound = {"path", "bytes", "mtime_ns"} <= {*video} and {*Recipe._fields} <= {*record}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return {}
    crops = [crop for crop in crops if feature_file(place, crop).is_file()]
    if not sound:
        return {}
    return {**record, "crops": crops} if crops else None


def write_record(place: Path, made: dict, crops: Iterable[int]) -> None:
    """Say how these crops were made, beside those that were made so before.

    Raises:
        UserError: it cannot be written.
    """
    remove_left_behind(record_file(place))
    before = read_record(place)
    known = before["crops"] if before and not differences(before, made) else []
    write_json(record_file(place), {**made, "crops": sorted({*known, *crops})})


def differences(record: dict, now: dict) -> list[str]:
    """What a record says otherwise than `made_of` does now. A video that was merely moved, its size
    and time still the same, is not another one."""
    found = [
        f"{dashed(name)} {_shown(record[name])} (now {_shown(now[name])})"
        for name in Recipe._fields
        if record[name] != now[name]
    ]
    was, is_now = record["video"], now["video"]
    if any(was[name] != is_now[name] for name in ("bytes", "mtime_ns")):
        found.append(f"a video of {_stamp(was)} (now {_stamp(is_now)})")
    return found


def is_made_so(place: Path, crop: int, video: Path, recipe: Recipe) -> bool:
    """Whether the features of a crop are there, and their record says that they were made so."""
    record = read_record(place) or {"crops": []}
    return crop in record["crops"] and not differences(record, made_of(video, recipe))


def _shown(value) -> str:
    is_hash = isinstance(value, str) and len(value) == SHA256_DIGITS
    return f"sha256 {value[:12]}…" if is_hash else str(value)


def _stamp(video: dict) -> str:
    try:
        changed = datetime.fromtimestamp(video["mtime_ns"] / 1e9).isoformat(" ")
        return f"{video['bytes']:,} bytes from {changed}"
    except (TypeError, ValueError, OverflowError, OSError):
        return "unknown size and time"


def require_made_alike(
    videos: dict[Path, Path], out: Path, crops: list[int], recipe: Recipe
) -> int:
    """See that what is there already was made as what is still to come will be.

    Args:
        videos: files and their paths without suffix below `out`.
        out: folder of the features.
        crops: that are asked for.
        recipe: how the rest will be made.

    Returns:
        how many feature files of these crops are there, but in no record.

    Raises:
        UserError: features were made otherwise, or a record cannot be read.
    """
    otherwise: list[str] = []  # of each such video
    unrecorded = 0
    for video, place in videos.items():
        place = out / place
        record = read_record(place)
        if record == {}:
            raise UserError(
                f"{record_file(place)} cannot be read, so how the features beside it were made is "
                "not known: delete it with them, or alone to take them as they are"
            )
        recorded = record["crops"] if record else []
        if record and (found := differences(record, made_of(video, recipe))):
            otherwise.append(f"{feature_file(place, recorded[0])}: {' and '.join(found)}")
        unrecorded += sum(feature_file(place, k).is_file() for k in crops if k not in recorded)
    if otherwise:
        raise UserError(
            f"features of {len(otherwise)} of {len(videos)} videos were made otherwise, first "
            f"{otherwise[0]}: choose another --out, or delete these features"
        )
    return unrecorded
