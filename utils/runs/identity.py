"""What decides the result of a run: its options, and the files that they name, by content."""

from utils.datasets.class_texts import MANUAL_TEXTS
from utils.datasets.ground_truth import present_form
from utils.network.backbone import RANDOM
from utils.network.clip_file import weights_file
from utils.system.files import sha256

# Options that may be others when a run is resumed; the lists are compared by content.
MAY_CHANGE = {
    "config", "use_checkpoint", "check_data", "output_dir", "model_path", "checkpoint_path",
    "checkpoint_every", "log_every", "predictions", "device", "num_workers", "cache", "compile",
    "deterministic", "feature_root", "eval_batch", "clip_weights", "train_list", "test_list",
    "gt_path", "gt_segment_path", "gt_label_path",
}  # fmt: skip

# Of these the processes that share a run must agree on, too.
MUST_AGREE = ("eval_batch", "log_every", "checkpoint_every", "use_checkpoint")


def fixed_options(args) -> dict:
    """Those that decide what is computed."""
    return {name: value for name, value in vars(args).items() if name not in MAY_CHANGE}


def list_hashes(args, train: bool) -> dict[str, str]:
    """sha256 of the lists, of the ground truth and of hand-written class texts, by option."""
    files = {"train_list": args.train_list} if train else {}
    files |= {"test_list": args.test_list, "gt_path": args.gt_path}
    for option in ("gt_segment_path", "gt_label_path"):
        files[option] = present_form(getattr(args, option))
    if args.method != "mil" and args.text_tuning == "manual":
        files["texts"] = args.texts or MANUAL_TEXTS
    return {option: sha256(path) for option, path in files.items()}


def clip_hash(args) -> dict[str, str]:
    """sha256 of CLIP's weights, or that they are random; nothing for a method without."""
    if args.method == "mil":
        return {}
    source = args.clip_weights
    return {"clip_weights": RANDOM if source == RANDOM else sha256(weights_file(source))}
