"""What decides the result of a run: its options, and the files that they name, by content."""

import hashlib
import json
from contextlib import suppress

from utils.datasets.class_texts import MANUAL_TEXTS, writes_texts
from utils.datasets.lists import FeatureFinder, list_lines
from utils.datasets.official_truth import present_form
from utils.labels import Dataset
from utils.network.clip_file import weights_identity
from utils.options.datasets import has_test_set
from utils.options.methods import METHODS
from utils.system.errors import UserError
from utils.system.files import sha256

# Options that may be others when a run is resumed; the lists are compared by content.
MAY_CHANGE = {
    "given", "config", "dataset", "use_checkpoint", "check_data", "output_dir", "model_path",
    "checkpoint_path", "checkpoint_every", "log_every", "predictions", "bootstrap", "device",
    "num_workers",
    "cache", "compile", "deterministic", "feature_root", "eval_batch", "clip_weights", "train_list",
    "test_list", "gt_path", "gt_segment_path", "gt_label_path",
}  # fmt: skip

# Of these the processes that share a run must agree on, too.
MUST_AGREE = ("eval_batch", "log_every", "checkpoint_every", "use_checkpoint")


def fixed_options(args) -> dict:
    """Those that decide what is computed."""
    return {name: value for name, value in vars(args).items() if name not in MAY_CHANGE}


def list_hashes(args, facts: Dataset, train: bool) -> dict[str, str]:
    """sha256 of the lists, of the ground truth and of hand-written class texts, by option; of what
    a data set of one's own says of itself; and of the first feature file of the first list: the
    same lists may name other features.

    Raises:
        OSError: a file cannot be read.
    """
    files = {"train_list": args.train_list} if train else {}
    if has_test_set(args, facts):
        files["test_list"] = args.test_list
        if facts.events:
            files["events"] = facts.events
        elif facts.gt:
            files["gt_path"] = args.gt_path
            for option in ("gt_segment_path", "gt_label_path"):
                files[option] = present_form(getattr(args, option))
    if METHODS[args.method].tells_classes and writes_texts(args):
        files["texts"] = args.texts or MANUAL_TEXTS
    hashes = {option: sha256(path) for option, path in files.items()}
    first_list = args.train_list if train else args.test_list
    with suppress(UserError):  # whoever reads the list tells what is wrong with it
        _, (path, *_) = list_lines(first_list)[0]
        hashes["first_features"] = sha256(FeatureFinder(args.feature_root)(path))
    if facts.is_own:
        described = json.dumps(facts.described(), sort_keys=True).encode()
        hashes["described"] = hashlib.sha256(described).hexdigest()
    return hashes


def clip_hash(args) -> dict[str, str]:
    """sha256 of CLIP's weights, or that they are random; nothing for a method without."""
    if not METHODS[args.method].tells_classes:
        return {}
    return {"clip_weights": weights_identity(args.clip_weights)}
