"""Evaluate anybody's scores of a test list, whatever made them.

    python -m utils.evaluate ucf --scores published.npz
    python -m utils.evaluate falls.yml --scores scores.csv --out runs/theirs

The scores are

- a .npz as --predictions writes it: videos, lengths, scores, and probabilities
  and classes if there are any
- a .csv with the columns video,score and, if there are any, one per class,
  in the order of time
- a folder of <video>.npy, (n,), or (n, 1 + C): a score, and the C classes

one per snippet or one per frame. The test list and its ground truth are those
of ucf_test.py or xd_test.py, whose options may follow: --test-list,
--gt-segment-path, --gt-label-path. The features need not be there.
"""

import os
from pathlib import Path

from utils.both_datasets import arguments_of, with_recipe
from utils.datasets.lists import read_list
from utils.evaluation.bootstrap import results_of
from utils.evaluation.metrics import Evaluation
from utils.evaluation.over_list import PER, scored_by
from utils.evaluation.predictions import save_predictions
from utils.evaluation.report import result_lines
from utils.system.command import OneLineParser, command, module_parser
from utils.system.console import say
from utils.system.errors import UserError
from utils.system.files import require_different, require_writable, write_json

MEANINGLESS = (
    "--predictions",
    "--model-path",
    "--output-dir",
    "--validation",
    "--method",
    "--texts",
    "--text-pool",
    "--normal-warmup",
)


def make_parser() -> OneLineParser:
    parser = module_parser("evaluate", __doc__)
    add = parser.add_argument
    add("dataset", metavar="{ucf,xd,FILE.yml}", help="whose test list it is")
    add("--scores", type=Path, required=True, metavar="FILE", help="file or folder of scores")
    add("--per", choices=PER, help="what a score is of (default: as their number says)")
    add("--out", type=Path, metavar="DIR", help="folder of results.json and predictions.npz "
        "(default: runs/NAME_scores)")  # fmt: skip
    return parser


@command
def main(argv=None):
    own, options = make_parser().parse_known_args(with_recipe(argv))
    for option in (o.partition("=")[0].replace("_", "-") for o in options):
        if option in MEANINGLESS:
            raise UserError(f"{option} means nothing here: see --help")
    args, facts = arguments_of(own.dataset, options)
    out = own.out or Path("runs") / f"{facts.name}_scores"
    results, predictions = out / "results.json", out / "predictions.npz"
    require_writable(results, predictions)
    require_different(scores=own.scores, out=predictions)

    if not os.path.isfile(args.test_list):
        raise UserError(
            f"test list {args.test_list} not found: copy the official lists (list/README.md), or "
            "say where they are: --test-list, --gt-segment-path, --gt-label-path"
        )
    rows = read_list(args.test_list, facts, args.feature_root, absent=True)
    scored = scored_by(own.scores, rows, facts, args, own.per)
    found = results_of(Evaluation(scored), args.bootstrap)
    save_predictions(str(predictions), scored)
    made_of = {"scores": str(own.scores), "test_list": args.test_list}
    write_json(results, {**made_of, **found})
    say(*result_lines(found))
    say("", f"in {results}; the scores, for utils.compare and utils.figures, in {predictions}")


if __name__ == "__main__":
    main()
