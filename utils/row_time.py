"""What a row of features stands for: so many frames or seconds, or an equal share of its video."""

import re
from typing import NamedTuple

import numpy as np

from utils.system.errors import UserError

FRAMES, SECONDS, SHARE = "frames", "seconds", "share"
UNITS = (FRAMES, SECONDS)
MOST = 2**31  # frames or seconds: more than a year of video
LONGEST = 2**16  # row, in either
DECIMALS = 9  # of seconds that count: three rows of 0.1 s end where an event at 0.3 s begins
TEXT = re.compile(r"(\d+(?:\.\d+)?) +(frame|second)s?")


class RowTime(NamedTuple):
    """The time of a row.

    Attributes:
        unit: in which the data set's times are counted, `frames` or `seconds`.
        size: of a row, in this unit; None where the rows of a video share it equally.
    """

    unit: str
    size: float | None

    @classmethod
    def read(cls, text, unit: str = FRAMES) -> "RowTime":
        """
        Args:
            text: `16 frames`, `0.5 seconds` or `share`.
            unit: of times where a row is a share.

        Raises:
            UserError: it is none of these.
        """
        if text == SHARE:
            return cls(unit, None)
        found = TEXT.fullmatch(text) if isinstance(text, str) else None
        size = float(found[1]) if found else 0
        if not 0 < size < LONGEST or (found[2] == "frame" and size % 1):
            raise UserError(
                f"row is '{text}': expected what a row of features stands for, '16 frames' (or "
                f"another whole number), '0.5 seconds' or '{SHARE}' (an equal share of the video)"
            )
        return cls(FRAMES, int(size)) if found[2] == "frame" else cls(SECONDS, size)

    def __str__(self) -> str:
        if self.size is None:
            return SHARE
        unit = self.unit if self.size != 1 else self.unit.removesuffix("s")
        return f"{np.format_float_positional(self.size, trim='-')} {unit}"

    def edges(self, rows: int, length: float | None = None) -> np.ndarray:
        """When rows begin and end, (rows + 1,); whole numbers of frames.

        Args:
            rows: of a video.
            length: of the video, in `unit`, where it is known. The last row then ends with it; what
                lies behind the last row belongs to none. Of shared frames, frame f belongs to row
                ⌊f·rows / length⌋.

        Raises:
            UserError: the rows do not fit the length, or it must be known and is not.
        """
        count = np.arange(rows + 1)
        if length is not None and self.unit == FRAMES:
            length = round(length)
        if self.size is None:
            if length is None:
                raise UserError(
                    "its rows are equal shares of it, and its length is not known: the table of "
                    f"videos of --dataset must have its {self.unit}"
                )
            if self.unit == FRAMES:
                return -(-count * length // rows)
            return np.round(count * (length / rows), DECIMALS)
        edges = count * self.size
        if self.unit == SECONDS:
            edges = np.round(edges, DECIMALS)
        if length is None:
            return edges
        if abs(edges[-1] - length) >= self.size:
            raise UserError(
                f"it has {rows} rows of {self}, which stand for {edges[-1]:.10g} {self.unit}, but "
                f"is {length:.10g} {self.unit} long: see what a row stands for, and whose "
                "features these are"
            )
        return np.minimum(edges, length)


USUAL = RowTime(FRAMES, 16)  # of the published features
