"""A test run: weights and test list -> what the official code prints, and `results.json`."""

from pathlib import Path

from model import build_model
from utils import checkpoint
from utils.check_data import require_sound_data
from utils.engine import EvaluationSet, evaluate
from utils.labels import Dataset
from utils.metrics import report_lines, save_predictions
from utils.network.backbone import RANDOM
from utils.runs.identity import clip_hash, fixed_options, list_hashes
from utils.system import group, parallel
from utils.system.device import set_up_device
from utils.system.errors import UserError
from utils.system.files import require_writable, sha256, write_json
from utils.system.provenance import provenance
from utils.system.untrusted import load_tensors


def load_for_test(args, facts: Dataset, device):
    """The model with the weights of `--model-path`, in eval mode.

    CLIP's own file is read only where the weights lack its text side, as training checkpoints do.
    """
    kept = load_tensors(args.model_path)
    state = checkpoint.weights_of(kept, args.model_path)
    checkpoint.require_method(state, args.method, args.model_path)
    holds_text = checkpoint.holds_text(state)
    if not holds_text:
        _require_same_clip(kept, args)
    model = build_model(args, facts, with_clip=not holds_text)
    checkpoint.fit(model, state, args.model_path)
    return model.to(device).eval()


def _require_same_clip(kept: dict, args) -> None:
    """See that `--clip-weights` are those that weights without CLIP's text side were trained with.

    Raises:
        UserError: they are others, or random and nothing says that the others were.
    """
    options = kept.get("options")
    trained = options.get("clip_weights") if isinstance(options, dict) else None
    if trained is None and args.clip_weights == RANDOM and args.method != "mil":
        raise UserError(
            f"{args.model_path} has no CLIP text weights, and --clip-weights {RANDOM} cannot stand "
            "in for those it was trained with: name CLIP's file"
        )
    if trained is not None and trained != (given := clip_hash(args).get("clip_weights")):
        raise UserError(
            f"{args.model_path} was trained with CLIP weights {str(trained)[:12]}, but "
            f"--clip-weights {args.clip_weights} are {given[:12]} (sha256): name the same file"
        )


def run_test(args, facts: Dataset) -> None:
    """Score the test list, print the metrics and write them to `<output-dir>/results.json`."""
    results = Path(args.output_dir) / "results.json"
    require_writable(results, args.predictions)
    device = set_up_device(args.device, args.precision, args.deterministic)
    if args.check_data:
        require_sound_data(args, facts, train=False)
    test = EvaluationSet(args, facts)
    model = load_for_test(args, facts, device)
    hashes = {**list_hashes(args, train=False), "model_path": sha256(args.model_path)}
    parallel.require_same({**fixed_options(args), "eval_batch": args.eval_batch, **hashes})
    metrics, predictions = evaluate(model, test)
    if group.rank():
        group.leave()
    if args.predictions:
        save_predictions(args.predictions, predictions, test.rows, facts)
    made_of = {"weights": args.model_path, "test_list": args.test_list}
    record = provenance(device, hashes)
    write_json(results, {**made_of, **metrics, "provenance": record})
    print("\n".join(report_lines(metrics)))
    group.leave()
