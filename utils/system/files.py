"""Files that come whole or not at all, and pickled arrays read without executing anything."""

import glob
import hashlib
import json
import os
import pickle
import re
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from utils.system.errors import UserError
from utils.system.untrusted import STAND_INS, plain


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


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")


def remove_left_behind(path: Path | str) -> None:
    """Remove what processes left that were killed while they wrote `path`."""
    path = Path(path)
    unfinished = re.compile(rf"\.{re.escape(path.stem)}\.\d+{re.escape(path.suffix)}")
    for other in path.parent.glob(f".{glob.escape(path.stem)}.*"):
        if unfinished.fullmatch(other.name):
            other.unlink(missing_ok=True)


def older(path: Path | str) -> Path:
    """`x.pth` -> `x.older.pth`, what an older run's file is called."""
    path = Path(path)
    return path.with_name(f"{path.stem}.older{path.suffix}")


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
        above = next(p for p in Path(path).absolute().parents if os.path.exists(p))
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


def load_array(path: Path | str, what: str, mmap_mode: str | None = None) -> np.ndarray:
    """Read a `.npy` of plain numbers.

    Args:
        path: of the file.
        what: the file's kind, for errors.
        mmap_mode: as for `np.load`.

    Raises:
        UserError: the file is missing, or damaged, or holds anything else.
    """
    try:
        array = np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ValueError("it is an archive")
        return array
    except FileNotFoundError:
        raise UserError(f"{what} {path} not found") from None
    except PermissionError as error:
        raise UserError(f"{what} {path} cannot be read: {error.strerror}") from None
    except Exception as error:  # a damaged header can raise anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{what} {path} is damaged or no .npy file ({reason}): make or copy it again"
        ) from None


def write_json(path: Path | str, value: dict) -> None:
    """One line per key, so that people and diffs can read it."""
    lines = ",\n".join(f" {json.dumps(key)}: {json.dumps(entry)}" for key, entry in value.items())
    with whole_file(path) as partial:
        partial.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


class _PlainUnpickler(pickle._Unpickler):
    """Admits what an object array of plain values is made of, and runs none of NumPy's code.

    The one in Python: that in C takes any amount of memory if a damaged file says so.
    """

    def find_class(self, module, name):
        if (asked := f"{module}.{name}") not in STAND_INS:
            raise pickle.UnpicklingError(f"it asks for {asked}")
        return STAND_INS[asked]


def load_object_array(path: Path | str) -> list:
    """Read a `.npy` of pickled objects, such as the official segments and labels, as lists.

    Raises:
        UserError: the file is damaged, or holds anything but arrays, lists, strings and numbers.
    """
    try:
        with open(path, "rb") as file:
            version = np.lib.format.read_magic(file)
            read_header = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            _, _, dtype = read_header(file)
            if not dtype.hasobject:
                raise ValueError(f"it holds {dtype}")
            return plain(_PlainUnpickler(file).load())
    except Exception as error:  # a damaged pickle can raise anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{path} is refused as an array of lists ({reason}): expected the official file or a "
            ".json made by 'python -m utils.make_lists'"
        ) from None
