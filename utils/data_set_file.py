"""What a file that describes a data set may say, key by key; docs/own_data_set.md explains it."""

import difflib
import unicodedata
from datetime import date

from utils.row_time import FRAMES, UNITS
from utils.system.errors import UserError
from utils.system.files import composed

NORMAL = "normal"  # the class that is the normal one unless the file names another
RESERVED = ("video", "snippet", "start", "end", "score")  # columns beside the classes' own
MOST_WIDE = 2**16
MOST_TEXTS = 100  # of a class


def text(value, key: str) -> str:
    """A text of some letters, without spaces around it.

    Raises:
        UserError: it is something else; `key` names it.
    """
    if not isinstance(value, str) or not value.strip():
        empty = value is None or (isinstance(value, str) and not value.strip())
        shown = value if isinstance(value, date) else repr(value)
        kind = "is empty" if empty else f"is {shown}, not text"
        hint = ": put it in quotes" if isinstance(value, bool | int | float | date) else ""
        raise UserError(f"{key} {kind}{hint}")
    value = value.strip()  # folded text ends with a new line
    if odd := [c for c in value if unicodedata.category(c) in ("Cc", "Cs")]:
        raise UserError(f"{key} holds the control character {odd[0]!a}")
    return value


def part_of_file_names(value, key: str) -> str:
    name = text(value, key)
    if set(name) & set('/\\:*?"<>|') or name in (".", ".."):
        raise UserError(f"{key} '{name}' becomes part of files' names: use letters and digits")
    return name


def _unit(value, key: str) -> str:
    if value not in UNITS:
        raise UserError(f"{key} is '{value}': expected {' or '.join(UNITS)}")
    return value


def _positive(value, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < MOST_WIDE:
        raise UserError(f"{key} is {value!r}: expected a positive number below {MOST_WIDE}")
    return value


def _whole(value, key: str) -> int:
    if type(value) is not int or not 0 <= value < MOST_WIDE:
        raise UserError(f"{key} is {value!r}: expected a whole number below {MOST_WIDE}")
    return value


def _width(value, key: str) -> int:
    return int(_positive(_whole(value, key), key))


TRUTH_FILES = {"frames", "segments", "labels"}


def _truth(value, key: str) -> dict:
    if not isinstance(value, dict) or not value.keys() <= {*TRUTH_FILES, "normal"}:
        raise UserError(f"{key} is {value!r}: expected frames, segments, labels and normal")
    if not value.keys() >= TRUTH_FILES:
        raise UserError(f"{key} needs frames, segments and labels")
    return {part: text(name, f"{key}, {part}") for part, name in value.items()}


KEYS = {  # a check, which gives the value, and the default
    "name": (part_of_file_names, None),
    "title": (text, None),
    "classes": (lambda value, key: value, None),
    "normal": (text, None),
    "row": (lambda value, key: value, "16 frames"),
    "event-unit": (_unit, FRAMES),
    "width": (_width, None),
    "fps": (_positive, None),
    "features": (text, None),
    "videos": (text, None),
    "events": (text, None),
    "lists": (text, None),
    "train-list": (text, None),
    "test-list": (text, None),
    "test-crop": (_whole, None),
    "ground-truth": (_truth, {}),
}


def values_of(written) -> dict:
    """A value for every key, the default where nothing is written.

    Raises:
        UserError: what is wrong.
    """
    if not isinstance(written, dict):
        raise UserError("expected lines 'key: value', of which classes is one")
    for key in written:
        if key not in KEYS:
            near = difflib.get_close_matches(str(key).replace("_", "-"), KEYS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"allowed are {', '.join(KEYS)}"
            raise UserError(f"unknown key '{key}': {hint}")
    classes = written.get("classes")
    if classes is None or (isinstance(classes, dict | list) and not classes):
        raise UserError("classes is missing or empty: expected lines 'code: text' below it")
    said = {key: default for key, (_, default) in KEYS.items()}
    for key, value in written.items():
        said[key] = KEYS[key][0](value, key)
    return said


def parts_of(label: str) -> list[str]:
    """What stands between the hyphens of a label, whatever its case."""
    return [part.strip() for part in composed(label.casefold()).split("-")]


def classes_of(written) -> tuple[list[str], list[str], list[tuple[str, ...]]]:
    """Codes, names and texts of the classes in the order of the file.

    Raises:
        UserError: what is wrong.
    """
    if not isinstance(written, dict) or len(written) < 2:
        raise UserError("classes: expected two or more lines 'code: text', a normal one among them")
    codes, names, texts = [], [], []
    for code, value in written.items():
        code = composed(text(code, "a class"))
        place = f"class '{code}'"
        if parts_of(code) in map(parts_of, codes):
            raise UserError(f"{place} appears twice")
        if code.casefold() in RESERVED:
            raise UserError(
                f"{place} is the name of a column beside those of the classes: choose another"
            )
        if not isinstance(value, dict):
            value = {"texts": value}
        if odd := [str(key) for key in value if key not in ("name", "texts")]:
            raise UserError(f"{place} has the key '{odd[0]}': allowed are name and texts")
        name = text(value.get("name", code), f"{place}, name,")
        said = value.get("texts", name)
        said = said if isinstance(said, list) and said else [said]
        if len(said) > MOST_TEXTS:
            raise UserError(f"{place}: {len(said)} texts; at most {MOST_TEXTS} are taken")
        codes.append(code)
        names.append(name)
        texts.append(tuple(text(of_one, f"{place}: its text") for of_one in said))
    return codes, names, texts


def normal_of(said: str | None, codes: list[str]) -> int:
    """Index of the normal class.

    Raises:
        UserError: none is.
    """
    wanted = said or NORMAL
    for c, code in enumerate(codes):
        if code.casefold() == wanted.casefold():
            return c
    if said:
        raise UserError(f"normal is '{said}', no class: there are {', '.join(codes)}")
    raise UserError(f"no class is called {NORMAL}: say which is, 'normal: {codes[0]}' for example")
