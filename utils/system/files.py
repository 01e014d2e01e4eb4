"""Files that come whole or not at all."""

import glob
import hashlib
import json
import os
import re
import tempfile
import unicodedata
from contextlib import contextmanager, suppress
from pathlib import Path

from utils.system.console import dashed
from utils.system.errors import UserError


@contextmanager
def whole_file(path: Path | str, keep: Path | None = None):
    """Path to write to instead of `path`, renamed to it when the block ends without an error.

    Args:
        path: of the file.
        keep: what stood at `path` before is renamed to this.

    Raises:
        UserError: the folder cannot be written to.
    """
    path = Path(path)
    partial = _partial(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            with partial.open("r+b") as file:
                os.fsync(file.fileno())  # on the disk before the older one goes
            if keep and path.is_file():
                path.replace(keep)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from None


def composed(name: str) -> str:
    """A name as most systems write it: a letter and its marks are one, and not two as in the names
    of a Mac's files. To be asked wherever names of videos and classes are compared."""
    return unicodedata.normalize("NFC", name)


def files_below(folder: Path, ending: str = "") -> list[Path]:
    """The files below a folder whose names end so, in whatever case, by path; links to folders are
    followed."""
    walked = os.walk(folder, followlinks=True)
    found = (Path(parent, name) for parent, _, names in walked for name in names)
    return sorted(file for file in found if file.name.lower().endswith(ending))


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")


def remove_left_behind(path: Path | str) -> None:
    """Remove what processes left that were killed while they wrote `path`."""
    path = Path(path)
    unfinished = re.compile(rf"\.{re.escape(path.stem)}\.(\d+){re.escape(path.suffix)}")
    for other in path.parent.glob(f".{glob.escape(path.stem)}.*"):
        found = unfinished.fullmatch(other.name)
        if found and not _is_another_process(int(found[1])):
            other.unlink(missing_ok=True)


def _is_another_process(pid: int) -> bool:
    """Whether `pid` is a running process other than this one."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        return True
    return pid != os.getpid()


def older(path: Path | str) -> Path:
    """`x.pth` -> `x.older.pth`, what an older run's file is called."""
    path = Path(path)
    return path.with_name(f"{path.stem}.older{path.suffix}")


def previous(path: Path | str) -> Path:
    """`x.pth` -> `x.previous.pth`, where the one before is kept."""
    path = Path(path)
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def set_aside(path: Path | str) -> Path | None:
    """Rename `x.pth` to `x.older.pth`, if it is there, and say to what."""
    path = Path(path)
    return path.replace(older(path)) if path.is_file() else None


def sha256(path: Path | str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_writable(*paths: Path | str | None) -> None:
    """See before hours of work that its results can be written.

    Raises:
        UserError: a path is empty or a folder, or nothing can be written where it points.
    """
    for path in paths:
        if path is None:
            continue
        absolute = Path(path).absolute()
        above = next(p for p in (*absolute.parents, absolute) if os.path.exists(p))
        is_other = os.path.exists(path) and not os.path.isfile(path)
        if not str(path) or is_other or not above.is_dir():
            raise UserError(f"'{path}' cannot be written: it must be a file in a folder")
        try:
            with suppress(FileNotFoundError):
                os.lstat(above / _partial(Path(path)).name)  # is the name too long?
            tempfile.TemporaryFile(dir=above).close()
        except OSError as error:
            reason = error.strerror or error
            raise UserError(f"'{path}' cannot be written: {above}: {reason}") from None


def require_different(**paths: Path | str | None) -> None:
    """See that no result overwrites another file of the same command.

    Args:
        paths: by destination of the option that names them.

    Raises:
        UserError: two are one file.
    """
    found: dict[str, str] = {}
    for name, path in paths.items():
        if path is not None and (other := found.setdefault(os.path.realpath(path), name)) != name:
            raise UserError(
                f"{dashed(other)} and {dashed(name)} are one file, {path}: name another"
            )


def write_text(path: Path | str, text: str) -> None:
    """A file in UTF-8, whole or not at all."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: dict) -> None:
    """One line per key, so that people and diffs can read it."""
    lines = ",\n".join(f" {json.dumps(key)}: {json.dumps(entry)}" for key, entry in value.items())
    write_text(path, f"{{\n{lines}\n}}\n")
