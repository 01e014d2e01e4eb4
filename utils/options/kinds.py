"""The kinds of values that options take: functions from the text of an argument to its value.

Their ArgumentTypeError says what is wrong with a value; of a ValueError argparse makes "invalid
whole number value".
"""

from argparse import ArgumentTypeError

from utils.network.backbone import TEXT_LAYERS

TOO_MANY = 2**31
FEWEST, MOST_RESAMPLES = 100, 100_000


def positive_int(text: str) -> int:
    if not 0 < (value := int(text)) < TOO_MANY:
        raise ArgumentTypeError(f"{text} is not positive, or too large")
    return value


def count(text: str) -> int:
    if not 0 <= (value := int(text)) < TOO_MANY:
        raise ArgumentTypeError(f"{text} is negative, or too large")
    return value


def resamples(text: str) -> int:
    if (value := int(text)) and not FEWEST <= value <= MOST_RESAMPLES:
        raise ArgumentTypeError(f"{text} is neither 0 nor in {FEWEST}…{MOST_RESAMPLES}")
    return value


def clip_block_count(text: str) -> int:
    if not 0 <= (value := int(text)) <= TEXT_LAYERS:
        raise ArgumentTypeError(f"{text} is not in 0…{TEXT_LAYERS}, CLIP's text blocks")
    return value


def positive_float(text: str) -> float:
    if not 0 < (value := float(text)) < float("inf"):
        raise ArgumentTypeError(f"{text} is not a positive number")
    return value


def nonnegative_float(text: str) -> float:
    if not 0 <= (value := float(text)) < float("inf"):
        raise ArgumentTypeError(f"{text} is not zero or a positive number")
    return value


def ratio(text: str) -> float:
    if not 0 < (value := float(text)) <= 1:
        raise ArgumentTypeError(f"{text} is not in (0, 1]")
    return value


def part(text: str) -> float:
    if not 0 <= (value := float(text)) < 1:
        raise ArgumentTypeError(f"{text} is not in [0, 1)")
    return value


def share(text: str) -> float:
    if not 0 <= (value := float(text)) <= 1:
        raise ArgumentTypeError(f"{text} is not in [0, 1]")
    return value


def boolean(text: str) -> bool:
    values = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in values:
        raise ArgumentTypeError(f"{text} is neither True nor False")
    return values[text.lower()]


# What help shows in the place of a value.
METAVARS = {
    **dict.fromkeys((positive_int, count, clip_block_count), "N"),
    **dict.fromkeys((positive_float, nonnegative_float, ratio, part, share), "X"),
    boolean: "BOOL",
}
# What argparse calls a kind in errors: "invalid whole number value: 'x'".
for kind, metavar in METAVARS.items():
    kind.__name__ = {"N": "whole number", "X": "number", "BOOL": "boolean"}[metavar]
