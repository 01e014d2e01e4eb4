"""A trained network from Python: load weights, score the features of a video of any length.

    from detector import Detector
    detector = Detector.load("model/model_ucf.pth")
    scored = detector.score(numpy.load("video__0.npy"))
    print(scored.events)

The scripts load and score in this way, too.
"""

import argparse
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch

from model import build_model
from utils import checkpoint
from utils.both_datasets import DATASETS
from utils.engine import Scoring, Videos, eval_mode, score
from utils.evaluation.scored_videos import Prediction
from utils.event_defaults import FPS, MIN_CONFIDENCE, MIN_SECONDS
from utils.find_events import Event, Timeline, find_events
from utils.labels import Dataset, dataset_of
from utils.network.backbone import BACKBONES, WIDTH
from utils.options.parser import as_arguments
from utils.runs.weights import Weights
from utils.system.device import set_up_device
from utils.system.errors import UserError


class DetectorResult(NamedTuple):
    """What is said of a video of T rows of features.

    Attributes:
        scores: (T,) how abnormal each is, 0…1.
        probabilities: (T, C) of the classes, the normal one first; None from a method that tells
            none.
        events: from when to when, in seconds, and what; by time.
        seconds: (T + 1,) when the rows begin and end.
    """

    scores: np.ndarray
    probabilities: np.ndarray | None
    events: list[Event]
    seconds: np.ndarray


class Detector:
    """A network with its weights.

    Attributes:
        model: in eval mode.
        args: options that it is used with.
        facts: of the data set whose classes are told.
        width: of the features it takes.
        trained_on: the data set that the weights say they were trained on; None if they do not.
        held_out: `split.identity` of the videos that training held out for validation; None if the
            weights do not say so.
        random_clip: sides of CLIP that were random numbers when the weights were trained.
    """

    def __init__(self, model, args: argparse.Namespace, facts: Dataset, weights: Weights):
        self.model = model
        self.args = args
        self.facts = facts
        self.width = facts.width or WIDTH
        self.trained_on = weights.dataset
        self.held_out = weights.held_out
        self.random_clip = weights.random_clip
        self.scoring = Scoring.of(args)

    @classmethod
    def load(cls, path: str, dataset: str | None = None, **options) -> "Detector":
        """
        Args:
            path: weights that a training run left here, or released ones.
            dataset: whose classes to tell: `ucf`, `xd` or a file that describes one. By default the
                one that the weights were trained on, as far as they say or show it.
            options: of the test scripts by name: `device="cuda"`, `precision="bf16"`, `temp=1.0` …

        Raises:
            UserError: the weights cannot be used so.
        """
        weights = Weights.read(path)
        described = not (dataset is None or dataset in DATASETS)
        recipe = dataset if dataset in DATASETS else weights.recipe
        if recipe is None and dataset is None and weights.dataset is None:
            raise UserError(
                f"{path} does not say what it was trained on: name the data set, dataset='ucf', "
                "'xd' or a file that describes it"
            )
        parser, usual = DATASETS[recipe or "ucf"]
        given = {**options, "model_path": path, **({"dataset": dataset} if described else {})}
        args = parser.read(as_arguments(given))
        if dataset is None and weights.dataset is not None:
            usual = weights.dataset
        device = set_up_device(args.device, args.precision, args.deterministic)
        return cls.of(args, dataset_of(args, usual), device, weights)

    @classmethod
    def of(cls, args, facts: Dataset, device, weights: Weights | None = None) -> "Detector":
        """Build the detector from `weights` or, if there are none, from those of `--model-path`.

        CLIP's own file is read only if they lack its text side, as training checkpoints do.

        Raises:
            UserError: they cannot be read, or not be used so.
        """
        weights = weights or Weights.read(args.model_path)
        given, args = args, weights.adopted_by(args)
        args.classes_num = len(facts.classes)
        clip = BACKBONES[args.backbone].width
        if facts.width == BACKBONES[given.backbone].width and weights.width in (None, clip):
            facts = replace(facts, width=clip)
        args, facts = weights.with_classes_of(args, facts)
        weights.require_width(facts)
        weights.require_clip(args)
        weights.tell_where_from(facts)
        with torch.random.fork_rng(devices=[]):  # no drawn weight survives: `fit` replaces all
            model = build_model(args, facts, with_clip=not weights.holds_text)
        checkpoint.fit(model, weights.state, weights.path, take=True)
        return cls(model.to(device).eval(), args, facts, weights)

    def frames_per_row(self) -> int:
        """Frames of a video of which CLIP makes each row of its features.

        Raises:
            UserError: the weights take features that are not made so.
        """
        if self.width != (clip := BACKBONES[self.args.backbone].width):
            raise UserError(
                f"{self.args.model_path} takes features {self.width} wide, and CLIP's of a video "
                f"are {clip}: give feature files"
            )
        return self.facts.frames_per_row()

    @cached_property
    def text(self) -> torch.Tensor:
        """Text features of the classes, computed once."""
        with eval_mode(self.model):
            return self.model.encode_text()

    def predict(self, names: list[str], features: list[torch.Tensor]) -> list[Prediction]:
        """Scores of several videos, (T, D) each; `names` are for errors."""
        return score(self.model, Videos(self.scoring, names, features), self.text)

    def score(
        self,
        features: np.ndarray,
        fps: float | None = None,
        length: float | None = None,
        min_confidence: float = MIN_CONFIDENCE,
        min_seconds: float = MIN_SECONDS,
    ) -> DetectorResult:
        """
        Args:
            features: (T, D) of a video, T ≥ 1, any floating type.
            fps: frames a second of it, where a row stands for frames; by default what the data set
                says, or 30.
            length: of it, in frames or seconds as the data set counts; needed where a row is a
                share of it.
            min_confidence: of an event: its highest score is at least this.
            min_seconds: of an event: it is at least this long.

        Raises:
            UserError: the features are of another shape or kind, or not finite.
        """
        try:
            with np.errstate(over="ignore"):  # what float32 cannot hold is refused below
                rows = np.asarray(features, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise UserError(f"features are not an array of numbers: {error}") from None
        if rows.ndim != 2 or rows.shape[1] != self.width or not len(rows):
            raise UserError(f"features have shape {rows.shape}; expected (T, {self.width})")
        if not np.isfinite(rows).all():
            raise UserError("features hold NaN or infinite values")
        (found,) = self.predict(["the video"], [torch.from_numpy(rows)])
        timeline = Timeline(
            len(rows), fps or self.facts.fps or FPS, row=self.facts.row, length=length
        )
        least = min_confidence, min_seconds
        events = find_events(found, self.facts, timeline, *least, self.scoring.temperature)
        return DetectorResult(found.score, found.probabilities, events, timeline.edges)
