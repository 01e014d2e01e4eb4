"""What predict.py is asked about, by the names that its answers are written under."""

from pathlib import Path

from utils.system.errors import UserError
from utils.system.files import require_writable
from utils.videos.inputs import find_videos, is_features

INDEX = "index"  # name of the page that lists all
WRITTEN = (".html", ".json", ".csv", ".png")  # suffixes of what is written of each


def find_sources(inputs: list[Path]) -> dict[str, Path]:
    """Videos, then feature files, by name: their paths without suffix below the output folder.

    Args:
        inputs: feature files, and what `find_videos` takes.

    Raises:
        UserError: one is missing, or a name cannot be written, or is there twice.
    """
    features = [path for path in inputs if is_features(path)]
    if missing := [path for path in features if not path.is_file()]:
        raise UserError(f"{missing[0]} not found")
    videos = find_videos([path for path in inputs if path not in features])
    named = [(place.as_posix(), path) for path, place in videos.items()]
    named += [(path.stem, path) for path in dict.fromkeys(features)]
    names = [name for name, _ in named]
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise UserError(f"the name {name!a} is no UTF-8: rename the file") from None
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"two inputs are called {twice[0]}: give them to one --out each")
    if INDEX in names and len(names) > 1:
        raise UserError(f"an input is called {INDEX}, as the page that lists all: rename it")
    return dict(named)


def require_apart(out: Path, sources: dict[str, Path], truth: Path | None) -> None:
    """See that what will be written can be, and does not overwrite the truth.

    Raises:
        UserError: it cannot, or would.
    """
    written = {out / f"{name}{suffix}" for name in sources for suffix in WRITTEN}
    if truth and truth.resolve() in {path.resolve() for path in written}:
        raise UserError(f"--truth {truth} would be written over: choose another --out")
    require_writable(out / f"{INDEX}.html", *written)
