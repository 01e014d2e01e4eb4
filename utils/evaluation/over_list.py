"""Scores from elsewhere, laid over the videos of a test list and their ground truth.

A video's scores are one per row of features (per snippet) or one per frame. Where the features are
there they tell how long a video is, else the list or the scores themselves. One row more or less is
taken as it is, since some count a video's last, unfinished row and others do not.
"""

import os
from pathlib import Path

import numpy as np

from utils.datasets.ground_truth import edges_of
from utils.datasets.lists import Row
from utils.datasets.official_truth import TruthFiles, read_frames, read_segments
from utils.datasets.truth_of_list import read_ground_truth
from utils.evaluation.ranking import TOLERANCE
from utils.evaluation.scored_videos import Prediction, ScoredVideos
from utils.evaluation.scores import VideoScores, read_scores
from utils.labels import Dataset
from utils.row_time import FRAMES
from utils.system.console import note, plural
from utils.system.errors import UserError

SNIPPET, FRAME = "snippet", "frame"
PER = (SNIPPET, FRAME)


def scored_by(
    path: Path, rows: list[Row], facts: Dataset, args, per: str | None = None
) -> ScoredVideos:
    """
    Args:
        path: as for `read_scores`.
        rows: of the list; their features need not be there.
        facts: of the data set.
        args: options that name the ground truth.
        per: what a score is of, `snippet` or `frame`; None to see that by their number.

    Raises:
        UserError: videos are missing, or are longer or shorter than in the data set.
    """
    found = read_scores(path, facts, {row.video for row in rows})
    if missing := [row.video for row in rows if row.video not in found]:
        raise UserError(
            f"{path} has no scores of {len(missing)} of the {len(rows)} test videos, first "
            f"{missing[0]}; it has {next(iter(found))}"
        )
    if (more := len(found) - len(rows)) > 0:
        note(f"{path} has {more} further videos, which are not in the test list: left out")
    of_rows = [found[row.video] for row in rows]
    ends = known_ends(rows, facts, args)
    if per == FRAME and facts.row.unit != FRAMES:
        raise UserError(f"--per frame: the rows of {facts.title} are counted in {facts.row.unit}")
    per = per or per_what(of_rows, ends, facts, path)
    if facts.row.size is None and not facts.has_events:  # lengths need not be known
        predictions, edges = [s.prediction for s in of_rows], None
    else:
        laid = _Aligner(path, facts, per)
        predictions, edges = map(list, zip(*map(laid.over, of_rows, rows, ends), strict=True))
        laid.tell(args, [of_video[-1] for of_video in edges])
    truth = read_ground_truth(TruthFiles.of(args), args.test_list, rows, facts, edges=edges)
    return ScoredVideos(predictions, truth, rows, facts, edges, facts.left_out(args))


def known_ends(rows: list[Row], facts: Dataset, args) -> list[float | None]:
    """How long each video is, in the unit of its rows, from its features, from the list, or, of a
    normal video, from the official segments; None where nothing says it."""
    ends: list[float | None] = []
    for row in rows:
        end = row.length
        if facts.row.size is not None and os.path.isfile(row.path):
            end = edges_of(row, facts)[-1].item()
        ends.append(end)
    if facts.gt and not all(ends):
        segments, _, _ = read_segments(TruthFiles.of(args))
        for i, (row, of_video) in enumerate(zip(rows, segments, strict=False)):
            if row.normal and of_video and ends[i] is None:
                ends[i] = of_video[-1][1]
    return ends


def per_what(
    scores: list[VideoScores], ends: list[float | None], facts: Dataset, path: Path
) -> str:
    """Whether there is a score per row or per frame, by how many there are.

    Raises:
        UserError: that cannot be told.
    """
    if facts.row.size is None or facts.row.unit != FRAMES:
        return SNIPPET
    known = [(len(s.prediction.score), e) for s, e in zip(scores, ends, strict=True) if e]
    if not known and any(s.edges is None for s in scores):
        raise UserError(
            f"{path}: nothing says how long the videos are, so whether a score is of a snippet or "
            "of a frame cannot be told: say it with --per, or give --feature-root"
        )
    count = sum(scores for scores, _ in known)
    frames = sum(end for _, end in known)
    snippets = sum(-(-end // facts.row.size) for _, end in known)
    return FRAME if abs(count - frames) < abs(count - snippets) else SNIPPET


class _Aligner:
    """Lays scores over the time of their videos, and counts what had to be taken as it is."""

    def __init__(self, path: Path, facts: Dataset, per: str):
        self.path, self.facts, self.per = path, facts, per
        self.other: list[str] = []  # videos that are up to a row longer or shorter
        self.unknown: list[str] = []  # those whose length nothing says
        self.wrong: list[str] = []  # what is wrong with others

    def over(
        self, scores: VideoScores, row: Row, end: float | None
    ) -> tuple[Prediction, np.ndarray]:
        """Scores, and the edges of the rows that they are of."""
        prediction, edges = scores
        count, size = len(prediction.score), self.facts.row.size
        if size is None:  # however many there are, they share the video
            return prediction, edges_of(row, self.facts, count)
        if edges is None and self.per == FRAME:
            prediction, edges = merged(prediction)
        elif edges is None:
            unfinished = end is not None and end < count * size < end + size
            edges = self.facts.row.edges(count, end if unfinished else None)
        if end is None:
            self.unknown.append(row.video)
        elif abs(edges[-1] - end) > size * TOLERANCE:
            self.wrong.append(
                f"{row.video} has {count} scores of {self.per}s, which last {edges[-1]:.10g} "
                f"{self.facts.row.unit}, but is {end:.10g} long"
            )
        elif not np.isclose(edges[-1], end, rtol=1e-9):
            self.other.append(row.video)
        return prediction, edges

    def tell(self, args, ends: list[float]) -> None:
        """Say what was taken as it is, and see that all videos together are as long as the official
        ground truth, where it is there.

        Raises:
            UserError: they are not.
        """
        if self.wrong:
            raise UserError(
                f"{self.path}: {len(self.wrong)} of {len(ends)} videos are of another length: "
                f"{self.wrong[0]}: are these their scores, one per snippet or per frame (--per)?"
            )
        if self.other:
            note(
                f"{plural(len(self.other), 'video')} up to {self.facts.row} longer or shorter than "
                f"in the data set, first {self.other[0]}: the scores are taken as they are"
            )
        if not self.unknown:
            return
        if not (self.facts.gt and os.path.isfile(args.gt_path)):
            note(
                f"nothing says how long {len(self.unknown)} of the videos are, first "
                f"{self.unknown[0]}: as long as their scores"
            )
            return
        wanted, found = len(read_frames(args.gt_path)), int(sum(ends))
        if abs(found - wanted) > self.facts.row.size * len(ends):
            raise UserError(
                f"{self.path}: its scores last {found} frames, {args.gt_path} has {wanted}: some "
                f"are not those of their video, see {self.unknown[0]} and the others without "
                "features"
            )


def merged(prediction: Prediction) -> tuple[Prediction, np.ndarray]:
    """Scores of frames -> scores of runs of frames that have the same, and the runs' edges."""
    values = np.column_stack([v for v in prediction if v is not None])
    changes = np.flatnonzero((np.diff(values, axis=0) != 0).any(axis=1)) + 1
    edges = np.array([0, *changes, len(values)])
    return Prediction(*(v if v is None else v[edges[:-1]] for v in prediction)), edges
