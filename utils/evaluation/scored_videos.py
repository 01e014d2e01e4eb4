"""The scores of a list of videos, and what is known of these: all that an evaluation needs."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from utils.datasets.ground_truth import GroundTruth
from utils.datasets.lists import Row
from utils.event_defaults import FPS
from utils.labels import Dataset
from utils.row_time import FRAMES
from utils.system.errors import UserError

HOUR = 3600


class Prediction(NamedTuple):
    """Scores of one video of T snippets."""

    score: np.ndarray  # (T,) S_det = σ(logits1)
    probabilities: np.ndarray | None = None  # (T, C), from a method that tells classes


@dataclass
class ScoredVideos:
    """V videos of T snippets each.

    Attributes:
        predictions: of the videos.
        truth: of the videos; None where it is not known when something happens.
        rows: of the list.
        facts: of the data set.
        edges: per video (T + 1,), when its snippets begin and end, in the unit of the data set; by
            default those of the ground truth, or of the rows. None where that is not known.
        left_out: anomaly classes that were not trained on, by code.
    """

    predictions: list[Prediction]
    truth: GroundTruth | None
    rows: list[Row]
    facts: Dataset
    edges: list[np.ndarray] | None = None
    left_out: tuple[str, ...] = ()

    def __post_init__(self):
        if self.truth:
            self.edges = self.truth.edges
        elif self.edges is None:
            self.edges = self._edges_of_rows()

    @property
    def num_videos(self) -> int:
        return len(self.rows)

    @property
    def tells_classes(self) -> bool:
        return self.predictions[0].probabilities is not None

    @cached_property
    def are_probabilities(self) -> bool:
        """Whether all scores lie in 0…1."""
        return bool(self.flat_scores.min() >= 0 and self.flat_scores.max() <= 1)

    @property
    def scores(self) -> list[np.ndarray]:
        """Per video (T,)."""
        return [p.score for p in self.predictions]

    @cached_property
    def flat_scores(self) -> np.ndarray:
        """(Σ T,)."""
        return np.concatenate(self.scores)

    @cached_property
    def video_of_row(self) -> np.ndarray:
        """(Σ T,) to which video each snippet belongs."""
        return np.repeat(np.arange(self.num_videos), [len(s) for s in self.scores])

    @cached_property
    def anomalous(self) -> np.ndarray:
        """(V,)."""
        return np.array([not row.normal for row in self.rows])

    def _edges_of_rows(self) -> list[np.ndarray] | None:
        try:
            return [
                self.facts.row.edges(len(p.score), row.length)
                for p, row in zip(self.predictions, self.rows, strict=True)
            ]
        except UserError:  # rows are shares of videos whose lengths are not known
            return None

    @cached_property
    def seconds(self) -> list[np.ndarray]:
        """The edges in seconds."""
        return [self._in_seconds(of_video) for of_video in self.edges]

    @cached_property
    def spans(self) -> list[list[tuple[float, float]]]:
        """Per video, [start, end) in seconds of what is abnormal."""
        return [
            [tuple(self._in_seconds(np.array(span)).tolist()) for span in of_video]
            for of_video in self.truth.spans
        ]

    def described(self) -> dict:
        """How much there is to test on: `videos`, `anomalous` ones, `hours` of all; where events
        are known, how many `events`, and the share of `abnormal` time."""
        found = {"videos": self.num_videos, "anomalous": int(self.anomalous.sum())}
        if self.edges is not None:
            found["hours"] = float(sum(e[-1] - e[0] for e in self.seconds) / HOUR)
        if self.truth:
            found["events"] = sum(map(len, self.truth.spans))
            found["abnormal"] = float(self.truth.abnormal.sum() / self.truth.durations.sum())
        return found

    def _in_seconds(self, times: np.ndarray) -> np.ndarray:
        if self.facts.row.unit != FRAMES:
            return times
        return times / (self.facts.fps or FPS)
