"""What can be asked for: videos, folders and lists of them, feature files, live sources, crops.

No PyTorch and no PyAV here, so that options are read, and checked, without them.
"""

from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from utils.system.errors import UserError
from utils.system.files import files_below

CROPS = 10  # that can be made of a frame, see utils/videos/frames.py
POOLS = ("mean", "middle")  # what a row of features is made of: all its frames, or one
PROXY_SUFFIX = ".proxy.mp4"  # of copies for browsers; a folder's are no videos to ask about
STDIN = "-"
VIDEO_SUFFIXES = (
    ".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg",
    ".mts", ".ogv", ".ts", ".webm", ".wmv",
)  # fmt: skip


def find_videos(inputs: list[Path]) -> dict[Path, Path]:
    """Video files -> their paths without suffix below the output folder.

    Args:
        inputs: videos, folders to look through, or `.txt` lists with a path in each line.

    Raises:
        UserError: one is missing, holds no videos, or two would be written to one place.
    """
    found: dict[Path, Path] = {}
    for path in inputs:
        if path.is_dir():
            files = [f for f in files_below(path) if f.suffix.lower() in VIDEO_SUFFIXES]
            files = [file for file in files if not file.name.endswith(PROXY_SUFFIX)]
            if not files:
                raise UserError(f"{path} holds no videos: expected {' '.join(VIDEO_SUFFIXES)}")
            found |= {file: file.relative_to(path).with_suffix("") for file in files}
        elif not path.is_file():
            raise UserError(f"video {path} not found")
        elif path.suffix.lower() == ".txt":
            lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
            files = [Path(line.strip()) for line in lines if line.strip()]
            if missing := [file for file in files if not file.is_file()]:
                raise UserError(f"{path}: video {missing[0]} not found")
            found |= {file: Path(file.stem) for file in files}
        else:
            found[path] = Path(path.stem)
    places: dict[Path, Path] = {}
    for file, place in found.items():
        if other := places.get(place):
            raise UserError(f"{other} and {file} would both be written to {place}.*: rename one")
        places[place] = file
    return found


def is_features(path: Path) -> bool:
    """Whether an input is a feature file; else it is a video, or leads to some."""
    return path.suffix.lower() == ".npy"


def is_live(text: str) -> bool:
    """Whether an input is a live source: `-`, a URL, or the number of a camera."""
    return text == STDIN or "://" in text or (text.isdecimal() and not Path(text).exists())


def shown(source: str) -> str:
    """What a live source is called in messages: passwords stay out of them.

    Raises:
        UserError: it is not a URL.
    """
    if "://" not in source:
        return {STDIN: "standard input"}.get(source, f"camera {source}")
    try:
        parts = urlsplit(source)
    except ValueError as error:
        raise UserError(f"'{source.partition('://')[0]}://…' is not a URL: {error}") from None
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
