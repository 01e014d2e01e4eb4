"""A test run: weights and test list -> what the official code prints, and `results.json`."""

from pathlib import Path

from detector import Detector
from utils.check_data import require_sound_data
from utils.engine import EvaluationSet, evaluate
from utils.evaluation.predictions import save_predictions
from utils.evaluation.report import report_lines
from utils.labels import Dataset
from utils.runs.identity import fixed_options, list_hashes
from utils.system import group, parallel
from utils.system.device import set_up_device
from utils.system.files import require_writable, sha256, write_json
from utils.system.provenance import provenance


def run_test(args, facts: Dataset) -> None:
    """Score the test list, print the metrics and write them to `<output-dir>/results.json`."""
    results = Path(args.output_dir) / "results.json"
    require_writable(results, args.predictions)
    device = set_up_device(args.device, args.precision, args.deterministic)
    if args.check_data:
        require_sound_data(args, facts, train=False)
    detector = Detector.of(args, facts, device)
    args, facts = detector.args, detector.facts
    test = EvaluationSet(args, facts)
    hashes = {**list_hashes(args, facts, train=False), "model_path": sha256(args.model_path)}
    parallel.require_same({**fixed_options(args), "eval_batch": args.eval_batch, **hashes})
    metrics, predictions = evaluate(detector.model, test)
    if group.rank():
        group.leave()
    if args.predictions:
        save_predictions(args.predictions, predictions, test.rows, facts)
    made_of = {"weights": args.model_path, "test_list": args.test_list}
    record = provenance(device, hashes)
    if detector.trained_on:
        record["trained_on"] = detector.trained_on.title
    write_json(results, {**made_of, **metrics, "provenance": record})
    print("\n".join(report_lines(metrics)))
    group.leave()
