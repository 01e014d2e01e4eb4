"""Stand-ins for what pickles ask of NumPy.

NumPy's own functions trust a pickle: a crafted one makes them write where they should not. These
take the same arguments, look at them, and make plain Python values.
"""

import re

import numpy as np

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
        elif not isinstance(values, list) or shape != (len(values),):
            raise ValueError(f"it holds an array of objects of shape {shape}")
        self.values = values


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
