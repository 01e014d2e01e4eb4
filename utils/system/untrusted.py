"""Files from strangers, read without executing anything in them: `.npy`, `.pth`.

What pickles ask of NumPy gets a stand-in here. NumPy's own functions trust a pickle: a crafted one
makes them write where they should not. The stand-ins take the same arguments, look at them, and
make plain Python values.
"""

import math
import os
import pickle
import re
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np

from utils.system.errors import UserError

MOST_UNFOLDED = 1100  # times an archive's size; what is compressed reaches 1,032
PLAIN = re.compile(r"[biufUS]\d+")  # codes of booleans, numbers and strings


class Dtype:
    """`numpy.dtype`."""

    def __init__(self, code: str, *_):
        self.code, self.order = code, "="

    def __setstate__(self, state) -> None:
        self.order = state[1]

    def read(self, data: bytes) -> np.ndarray:
        """Bytes -> (number of values,)."""
        if not PLAIN.fullmatch(self.code) or self.order not in "<>=|":
            raise ValueError(f"it holds values of type {self.code!r}")
        return np.frombuffer(data, np.dtype(self.code).newbyteorder(self.order))


class Array:
    """`numpy.ndarray`; `plain` takes its place in the end."""

    def __setstate__(self, state) -> None:
        _, shape, dtype, fortran, values = state
        if isinstance(values, bytes):
            values = dtype.read(values).reshape(shape, order="F" if fortran else "C").tolist()
        elif not _fits(values, shape, fortran):
            raise ValueError(f"it holds an array of objects of shape {shape}")
        else:
            values = nested(values, shape)
        self.values = values


def _fits(values, shape: tuple[int, ...], fortran: bool) -> bool:
    """Whether values, in C order, fill an array of this shape that `nested` can make."""
    known = isinstance(values, list) and math.prod(shape) == len(values)
    return known and (len(shape) == 1 or not (fortran or 0 in shape))


def nested(values: list, shape: tuple[int, ...]) -> list:
    """Values in C order -> lists of lists of this shape."""
    for size in shape[:0:-1]:
        values = [values[i : i + size] for i in range(0, len(values), size)]
    return values


def reconstruct(*_) -> Array:
    """`numpy._core.multiarray._reconstruct`: an array whose contents come later."""
    return Array()


def scalar(dtype: Dtype, data: bytes):
    """`numpy._core.multiarray.scalar`."""
    (value,) = dtype.read(data).tolist()
    return value


def plain(value, done: dict | None = None):
    """A value with every array in it as a list; what stands in it twice is looked at once.

    Raises:
        ValueError: there is anything else in it than lists, tuples, strings and numbers.
    """
    done = {} if done is None else done
    if isinstance(value, Array):
        return plain(value.values, done)
    if isinstance(value, list | tuple):
        if id(value) not in done:
            done[id(value)] = [plain(item, done) for item in value]
        return done[id(value)]
    if isinstance(value, str | int | float | bytes | None):
        return value
    raise ValueError(f"it holds a {type(value).__name__}")


STAND_INS = {
    "numpy.dtype": Dtype,
    "numpy.ndarray": Array,
    **{
        f"numpy.{core}.multiarray.{name}": function
        for core in ("core", "_core")  # in NumPy 1 and 2
        for name, function in (("_reconstruct", reconstruct), ("scalar", scalar))
    },
}


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


class _PlainUnpickler(pickle._Unpickler):
    """Admits what an object array of plain values is made of, and runs none of NumPy's code.

    The one in Python: that in C takes any amount of memory if a damaged file says so.
    """

    def find_class(self, module, name):
        if (asked := f"{module}.{name}") not in STAND_INS:
            raise pickle.UnpicklingError(f"it asks for {asked}")
        return STAND_INS[asked]


def load_object_array(path: Path | str) -> list:
    """Read a `.npy` of a list per video, such as the official segments and labels: pickled objects,
    or an array (videos, …) where all lists are equally long.

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
            if dtype.hasobject:
                return plain(_PlainUnpickler(file).load())
        # What NumPy makes of equally many segments, or labels, of every video.
        values = np.load(path, allow_pickle=False)
        if values.ndim < 2 or dtype.kind not in "iuU":
            raise ValueError(f"it holds {dtype} of shape {values.shape}")
        return values.tolist()
    except Exception as error:  # a damaged pickle can raise anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{path} is refused as an array of lists ({reason}): expected the official file or a "
            ".json made by 'python -m utils.make_lists'"
        ) from None


def load_tensors(path: Path | str) -> dict:
    """Read a file of tensors and plain values, on the CPU, without executing anything in it.

    Raises:
        UserError: it is missing, damaged, or holds anything else.
    """
    try:
        _check_archive(path)
        import torch  # here, because lists and arrays are read without it

        # The official checkpoints hold their best metric as a NumPy scalar.
        numpy = [(stand_in, name) for name, stand_in in STAND_INS.items()]
        with torch.serialization.safe_globals(numpy), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters comes as an error
            value = torch.load(path, map_location="cpu", weights_only=True)
        _check_attributes(value)
    except FileNotFoundError:
        raise UserError(
            f"weights {path} not found: give the file with --model-path, or train first"
        ) from None
    except UserError:
        raise
    except (PermissionError, IsADirectoryError) as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except Exception as error:  # a damaged archive can raise anything
        if asked := re.search(r"GLOBAL (\S+)", str(error)):
            raise UserError(
                f"{path} is refused, it asks for {asked[1]}: expected tensors and plain values only"
            ) from None
        raise UserError(
            f"{path} is damaged or no PyTorch weight file: copy it again or name another"
        ) from None
    if not isinstance(value, dict):
        raise UserError(f"{path} holds a {type(value).__name__}; expected a state dict")
    return value


def _check_attributes(value) -> None:
    """See that no dictionary in a value has an attribute in the place of a method. PyTorch lets
    those of an OrderedDict come from the file.

    Raises:
        ValueError: one has.
    """
    waiting, seen = [value], set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, OrderedDict) and (odd := vars(value).keys() & {*dir(OrderedDict)}):
            raise ValueError(f"a dictionary whose {odd.pop()} is another")
        if isinstance(value, dict | list | tuple):
            waiting += dict.values(value) if isinstance(value, dict) else value


def require_no_bomb(archive: zipfile.ZipFile, path: Path | str) -> None:
    """See that an archive does not unfold to more than can be compressed, as entries do that lie
    over one another.

    Raises:
        UserError: it does.
    """
    whole, size = sum(entry.file_size for entry in archive.infolist()), os.path.getsize(path)
    if whole > MOST_UNFOLDED * size:
        raise UserError(
            f"{path} is refused: its {size:,} bytes would unfold to {whole:,}, more than "
            f"{MOST_UNFOLDED} times as many"
        )


def _check_archive(path) -> None:
    """See that an archive's checksums are right, which PyTorch does not, and that it is not a
    program, which PyTorch would say in other words."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        require_no_bomb(archive, path)
        if damaged := archive.testzip():
            raise zipfile.BadZipFile(damaged)
        if any(Path(name).name == "constants.pkl" for name in archive.namelist()):
            raise UserError(
                f"{path} is a TorchScript archive, which can run code, and is refused: expected a "
                "file of tensors only, as torch.save writes a state dict"
            )
