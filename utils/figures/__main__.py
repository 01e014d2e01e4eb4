"""Figures of a test run, as PNG and SVG.

    python -m utils.figures scores ucf --methods DSANet=a.npz VadCLIP=b.npz --videos Abuse028_x264
    python -m utils.figures all xd --model-path model/model_xd.pth --predictions p.npz

scores      detection scores over the annotated frames, of named or chosen videos
classes     average precision of every class
training    losses and metrics over the steps of a training run
prototypes  distances to the nearest normal prototype, normal against anomalous snippets
confusion   events and backgrounds against the class texts
tsne        snippets by class, before and after the network

The first two need predictions that a test script kept (--predictions, or --methods to lay several
over each other); training needs log.jsonl in --output-dir; the others need weights (--model-path).
All other options are those of the test script.
"""

import argparse
from functools import cached_property
from pathlib import Path

from utils.both_datasets import DATASETS
from utils.engine import EvaluationSet
from utils.figures.analysis import (
    clip_features,
    prototype_distances,
    require_class_texts,
    require_prototypes,
    semantics,
    snippet_classes,
    visual_features,
)
from utils.figures.classes import class_bars
from utils.figures.confusion import confusion_matrices
from utils.figures.prototypes import distance_histogram
from utils.figures.scores import choose_videos, find_videos, score_curves
from utils.figures.style import PALETTE, save
from utils.figures.training import read_log, training_curves
from utils.figures.tsne import sample, snippet_maps
from utils.labels import Dataset
from utils.metrics import Prediction, compute_metrics, load_predictions_of
from utils.runs.testing import load_for_test
from utils.system.command import OneLineParser, command
from utils.system.console import say
from utils.system.device import set_up_device
from utils.system.errors import UserError
from utils.system.files import require_writable

OF_PREDICTIONS = ("scores", "classes")
OF_WEIGHTS = ("prototypes", "confusion", "tsne")
KINDS = (*OF_PREDICTIONS, "training", *OF_WEIGHTS)


class Source:
    """What figures are made from, read when it is asked for."""

    def __init__(self, args: argparse.Namespace, facts: Dataset, own: argparse.Namespace):
        self.args = args
        self.facts = facts
        self.own = own

    @cached_property
    def test(self) -> EvaluationSet:
        return EvaluationSet(self.args, self.facts)

    @cached_property
    def methods(self) -> dict[str, list[Prediction]]:
        named = [method.partition("=") for method in self.own.methods or []]
        if odd := [name for name, equals, path in named if not (name and equals and path)]:
            raise UserError(f"--methods {odd[0]}: expected NAME=FILE.npz")
        files = {name: path for name, _, path in named}
        if len(files) < len(named):
            raise UserError("--methods: every name must be another")
        if len(files) > len(PALETTE):
            raise UserError(f"--methods: {len(files)}, more than the {len(PALETTE)} told apart")
        if not files and self.args.predictions:
            files["score"] = self.args.predictions
        if not files:
            raise UserError(
                "this figure is drawn from predictions: test with --predictions FILE.npz and name "
                "the file with the same option here"
            )
        return {
            name: load_predictions_of(path, self.test.rows, self.test.lengths)
            for name, path in files.items()
        }

    @cached_property
    def model(self):
        return load_for_test(
            self.args, self.facts, set_up_device(self.args.device, self.args.precision)
        )

    def scores(self):
        rows = self.test.rows
        videos = self.own.videos
        indices = find_videos(rows, videos) if videos else choose_videos(rows)
        return score_curves(self.methods, self.test.truth, rows, self.facts, indices), None

    def classes(self):
        metrics = {
            name: compute_metrics(predictions, self.test.truth, self.test.rows, self.facts)
            for name, predictions in self.methods.items()
        }
        if not any(m["per_class_ap"] for m in metrics.values()):
            raise UserError("none of these methods tells classes")
        without = [name for name, m in metrics.items() if not m["per_class_ap"]]
        left_out = f"without {', '.join(without)}, which tells no classes" if without else None
        return class_bars(metrics, self.facts), left_out

    def training(self):
        log = Path(self.args.output_dir) / "log.jsonl"
        return training_curves(read_log(log), str(log)), f"from {log}"

    def prototypes(self):
        require_prototypes(self.args)
        distances = prototype_distances(self.model, self.test)
        return distance_histogram(distances, snippet_classes(self.test) > 0)

    def confusion(self):
        require_class_texts(self.args)
        found = semantics(self.model, self.test)
        return confusion_matrices(self.test.rows, found, self.facts)

    def tsne(self):
        require_class_texts(self.args)
        classes = snippet_classes(self.test)
        chosen = sample(classes)
        before, after = clip_features(self.test), visual_features(self.model, self.test)
        return snippet_maps(before[chosen], after[chosen], classes[chosen], self.facts), None


@command
def main(argv=None):
    parser = OneLineParser(
        prog="python -m utils.figures",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # --method is not --methods
    )
    parser.add_argument("figure", choices=(*KINDS, "all"))
    parser.add_argument("dataset", choices=DATASETS)
    parser.add_argument("--out", type=Path, help="folder (default: figures in --output-dir)")
    parser.add_argument("--videos", nargs="+", help="to draw scores of (default: some chosen)")
    parser.add_argument(
        "--methods", nargs="+", metavar="NAME=FILE.npz", help="predictions to compare"
    )
    own, options = parser.parse_known_args(argv)
    options_parser, facts = DATASETS[own.dataset]
    args = options_parser.parse_args(options)
    folder = own.out or Path(args.output_dir) / "figures"
    kinds = KINDS if own.figure == "all" else (own.figure,)
    require_writable(*(folder / f"{kind}.png" for kind in kinds))
    source = Source(args, facts, own)
    drawn = 0
    for kind in kinds:
        try:
            figure, shown = getattr(source, kind)()
        except UserError as error:
            if own.figure != "all":
                raise
            say(f"left out: {kind}: {error}")
            continue
        png, svg = save(figure, folder, kind)
        drawn += 1
        say(f"{png}, {svg.name}" + (f": {shown}" if shown else ""))
    if not drawn:
        raise UserError("nothing could be drawn, see above")


if __name__ == "__main__":
    main()
