"""Anybody's scores of a test list, whatever made them, as predictions of its videos.

A video's scores are one per row of features (per snippet) or one per frame. Where the features are
there they tell how long a video is, else the list or the scores themselves. One row more or less is
taken as it is, since some count a video's last, unfinished row and others do not.
"""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from utils.datasets.ground_truth import TruthFiles, read_ground_truth, read_segments
from utils.datasets.lists import Row, video_name
from utils.evaluation.predictions import load_predictions
from utils.evaluation.scored import Prediction, Scored
from utils.labels import Dataset
from utils.row_time import FRAMES
from utils.system.console import note
from utils.system.errors import UserError
from utils.system.untrusted import load_array

SNIPPET, FRAME = "snippet", "frame"
PER = (SNIPPET, FRAME)
HALFWAY = 4  # frames a score: between one and the usual 16


class Table(NamedTuple):
    """Scores by video, and the codes of their classes where they have such."""

    videos: dict[str, Prediction]
    classes: list[str]


def read_scores(path: Path, facts: Dataset) -> dict[str, Prediction]:
    """Scores by video, with class probabilities in the data set's order if there are any.

    Args:
        path: `.npz` as `--predictions` writes it (`classes` and `probabilities` may be missing),
            `.csv` with the columns video, score and, if there are any, one per class, or a folder
            of `<video>.npy`, (n,), or (n, 1 + C): the score and then the classes.
        facts: of the data set.

    Raises:
        UserError: there are none, or they are of other classes or no finite numbers.
    """
    if path.is_dir():
        table = _from_folder(path, facts)
    elif path.suffix == ".csv":
        table = _from_csv(path, facts)
    elif path.is_file():
        names, predictions, classes = load_predictions(str(path))
        if len({*names}) < len(names):
            raise UserError(f"{path} has a video twice")
        table = Table(dict(zip(names, predictions, strict=True)), classes)
    else:
        raise UserError(f"--scores {path} not found: expected .npz, .csv or a folder of .npy")
    order = _order(table, facts, path)
    return {
        name: Prediction(p.score, p.probabilities if order is None else p.probabilities[:, order])
        for name, p in table.videos.items()
        if _sound(p, name, path)
    }


def _order(table: Table, facts: Dataset, path: Path) -> list[int] | None:
    """Where the data set's classes stand in the file; None where it has none."""
    probabilities = next(iter(table.videos.values())).probabilities
    if probabilities is None:
        return None
    count = len(facts.classes)
    codes = table.classes or list(facts.classes)
    if probabilities.ndim != 2 or probabilities.shape[1] != count or {*codes} != {*facts.classes}:
        raise UserError(
            f"{path} has probabilities of {', '.join(codes)}; expected those of {facts.title}'s "
            f"{count} classes: {', '.join(facts.classes)}"
        )
    return [codes.index(code) for code in facts.classes]


def _sound(prediction: Prediction, name: str, path: Path) -> bool:
    for values in prediction:
        if values is not None and (values.dtype.kind not in "fiu" or not np.isfinite(values).all()):
            raise UserError(f"{path}: the scores of {name} are no finite numbers")
    return True


def _from_csv(path: Path, facts: Dataset) -> Table:
    try:
        table = pd.read_csv(path, encoding="utf-8-sig", dtype={"video": str})
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as CSV: {' '.join(str(error).split())}") from None
    columns, classes = [*table.columns], [c for c in facts.classes if c in table.columns]
    if not {"video", "score"} <= {*columns} or (classes and len(classes) < len(facts.classes)):
        raise UserError(
            f"{path} has the columns {', '.join(map(str, columns))}; expected video,score in the "
            f"order of time and, if there are class probabilities, {','.join(facts.classes)}"
        )
    if table[["video", "score", *classes]].isna().any().any() or not len(table):
        line = int(table[["video", "score", *classes]].isna().any(axis=1).argmax()) + 2
        raise UserError(f"{path}, line {line}: expected a video, its score and nothing empty")
    videos = {}
    for name, rows in table.groupby("video", sort=False):
        probabilities = rows[classes].to_numpy() if classes else None
        videos[name] = Prediction(rows["score"].to_numpy(), probabilities)
    return Table(videos, classes)


def _from_folder(path: Path, facts: Dataset) -> Table:
    videos = {}
    for file in sorted(path.glob("*.npy")):
        values = load_array(file, "file of scores")
        if values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]
        if values.ndim not in (1, 2) or not len(values):
            raise UserError(
                f"{file} has shape {values.shape}; expected (n,), or (n, "
                f"{1 + len(facts.classes)}): a score, and the probability of each class"
            )
        of_classes = values[:, 1:] if values.ndim == 2 else None
        videos[file.stem] = Prediction(values if of_classes is None else values[:, 0], of_classes)
    if not videos:
        raise UserError(f"{path} holds no .npy: expected <video>.npy, the scores of a video each")
    if len({p.probabilities is None for p in videos.values()}) > 1:
        raise UserError(f"{path}: some videos have class probabilities and others do not")
    return Table(videos, [])


def scored_by(path: Path, rows: list[Row], facts: Dataset, args, per: str | None = None) -> Scored:
    """Scores of a test list, laid over its ground truth.

    Args:
        path: as for `read_scores`.
        rows: of the list; their features need not be there.
        facts: of the data set.
        args: options that name the ground truth.
        per: what a score is of, `snippet` or `frame`; None to see that by their number.

    Raises:
        UserError: videos are missing, or are longer or shorter than their features.
    """
    found = read_scores(path, facts)
    by_name = {video_name(Path(name)): p for name, p in found.items()} | found
    if missing := [row.video for row in rows if row.video not in by_name]:
        raise UserError(
            f"{path} has no scores of {len(missing)} of the {len(rows)} test videos, first "
            f"{missing[0]}; it has {next(iter(found))}"
        )
    if (more := len(found) - len(rows)) > 0:
        note(f"{path} has {more} further videos, which are not in the test list: left out")
    predictions = [by_name[row.video] for row in rows]
    known = known_ends(rows, facts, args)
    per = per or per_what(predictions, known, facts, path)
    if per == FRAME and facts.row.unit != FRAMES:
        raise UserError(f"--per frame: the rows of {facts.title} are counted in {facts.row.unit}")
    predictions, edges = laid(predictions, rows, known, facts, per, path)
    truth = read_ground_truth(TruthFiles.of(args), args.test_list, rows, facts, edges=edges)
    return Scored(predictions, truth, rows, facts)


def known_ends(rows: list[Row], facts: Dataset, args) -> list[float | None]:
    """How long each video is, in the unit of its rows, from its features, from the list, or, of a
    normal video, from the official segments; None where nothing says it."""
    ends: list[float | None] = []
    for row in rows:
        end = row.length
        if os.path.isfile(row.path):
            end = facts.row.edges(len(row.features(header_only=True)), row.length)[-1].item()
        ends.append(end)
    if facts.gt and not all(ends):
        segments, _, _ = read_segments(TruthFiles.of(args))
        for i, (row, of_video) in enumerate(zip(rows, segments, strict=False)):
            if row.normal and of_video and ends[i] is None:
                ends[i] = of_video[-1][1]
    return ends


def per_what(
    predictions: list[Prediction], ends: list[float | None], facts: Dataset, path: Path
) -> str:
    """Whether there is a score per row or per frame, by how many there are.

    Raises:
        UserError: that cannot be told.
    """
    known = [(len(p.score), end) for p, end in zip(predictions, ends, strict=True) if end]
    if facts.row.size is None or facts.row.unit != FRAMES or facts.row.size < HALFWAY:
        return SNIPPET
    if not known:
        raise UserError(
            f"{path}: nothing says how long the videos are, so whether a score is of a snippet or "
            "of a frame cannot be told: say it with --per, or give --feature-root"
        )
    frames = sum(end for _, end in known) / sum(count for count, _ in known)
    return FRAME if frames < HALFWAY else SNIPPET


def laid(
    predictions: list[Prediction],
    rows: list[Row],
    ends: list[float | None],
    facts: Dataset,
    per: str,
    path: Path,
) -> tuple[list[Prediction], list[np.ndarray]]:
    """Scores, and the edges of the rows that they are of.

    Raises:
        UserError: there are too many or too few by more than a row.
    """
    size = facts.row.size and (1 if per == FRAME else facts.row.size)
    others, edges = [], []
    for i, (prediction, row, end) in enumerate(zip(predictions, rows, ends, strict=True)):
        count = len(prediction.score)
        if size is None:  # however many there are, they share the video
            edges.append(facts.row.edges(count, row.length))
            continue
        wanted = count if end is None else int(np.ceil(round(end / size, 6)))
        if abs(count - wanted) * size > facts.row.size:
            raise UserError(
                f"{path}: {row.video} has {count} scores, but {wanted} {per}s: are these the "
                "scores of this video, one per snippet or one per frame (--per)?"
            )
        if count != wanted:
            others.append(row.video)
        if per == FRAME:
            predictions[i], of_video = _merged(prediction)
            edges.append(of_video)
        else:
            edges.append(facts.row.edges(count, end if count == wanted else None))
    if others:
        note(
            f"{len(others)} videos have up to {facts.row} more or fewer than the data set, first "
            f"{others[0]}: their scores are taken as they are"
        )
    return predictions, edges


def _merged(prediction: Prediction) -> tuple[Prediction, np.ndarray]:
    """Scores of frames -> scores of runs of frames that have the same, and the runs' edges."""
    values = np.column_stack([v for v in prediction if v is not None])
    changes = np.flatnonzero((np.diff(values, axis=0) != 0).any(axis=1)) + 1
    edges = np.array([0, *changes, len(values)])
    return Prediction(*(v if v is None else v[edges[:-1]] for v in prediction)), edges
