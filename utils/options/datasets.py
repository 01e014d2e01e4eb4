"""What `--dataset` and `--validation` mean for the other options."""

import argparse
import os

from utils.labels import Dataset, read_dataset
from utils.metric_names import METRICS, OF_VIDEOS
from utils.system.console import dashed
from utils.system.errors import UserError

# Metrics that weights can be selected by without events.
SELECTABLE_WITHOUT_EVENTS = tuple(name for name in OF_VIDEOS if METRICS[name].selectable)


def files_of(name: str, method: str) -> dict[str, str]:
    """Where a run on the data set of this name writes unless it is told to write elsewhere."""
    name = name if method == "dsanet" else f"{name}_{method}"
    return {
        "model_path": f"model/model_{name}.pth",
        "checkpoint_path": f"model/checkpoint_{name}.pth",
        "output_dir": f"runs/{name}",
    }


def defaults_of(path: str, method: str) -> dict:
    """Defaults that the file of a data set brings, by destination.

    Raises:
        UserError: it cannot be used.
    """
    facts = read_dataset(path)
    truth = {
        "gt_path": facts.gt,
        "gt_segment_path": facts.gt_segment,
        "gt_label_path": facts.gt_label,
    }
    return {
        "classes_num": len(facts.classes),
        "train_list": str(facts.lists / facts.train_list),
        "test_list": str(facts.lists / facts.test_list),
        **{option: str(facts.lists / name) for option, name in truth.items() if name},
        **files_of(facts.name, method),
        **({} if facts.has_events else {"select_by": SELECTABLE_WITHOUT_EVENTS[0]}),
    }


def check_truth(parsed: argparse.Namespace, line: dict) -> None:
    """
    Args:
        parsed: all options.
        line: those of the command line. (The `options.yml` of a run says them all.)

    Raises:
        UserError: ground truth in the official form is named, and the data set has none.
    """
    options = ("gt_path", "gt_segment_path", "gt_label_path")
    named = [name for name in options if name in line]
    if parsed.dataset and named and not read_dataset(parsed.dataset).gt:
        raise UserError(
            f"{dashed(named[0])} would not be read: {parsed.dataset} names no ground-truth; say it "
            "there"
        )


def settle_adapting(parsed: argparse.Namespace) -> None:
    """Epochs are not adapted if --max-epoch is given, unless --adapt says so."""
    if parsed.adapt is None:
        parsed.adapt = "max_epoch" not in parsed.given


def check_selection(parsed: argparse.Namespace) -> None:
    """See that weights can be selected as the options say. Validation videos have no events.

    Raises:
        UserError: they cannot.
    """
    if parsed.select_on is None:
        parsed.select_on = "validation" if parsed.validation else "test"
    on_validation = parsed.select_on == "validation"
    if on_validation and not parsed.validation:
        raise UserError("--select-on validation: say with --validation 0.1 which share to hold out")
    needs_events = parsed.select == "best" and parsed.select_by not in SELECTABLE_WITHOUT_EVENTS
    if on_validation and needs_events:
        if "select_by" in parsed.given:
            raise UserError(
                f"--select-by {parsed.select_by} needs events, and validation videos have none: "
                f"choose {' or '.join(SELECTABLE_WITHOUT_EVENTS)}"
            )
        parsed.select_by, needs_events = SELECTABLE_WITHOUT_EVENTS[0], False
    no_events = parsed.dataset and not read_dataset(parsed.dataset).has_events
    if no_events and needs_events:
        raise UserError(
            f"--select-by {parsed.select_by} needs events, and {parsed.dataset} names none: choose "
            f"{' or '.join(SELECTABLE_WITHOUT_EVENTS)}"
        )


def has_test_set(args, facts: Dataset) -> bool:
    """Whether there are videos to test on. A data set of one's own may have none, where weights are
    not selected on them."""
    selected = args.select == "best" and args.select_on == "test"
    return selected or not facts.is_own or os.path.isfile(args.test_list)
