"""A test run: weights and test list -> what the official code prints, and `results.json`."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from detector import Detector
from utils.check_data import require_sound_data
from utils.datasets.lists import read_list
from utils.datasets.split import hold_out, identity, leave_out
from utils.engine import EvaluationSet, score
from utils.evaluation.bootstrap import results_of
from utils.evaluation.calibration import fit_temperature
from utils.evaluation.metrics import Evaluation
from utils.evaluation.predictions import save_predictions
from utils.evaluation.report import result_lines
from utils.labels import Dataset
from utils.network.backbone import random_clip
from utils.options.datasets import files_of
from utils.runs.identity import fixed_options, list_hashes
from utils.runs.memory import require_memory
from utils.system import group, parallel
from utils.system.console import note, plural, say
from utils.system.device import set_up_device, where
from utils.system.errors import UserError
from utils.system.files import require_different, require_writable, sha256, write_json
from utils.system.provenance import provenance


def run_test(args, facts: Dataset) -> None:
    """Score the test list, print the metrics and write them to `<output-dir>/results.json`."""
    require_writable(args.predictions)
    device = set_up_device(args.device, args.precision, args.deterministic)
    # Beside what comes next, which needs one core alone.
    hashed = ThreadPoolExecutor(1).submit(sha256, args.model_path)
    detector = Detector.of(args, facts, device)
    args, facts = detector.args, detector.facts
    if "output_dir" not in args.given:  # the weights may be of another method
        args.output_dir = files_of(facts.name, args.method)["output_dir"]
    results = Path(args.output_dir) / "results.json"
    require_writable(results)
    require_different(model_path=args.model_path, predictions=args.predictions, output_dir=results)
    if args.check_data:
        require_sound_data(args, facts, train=False)
    test = EvaluationSet(args, facts)
    require_memory(args, detector.model, test.most_at_once, training=False)
    hashes = {**list_hashes(args, facts, train=False), "model_path": hashed.result()}
    parallel.require_equal_settings(
        {**fixed_options(args), "eval_batch": args.eval_batch, **hashes}
    )
    videos = plural(len(test.rows), "video")
    say(f"testing {args.model_path}: {videos}, {where(device, args.precision)}")
    scored = test.scored(score(detector.model, test))
    temperature = temperature_of(detector)
    if group.rank():
        group.leave()
    if args.predictions:
        save_predictions(args.predictions, scored)
    found = results_of(Evaluation(scored, temperature), args.bootstrap)
    made_of = {"weights": args.model_path, "test_list": args.test_list}
    record = provenance(device, hashes)
    record["random_clip"] = list(detector.random_clip)
    if detector.random_clip:
        note(random_clip(*detector.random_clip))
    if detector.trained_on:
        record["trained_on"] = detector.trained_on.title
    write_json(results, {**made_of, **found, "provenance": record})
    say(*result_lines(found))
    group.leave()


def temperature_of(detector: Detector) -> float | None:
    """That of the calibration, from the videos that training held out; None without --validation,
    and where they cannot be told or read."""
    args, facts = detector.args, detector.facts
    if not args.validation:
        return None
    try:
        rows = read_list(args.train_list, facts, args.feature_root)
        rows, held_out = hold_out(rows, args.validation, args.seed, args.train_list)
        _, held_out = leave_out(rows, held_out, facts, args.leave_out)
        if detector.held_out != identity(held_out):
            raise UserError(
                f"{args.model_path} does not say that the videos of {args.train_list} that "
                f"--validation {args.validation:g} --seed {args.seed} draws were held out"
            )
        videos = EvaluationSet(args, facts, held_out)
    except UserError as error:
        note(f"{error}: no temperature is fitted")
        return None
    highest = [p.score.max() for p in score(detector.model, videos)]
    return fit_temperature(np.array(highest), np.array([not row.normal for row in held_out]))
