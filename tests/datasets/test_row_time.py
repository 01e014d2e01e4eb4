import numpy as np
import pytest

from utils.row_time import RowTime
from utils.system.errors import UserError


def edges(text, rows, length=None, unit="frames"):
    return RowTime.read(text, unit).edges(rows, length)


@pytest.mark.parametrize(
    "text, rows, length, expected",
    [
        ("16 frames", 3, None, [0, 16, 32, 48]),
        ("16 frames", 3, 48, [0, 16, 32, 48]),
        ("16 frames", 3, 41, [0, 16, 32, 41]),  # the last row ends with the video
        ("16 frames", 3, 33, [0, 16, 32, 33]),
        ("16 frames", 3, 63, [0, 16, 32, 48]),  # what is left at the end belongs to no row
        ("16 frames", 1, 5, [0, 5]),
        ("8 frames", 2, 15.0, [0, 8, 15]),
        ("0.5 seconds", 3, None, [0, 0.5, 1, 1.5]),
        ("0.5 seconds", 3, 1.2, [0, 0.5, 1, 1.2]),
        ("0.5 seconds", 3, 1.9, [0, 0.5, 1, 1.5]),
    ],
)
def test_rows_of_one_size(text, rows, length, expected):
    found = edges(text, rows, length)
    assert found.tolist() == expected
    # Metrics tell frames, which they count, from seconds by this.
    assert found.dtype.kind == ("i" if text.endswith("frames") else "f")


@pytest.mark.parametrize("rows, frames", [(1, 1), (4, 16), (3, 10), (7, 50), (32, 33), (5, 3),
                                          (32, 20), (32, 1)])  # fmt: skip
def test_shared_frames(rows, frames):
    """Frame f belongs to row ⌊f·T / F⌋, also where there are fewer frames than rows."""
    counts = [0] * rows
    for f in range(frames):
        counts[f * rows // frames] += 1
    found = edges("share", rows, float(frames))
    assert found[0] == 0 and found.dtype.kind == "i"
    assert np.diff(found).tolist() == counts


def test_shared_seconds():
    assert edges("share", 4, 10.0, "seconds").tolist() == [0, 2.5, 5, 7.5, 10]


@pytest.mark.parametrize(
    "text, rows, length, message",
    [
        ("16 frames", 3, 32, "it has 3 rows of 16 frames, which stand for 48 frames, but is 32 fr"),
        ("16 frames", 3, 64, "but is 64 frames long: see what a row stands for"),
        ("16 frames", 90000, 9e6, "stand for 1440000 frames, but is 9000000 frames long"),
        ("0.5 seconds", 3, 1.0, "3 rows of 0.5 seconds, which stand for 1.5 seconds, but is 1 sec"),
        ("0.5 seconds", 3, 2.0, "but is 2 seconds long"),
        ("1 frame", 3, 4, "3 rows of 1 frame, which stand for 3 frames"),
        (
            "share",
            3,
            None,
            "its length is not known: the table of videos of --dataset must have its frames",
        ),
    ],
)
def test_rows_that_do_not_fit(text, rows, length, message):
    with pytest.raises(UserError) as error:
        edges(text, rows, length)
    assert message in str(error.value)


def test_text():
    texts = ("16 frames", "1 frame", "0.5 seconds", "1 second", "54321 frames", "share")
    assert tuple(str(RowTime.read(text)) for text in texts) == texts
    assert str(RowTime.read("2.50  second")) == "2.5 seconds"
    assert RowTime.read("share", "seconds").unit == "seconds"
    assert RowTime.read("8 frames", "seconds").unit == "frames"  # the row's own unit counts


@pytest.mark.parametrize("size", [0.1, 0.2, 0.4, 0.533])
def test_rows_of_seconds_end_where_their_numbers_say(size):
    """Otherwise an event from 0.3 s on would lie in the row before it, too."""
    found = edges(f"{size} seconds", 200_000)
    assert found.tolist() == [round(i * size, 4) for i in range(200_001)]
