"""What `--method` means for the other options."""

import argparse

from utils.system.console import note
from utils.system.errors import UserError

# Defaults of a baseline that an option file written for DSANet should not change unnoticed.
OF_METHODS = ("lr", "visual_length", "separation_weight", "select_by")
# The switches that make the network VadCLIP's.
VADCLIP = {"text_tuning": "prompt", "DNP_use": False, "DCSA_use": False}


def method_of(options: dict) -> str:
    """The method that options by destination choose, by its name or by its switches."""
    switched = all(options[name] == value for name, value in VADCLIP.items())
    return "vadclip" if options["method"] == "dsanet" and switched else options["method"]


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
    for name in OF_METHODS if "method" not in file else ():
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
                f"--method vadclip means --{name.replace('_', '-')} {value}, not "
                f"{getattr(parsed, name)}: leave one of the two out"
            )
    if parsed.texts and parsed.text_tuning != "manual":
        raise UserError(f"--texts {parsed.texts} is for --text-tuning manual")
    if parsed.method == "mil" and parsed.text_tuning != "adapter":  # the default
        raise UserError(
            f"--method mil reads no texts: leave out --text-tuning {parsed.text_tuning}"
        )
    if parsed.method == "mil" and parsed.select_by in ("auc2", "ap2"):
        raise UserError(f"--select-by {parsed.select_by}: --method mil has auc1 and ap1 only")
