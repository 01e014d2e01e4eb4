"""The kinds of values that options take: functions from the text of an argument to its value.

Their ArgumentTypeError says what is wrong with a value; of a ValueError argparse makes "invalid
whole number value". Bounds are where no run makes sense any more, or none would end.
"""

from argparse import ArgumentTypeError

RESAMPLES, FEWEST_RESAMPLES, MOST_RESAMPLES = 1000, 100, 100_000


def called(name: str, metavar: str):
    """Decorator of a kind: what errors call it, and what help shows in the place of a value."""

    def give(kind):
        kind.__name__, kind.metavar = name, metavar
        return kind

    return give


def whole(least: int, most: int):
    """The kind of whole numbers from `least` to `most`."""

    @called("whole number", "N")
    def kind(text: str) -> int:
        if not least <= (value := int(text)) <= most:
            raise ArgumentTypeError(f"{text} is not in {least}…{most}")
        return value

    return kind


def number(least: float, most: float, without_least: bool = False, without_most: bool = False):
    """The kind of numbers from `least` to `most`, with or without these."""
    opening, closing = "[("[without_least], "])"[without_most]

    @called("number", "X")
    def kind(text: str) -> float:
        value = float(text)
        above = least < value if without_least else least <= value
        below = value < most if without_most else value <= most
        if not (above and below):
            raise ArgumentTypeError(f"{text} is not in {opening}{least:g}, {most:g}{closing}")
        return value

    return kind


positive_int = whole(1, 2**31 - 1)
nonnegative_int = whole(0, 2**31 - 1)
positive_float = number(0, 1e9, without_least=True)
nonnegative_float = number(0, 1e9)
positive_fraction = number(0, 1, without_least=True)
fraction_below_1 = number(0, 1, without_most=True)
fraction = number(0, 1)


@called("whole number", "N")
def resample_count(text: str) -> int:
    if (value := int(text)) and not FEWEST_RESAMPLES <= value <= MOST_RESAMPLES:
        raise ArgumentTypeError(f"{text} is neither 0 nor in {FEWEST_RESAMPLES}…{MOST_RESAMPLES}")
    return value


@called("boolean", "BOOL")
def boolean(text: str) -> bool:
    values = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in values:
        raise ArgumentTypeError(f"{text} is neither True nor False")
    return values[text.lower()]
