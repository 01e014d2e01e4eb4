"""What predict.py is asked about, by the names that its answers are written under."""

from pathlib import Path

from utils.system.errors import UserError
from utils.system.files import files_below, require_writable
from utils.videos.inputs import PROXY_SUFFIX, VIDEO_SUFFIXES, find_videos, is_features
from utils.videos.records import record_file

INDEX = "index"  # name of the page that lists all
WRITTEN = (".html", ".json", ".csv", ".png")  # suffixes of what is written of each


def find_sources(inputs: list[Path]) -> dict[str, Path]:
    """Videos, then feature files, by name: their paths without suffix below the output folder.

    Args:
        inputs: feature files, folders of nothing but these, and what `find_videos` takes.

    Raises:
        UserError: one is missing, or a name cannot be written, or appears twice.
    """
    features = {path: Path(path.stem) for path in inputs if is_features(path)}
    if missing := [path for path in features if not path.is_file()]:
        raise UserError(f"{missing[0]} not found")
    others = [path for path in inputs if path not in features]
    of_features = {folder: files for folder in others if (files := _feature_files(folder))}
    for folder, files in of_features.items():
        features |= {file: file.relative_to(folder).with_suffix("") for file in files}
    videos = find_videos([path for path in others if path not in of_features])
    named = [(place.as_posix(), path) for path, place in (videos | features).items()]
    names = [name for name, _ in named]
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise UserError(f"the name {name!a} is not UTF-8: rename the file") from None
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"two inputs are called {twice[0]}: give them to one --out each")
    if INDEX in names and len(names) > 1:
        raise UserError(f"an input is called {INDEX}, as the page that lists all: rename it")
    return dict(named)


def _feature_files(folder: Path) -> list[Path]:
    """Those in a folder without videos."""
    files = files_below(folder)  # none below a file
    videos = any(file.suffix.lower() in VIDEO_SUFFIXES for file in files)
    return [] if videos else [file for file in files if is_features(file)]


def require_apart(
    out: Path, sources: dict[str, Path], truth: Path | None, proxies: bool = False
) -> None:
    """See that what will be written can be, and overwrites neither the truth nor a video.

    Args:
        proxies: whether copies of videos will be written, too.

    Raises:
        UserError: it cannot, or would.
    """
    suffixes = (*WRITTEN, PROXY_SUFFIX) if proxies else WRITTEN
    written = {out / f"{name}{suffix}" for name in sources for suffix in suffixes}
    resolved = {path.resolve() for path in written}
    if truth and truth.resolve() in resolved:
        raise UserError(f"--truth {truth} would be written over: choose another --out")
    for source in sources.values():
        if source.resolve() in resolved:
            raise UserError(f"{source} would be written over: choose another --out")
    videos = [name for name, source in sources.items() if not is_features(source)]
    records = [record_file(out / "features" / name) for name in videos]
    require_writable(out / f"{INDEX}.html", *written, *records)
