"""The methods, and what `--method` means for the other options."""

import argparse
from typing import NamedTuple

from utils.system.console import dashed, note
from utils.system.errors import UserError


class Method(NamedTuple):
    """
    Attributes:
        title: for people.
        defaults: of options, by destination, where they differ from DSANet's on every data set.
        tells_classes: whether it says what happens, by CLIP's texts; else only when.
        has_visual_features: whether its network gives features of its own.
        pairs_videos: whether a step takes as many normal as anomalous videos, whatever the recipe.
        sees_whole_videos: whether a test video is scored whole, and not in chunks.
        goes_back: whether every epoch begins with the best weights so far.
        one_process: why it trains in one process alone; empty if it need not.
    """

    title: str
    defaults: dict
    tells_classes: bool = True
    has_visual_features: bool = True
    pairs_videos: bool = False
    sees_whole_videos: bool = False
    goes_back: bool = True
    one_process: str = ""


# The switches that make the network VadCLIP's.
VADCLIP = {"text_tuning": "prompt", "DNP_use": False, "DCSA_use": False}
SEGMENTS = {"visual_length": 32}  # of a training video
# Both papers call a single step an epoch.
RTFM = Method(
    "RTFM",
    {
        **SEGMENTS,
        "lr": 1e-3,
        "batch_size": 32,
        "max_steps": 15_000,
        "max_epoch": 15_000,
        "eval_every": 5,
        "eval_from": 205,
    },
    tells_classes=False,
    pairs_videos=True,
    sees_whole_videos=True,
    goes_back=False,
    one_process="its statistics and losses reach over the whole batch, and it is small",
)
METHODS = {
    "dsanet": Method("DSANet", {}),
    "vadclip": Method("VadCLIP", VADCLIP),
    "mil": Method(
        "MIL ranking",
        {**SEGMENTS, "lr": 0.01},
        tells_classes=False,
        has_visual_features=False,
        one_process="it ranks all pairs of a batch, and is small",
    ),
    "rtfm": RTFM,
    "clip-tsa": RTFM._replace(
        title="CLIP-TSA",
        defaults={
            **RTFM.defaults,
            "batch_size": 16,
            "max_steps": 4000,
            "max_epoch": 4000,
            "eval_from": 155,
        },
    ),
}

OF_RTFM = ("rtfm", "clip-tsa")  # whose losses and optimizer are RTFM's
# Defaults of a baseline that an option file written for DSANet should not change unnoticed.
NOTED_IN_FILES = (
    "lr", "visual_length", "separation_weight", "select_by", "batch_size", "max_steps",
    "eval_every",
)  # fmt: skip
OF_TEXTS = {"text_tuning": "adapter", "texts": None, "text_pool": "mean"}  # with their defaults
CLASS_METRICS = ("auc2", "ap2")  # metrics of class probabilities that weights can be selected by


def method_of(options: dict) -> str:
    """The method that options by destination choose, by its name or by its switches."""
    switched = all(options[name] == value for name, value in VADCLIP.items())
    return "vadclip" if options["method"] == "dsanet" and switched else options["method"]


def has_sgnm(options: argparse.Namespace) -> bool:
    """Whether the network is trained with SG-NM. (Weights do not show it: its parameters are part
    of DSANet's in any case.)"""
    return options.method == "dsanet" and options.DNP_use


def check_file(parsed: argparse.Namespace, file: dict, own: dict) -> None:
    """See that a config file is meant for the method; a value that may not be is said on stderr.

    Args:
        parsed: all options.
        file: what the config file says, by destination.
        own: the method's own defaults.

    Raises:
        UserError: the file names another method.
    """
    if file.get("method", parsed.method) != parsed.method:
        raise UserError(
            f"{parsed.config} holds the options of --method {file['method']}, and {parsed.method} "
            "has others: leave --method out, or the file"
        )
    for name in NOTED_IN_FILES if "method" not in file else ():
        if name in file and name in own and file[name] == getattr(parsed, name) != own[name]:
            note(
                f"{name} is {file[name]} in {parsed.config}; --method {parsed.method} has "
                f"{own[name]}"
            )


def check_method(parsed: argparse.Namespace) -> None:
    """
    Raises:
        UserError: an option contradicts the method, or another option.
    """
    for name, value in VADCLIP.items():
        if parsed.method == "vadclip" and getattr(parsed, name) != value:
            raise UserError(
                f"--method vadclip means {dashed(name)} {value}, not "
                f"{getattr(parsed, name)}: leave one of the two out"
            )
    for name in ("score_residual", "normal_warmup"):
        if (value := getattr(parsed, name)) and not has_sgnm(parsed):
            raise UserError(
                f"{dashed(name)} {value} needs SG-NM, which --method dsanet with --DNP_use True has"
            )
    method = METHODS[parsed.method]
    if parsed.mask_padding and not method.tells_classes:
        raise UserError(
            f"--mask-padding True is for dsanet and vadclip: --method {parsed.method} pads nothing"
        )
    for name in ("DCSA_pool", "select_normal") if parsed.mask_padding else ():
        if name in parsed.given and getattr(parsed, name) != "video":
            raise UserError(
                f"--mask-padding True means {dashed(name)} video, not "
                f"{getattr(parsed, name)}: leave one of the two out"
            )
        setattr(parsed, name, "video")
    for name, usual in OF_TEXTS.items() if not method.tells_classes else ():
        if (value := getattr(parsed, name)) != usual:
            raise UserError(
                f"--method {parsed.method} reads no texts: leave out {dashed(name)} {value}"
            )
    if not method.tells_classes and parsed.select_by in CLASS_METRICS:
        raise UserError(
            f"--select-by {parsed.select_by}: --method {parsed.method} tells no classes; choose "
            "auc1, ap1 or pr_auc"
        )
    if parsed.crops > 1 and not method.pairs_videos:
        raise UserError(
            f"--crops {parsed.crops} is for --method {' and '.join(OF_RTFM)}: to --method "
            f"{parsed.method} every crop is a training video of its own"
        )
