"""What weights that training leaves here carry of the run that made them: its options, its data set
and CLIP's hash."""

import json
from dataclasses import replace
from typing import NamedTuple

from utils.both_datasets import DATASETS
from utils.datasets.class_texts import class_texts, sentences, writes_texts
from utils.labels import Dataset
from utils.options.methods import METHODS
from utils.options.parser import as_arguments
from utils.runs.identity import fixed_options
from utils.system.errors import UserError

# Options that decide what the weights compute in a test: of every method, of those that tell
# classes, and of CLIP-TSA. Another one that is `MAY_DIFFER_IN_TEST` may be given.
METHOD_OPTIONS = ("method", "backbone", "visual_length")
CLASS_METHOD_OPTIONS = (
    "text_tuning", "text_pool", "text_adapt_until", "t_w", "prompt_prefix", "prompt_postfix",
    "visual_layers", "visual_head", "attn_window", "DNP_use", "DCSA_use", "DCSA_pool",
    "background_weights",
    "num_prototypes", "normal_selection_ratio", "select_normal", "decoder_depth",
    "decoder_residual", "mask_padding", "score_residual", "temp",
)  # fmt: skip
CLIP_TSA_OPTIONS = ("tsa_kappa", "tsa_cap")
OF_WEIGHTS = METHOD_OPTIONS + CLASS_METHOD_OPTIONS + CLIP_TSA_OPTIONS
MAY_DIFFER_IN_TEST = ("temp", "score_residual", "tsa_cap")
# Of these, what the weights' shapes show, which alone decides how large a network is made.
VISIBLE_IN_SHAPES = ("visual_length", "visual_layers", "num_prototypes", "decoder_depth")
VERSION = 1


def made_with(args, facts: Dataset, clip: str | None, held_out: str | None = None) -> dict:
    """What weights carry of the run that made them.

    Args:
        args: options of the run.
        facts: of the data set.
        clip: sha256 of CLIP's weights, or that they are random; None for a method without.
        held_out: `split.identity` of the validation videos.
    """
    knowledge = {
        "options": fixed_options(args),
        "dataset": facts.described(),
        "clip": clip,
        "held_out": held_out,
    }
    if METHODS[args.method].tells_classes and writes_texts(args):
        knowledge["texts"] = class_texts(args, facts)
    # Copied through JSON so that nothing is shared: equal runs must write equal files.
    return json.loads(json.dumps({"version": VERSION, **knowledge}))


class MadeWith(NamedTuple):
    """What `made_with` gave, read again; see `Weights`."""

    dataset: Dataset
    options: dict
    clip: str | None
    held_out: str | None
    left_out: tuple[str, ...]
    usual_texts: tuple[tuple[str, ...], ...] | None

    @classmethod
    def read(cls, said, method: str) -> "MadeWith":
        """
        Args:
            said: what weights say, which may be anything.
            method: of the weights, which decides what options matter.

        Raises:
            KeyError, TypeError, ValueError, UserError: it is not what `made_with` gives.
        """
        parts = {"version": int, "options": dict, "dataset": dict, "clip": str | None}
        for part, kind in parts.items():
            if not isinstance(said, dict) or not isinstance(said[part], kind):
                raise TypeError(part)
        if said["version"] != VERSION:
            raise ValueError(f"version {said['version']}")
        options, own = said["options"], Dataset.of(said["dataset"])
        dataset = replace(own, texts=_texts(said, own))
        return cls(
            dataset,
            _options(options, method),
            said["clip"],
            _held_out(said),
            _left_out(options, dataset),
            None if dataset.texts == own.texts else own.texts,
        )


def _options(said: dict, method: str) -> dict:
    """Options by destination that matter to the method, checked as if they were given. One that is
    newer than the weights has its default.

    Raises:
        KeyError, TypeError, UserError: one is something else.
    """
    options = {name: value for name, value in said.items() if name in OF_WEIGHTS}
    for name, value in options.items():
        if not isinstance(value, str | int | float):
            raise TypeError(name)
    if options["method"] not in METHODS:
        raise UserError(f"unknown method {options['method']}")
    # DSANet knows them all; weights of another method may have some that mean nothing to it.
    of_dsanet = as_arguments(options | {"method": "dsanet"})
    found = vars(DATASETS["ucf"][0].read(of_dsanet)) | {"method": options["method"]}
    names = [*METHOD_OPTIONS, *(CLIP_TSA_OPTIONS if method == "clip-tsa" else ())]
    names += CLASS_METHOD_OPTIONS if METHODS[method].tells_classes else ()
    return {name: found[name] for name in names}


def _held_out(said: dict) -> str | None:
    """
    Raises:
        TypeError: it is something else.
    """
    if not isinstance(held_out := said.get("held_out"), str | None):
        raise TypeError("held_out")
    return held_out


def _left_out(options: dict, dataset: Dataset) -> tuple[str, ...]:
    """Class codes.

    Raises:
        TypeError, UserError: they are something else.
    """
    codes = options.get("leave_out") or []
    if not isinstance(codes, list):
        raise TypeError("leave_out")
    dataset.seen(codes)
    return tuple(codes)


def _texts(said: dict, dataset: Dataset) -> tuple[tuple[str, ...], ...]:
    """Descriptions of each class.

    Raises:
        TypeError, UserError: they are something else.
    """
    if "texts" not in said:
        return dataset.texts
    texts = said["texts"]
    if not isinstance(texts, list) or len(texts) != len(dataset.classes):
        raise TypeError("texts")
    return tuple(sentences(of_class, "texts") for of_class in texts)
