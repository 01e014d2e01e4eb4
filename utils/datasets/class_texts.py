"""Texts that people write for the classes, in YAML."""

from dataclasses import replace
from pathlib import Path

from utils import PROJECT
from utils.data_set_file import MOST_TEXTS, NORMAL, RESERVED, text
from utils.labels import Dataset
from utils.system.console import note
from utils.system.errors import UserError
from utils.system.yaml_files import read_yaml

MANUAL_TEXTS = PROJECT / "configs" / "manual_texts.yml"


def class_texts(args, facts: Dataset) -> tuple[tuple[str, ...], ...]:
    """The descriptions of each class that CLIP's text side reads: those of `--texts`, the
    hand-written ones of `--text-tuning manual`, or the data set's own.

    Raises:
        UserError: as `manual_texts`.
    """
    texts = manual_texts(args.texts, facts) if writes_texts(args) else facts.texts
    if args.text_pool == "max" and all(len(of_class) == 1 for of_class in texts):
        note("--text-pool max changes nothing: every class has one description (--texts)")
    return texts


def writes_texts(args) -> bool:
    """Whether the options name other texts than the data set's."""
    return bool(args.texts) or args.text_tuning == "manual"


def manual_texts(path: str | None, facts: Dataset) -> tuple[tuple[str, ...], ...]:
    """Hand-written descriptions of each class, in the form of `Dataset.texts`.

    Args:
        path: YAML, data set -> class code -> a sentence or a list of them; None for
            configs/manual_texts.yml or, where a data set or its classes are not in it, its own
            texts.
        facts: of the data set.

    Raises:
        UserError: the file cannot be read, or the classes in it are not the data set's.
    """
    given = path
    path = path or MANUAL_TEXTS
    written = read_yaml(path, "texts")
    of_classes = written.get(facts.name) if isinstance(written, dict) else None
    if given is None and (of_classes is None or {*of_classes} != {*facts.classes}):
        return facts.texts
    if not isinstance(of_classes, dict):
        raise UserError(f"texts {path} have no entry '{facts.name}' with a line per class code")
    if odd := [str(code) for code in of_classes if code not in facts.classes]:
        raise UserError(
            f"texts {path}, {facts.name}: unknown class '{odd[0]}'; allowed are "
            f"{', '.join(facts.classes)}"
        )
    return tuple(
        sentences(of_classes.get(code), f"texts {path}, {facts.name}, class {code}")
        for code in facts.classes
    )


def custom_classes(path: str | Path, facts: Dataset) -> Dataset:
    """The data set's facts, with other anomaly classes to tell apart. No weights were trained for
    these: zero-shot.

    Args:
        path: YAML, class name -> a text that describes it, or a list of them. One called `normal`
            replaces the data set's text for that.
        facts: of the data set that the weights were trained on.

    Raises:
        UserError: the file cannot be read, or does not name one class at least.
    """
    written = read_yaml(path, "classes")
    if not isinstance(written, dict) or not all(isinstance(name, str) for name in written):
        raise UserError(f"classes {path}: expected lines 'name: what it looks like'")
    if odd := [name for name in written if name.casefold() in RESERVED or not name.strip()]:
        raise UserError(f"classes {path}: a class cannot be called '{odd[0]}': choose another name")
    texts = {NORMAL: facts.texts[0]}  # which comes first
    for name, value in written.items():
        known = NORMAL if name.casefold() == NORMAL else name
        if sum(other.casefold() == name.casefold() for other in written) > 1:
            raise UserError(f"classes {path}: '{name}' appears twice: name each class once")
        texts[known] = sentences(value, f"classes {path}, {name}")
    if len(texts) == 1:
        raise UserError(f"classes {path} names no class but {NORMAL}: expected one at least")
    names = tuple(texts)
    return replace(facts, classes=names, names=names, texts=tuple(texts.values()))


def sentences(value, place: str) -> tuple[str, ...]:
    """A sentence or a list of them.

    Raises:
        UserError: it is something else, or too much.
    """
    found = value if isinstance(value, list) else [value]
    if not found or not all(isinstance(s, str) and s.strip() for s in found):
        raise UserError(f"{place}: expected a sentence or a list of them, found {value}")
    if len(found) > MOST_TEXTS:
        raise UserError(f"{place}: {len(found)} texts; at most {MOST_TEXTS} are taken")
    return tuple(text(sentence, place) for sentence in found)
