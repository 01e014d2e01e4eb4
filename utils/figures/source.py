"""What the figures of a test run are made from."""

from functools import cached_property
from pathlib import Path

from detector import Detector
from utils.engine import EvaluationSet
from utils.evaluation.metrics import Evaluation
from utils.evaluation.predictions import (
    load_predictions_of,
    load_scored,
    require_same_videos,
)
from utils.evaluation.scored_videos import ScoredVideos
from utils.figures.analysis import (
    clip_features,
    known_truth,
    prototype_distances,
    require_class_texts,
    require_prototypes,
    require_visual_features,
    semantics,
    snippet_classes,
    visual_features,
)
from utils.figures.classes import class_bars
from utils.figures.confusion import confusion_matrices
from utils.figures.curves import delay_curves, recall_over_alarms, reliability, roc_and_pr
from utils.figures.prototypes import distance_histogram
from utils.figures.scores import choose_videos, indices_of, score_curves
from utils.figures.style import PALETTE
from utils.figures.training import read_log, training_curves
from utils.figures.tsne import sample, snippet_maps
from utils.labels import Dataset
from utils.system.device import set_up_device
from utils.system.errors import UserError


class Source:
    """What figures are made from, read when it is asked for. Each kind of figure is a method of
    that name: it gives the figure, and what it shows in a line, or None.

    Args:
        args: options of the test script.
        facts: of the data set.
        methods: `NAME=FILE.npz` of predictions; None for `--predictions` of the options.
        videos: names of those to draw scores of; None for some that are chosen.
    """

    def __init__(
        self,
        args,
        facts: Dataset,
        methods: list[str] | None = None,
        videos: list[str] | None = None,
    ):
        self.args = args
        self.facts = facts
        self.named = methods or []
        self.videos = videos
        self.first: tuple[ScoredVideos, str] | None = None  # file of scores

    @cached_property
    def test(self) -> EvaluationSet:
        return EvaluationSet(self.args, self.facts)

    @cached_property
    def methods(self) -> dict[str, ScoredVideos]:
        named = [method.partition("=") for method in self.named]
        odd = [n for n, equals, path in named if not (n and equals and path) or n[0] == "_"]
        if odd:
            raise UserError(f"--methods {odd[0]}: expected NAME=FILE.npz")
        files = {name: path for name, _, path in named}
        if len(files) < len(named):
            raise UserError("--methods: the names must differ")
        if len(files) > len(PALETTE):
            raise UserError(f"--methods: {len(files)}, more than the {len(PALETTE)} told apart")
        if not files and self.args.predictions:
            files["score"] = self.args.predictions
        if not files:
            raise UserError(
                "this figure is drawn from predictions: test with --predictions FILE.npz and name "
                "the file with the same option here"
            )
        return {name: self._scored(path) for name, path in files.items()}

    def _scored(self, path: str) -> ScoredVideos:
        """What a file of scores keeps; of an older one, with what is known of the test list.

        Raises:
            UserError: they are of other videos than the first.
        """
        scored = load_scored(path)
        if scored is None:
            try:
                predictions = load_predictions_of(path, self.test.rows, self.test.lengths)
            except UserError as error:
                raise UserError(
                    f"{path} has scores, but no ground truth: put it through python -m "
                    f"utils.evaluate, or name the test list and its features ({error})"
                ) from None
            scored = self.test.scored(predictions)
        if scored.facts.classes != self.facts.classes:
            raise UserError(
                f"{path} is of {scored.facts.title}, not of {self.facts.title}: name its data set"
            )
        self.first = self.first or (scored, path)
        require_same_videos(*self.first, scored, path)
        return scored

    @property
    def with_events(self) -> dict[str, ScoredVideos]:
        """The methods.

        Raises:
            UserError: it is not known when something happens in the videos.
        """
        for scored in self.methods.values():
            known_truth(scored)
        return self.methods

    @property
    def with_both_kinds(self) -> dict[str, ScoredVideos]:
        """The methods.

        Raises:
            UserError: there are not both normal and abnormal frames.
        """
        for scored in self.with_events.values():
            if scored.truth.one_kind:
                raise UserError("this figure needs normal and abnormal frames; all are of one kind")
        return self.methods

    @cached_property
    def detector(self) -> Detector:
        args = self.args
        device = set_up_device(args.device, args.precision, args.deterministic)
        return Detector.of(args, self.facts, device)

    @cached_property
    def detector_test(self) -> EvaluationSet:
        """The test videos as the weights score them, which may bring their own options."""
        return EvaluationSet(self.detector.args, self.detector.facts)

    def scores(self):
        methods = self.with_events
        rows = next(iter(methods.values())).rows
        indices = indices_of(rows, self.videos) if self.videos else choose_videos(rows)
        return score_curves(methods, indices), None

    def roc(self):
        return roc_and_pr({name: [scored] for name, scored in self.with_both_kinds.items()}), None

    def alarms(self):
        return recall_over_alarms(self.with_both_kinds), None

    def delay(self):
        return delay_curves(self.with_both_kinds), None

    def reliability(self):
        return reliability(self.with_events), None

    def classes(self):
        methods = {name: Evaluation(scored) for name, scored in self.with_events.items()}
        metrics = {name: evaluation.metrics() for name, evaluation in methods.items()}
        if not any(m["per_class_ap"] for m in metrics.values()):
            raise UserError("none of these methods tells classes")
        without = [name for name, m in metrics.items() if not m["per_class_ap"]]
        left_out = f"without {', '.join(without)}, which tells no classes" if without else None
        return class_bars(metrics, self.facts), left_out

    def training(self):
        log = Path(self.args.output_dir) / "log.jsonl"
        return training_curves(read_log(log), str(log)), f"from {log}"

    def prototypes(self):
        require_prototypes(self.detector.args)
        abnormal = snippet_classes(self.detector_test) > 0
        distances = prototype_distances(self.detector.model, self.detector_test)
        return distance_histogram(distances, abnormal, published=not self.facts.is_own)

    def confusion(self):
        require_class_texts(self.detector.args.method)
        found = semantics(self.detector.model, self.detector_test)
        return confusion_matrices(self.detector_test.rows, found, self.facts)

    def tsne(self):
        require_visual_features(self.detector.args.method)
        classes = snippet_classes(self.detector_test)
        chosen = sample(classes)
        before = clip_features(self.detector_test)
        after = visual_features(self.detector.model, self.detector_test)
        return snippet_maps(before[chosen], after[chosen], classes[chosen], self.facts), None
