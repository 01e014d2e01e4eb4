"""Scores by video from files of any kind, whatever made them."""

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from utils.datasets.csv_table import read_table
from utils.datasets.features import video_and_crop
from utils.evaluation.predictions import predictions_of, read_arrays, scored_of
from utils.evaluation.scored_videos import Prediction
from utils.labels import Dataset
from utils.system.console import note
from utils.system.errors import UserError
from utils.system.untrusted import load_array


class VideoScores(NamedTuple):
    """
    Attributes:
        prediction: its scores.
        edges: (n + 1,) when they begin and end, in the data set's unit, where the file says it.
    """

    prediction: Prediction
    edges: np.ndarray | None = None


def read_scores(path: Path, facts: Dataset, wanted: Collection[str]) -> dict[str, VideoScores]:
    """Scores by video, with class probabilities in the data set's order if there are any.

    Args:
        path: `.npz` as `--predictions` writes it (all but `videos`, `lengths` and `scores` may be
            missing), `.csv` with the columns video, score and, if there are any, one per class, or
            a folder of `<video>.npy`, (n,), or (n, 1 + C): the score and then the classes.
        facts: of the data set.
        wanted: names of videos. What is called otherwise may be named like a crop of one.

    Raises:
        UserError: there are none, or they are of other classes or no finite numbers.
    """
    if path.is_dir():
        found = _from_folder(path, facts)
    elif path.suffix.lower() == ".csv":
        found = _from_csv(path, facts)
    elif path.is_file():
        found = _from_npz(path, facts)
    else:
        raise UserError(f"--scores {path} not found: expected .npz, .csv or a folder of .npy")
    videos: dict[str, VideoScores] = {}
    for name, scores in found.items():
        video = name if name in wanted else video_and_crop(name)[0]
        if video in videos:
            raise UserError(f"{path} has several crops of {video}: keep one, or their mean")
        videos[video] = scores
    return videos


def _from_npz(path: Path, facts: Dataset) -> dict[str, VideoScores]:
    arrays = read_arrays(str(path))
    scored = scored_of(arrays, str(path))
    known = scored is not None and scored.edges is not None and scored.facts.row == facts.row
    if "probabilities" in arrays:
        codes = arrays.get("classes", np.array(facts.classes)).tolist()
        if "classes" not in arrays:
            note(f"{path} names no classes: they are taken in the order of {facts.title}")
        order = _order(codes, arrays["probabilities"].shape[1], facts, path)
        arrays["probabilities"] = arrays["probabilities"][:, order]
    names, edges = arrays["videos"].tolist(), scored.edges if known else None
    videos = map(VideoScores, predictions_of(arrays), edges or [None] * len(names))
    return dict(zip(names, videos, strict=True))


def _order(codes: list, width: int, facts: Dataset, path: Path) -> list[int]:
    """Where the data set's classes stand in the file."""
    if width != len(facts.classes) or {*codes} != {*facts.classes}:
        raise UserError(
            f"{path} has {width} probabilities a score, of {', '.join(map(str, codes))}; expected "
            f"{len(facts.classes)}, of {', '.join(facts.classes)}"
        )
    return [codes.index(code) for code in facts.classes]


def _from_csv(path: Path, facts: Dataset) -> dict[str, VideoScores]:
    lines = read_table(path, ("video", "score"), facts.classes, "table of scores")
    values = np.full((len(lines), 1 + len(facts.classes)), np.nan)
    told = any(any(cells[2:]) for _, cells in lines)
    if not lines:
        raise UserError(f"{path} has no scores: expected lines video,score")
    for (line, (video, *texts)), numbers in zip(lines, values, strict=True):
        wanted = texts if told else texts[:1]
        try:
            numbers[: len(wanted)] = [float(text) for text in wanted]
        except ValueError:
            numbers[0] = np.nan
        if not video or not np.isfinite(numbers[: len(wanted)]).all():
            columns = ",".join(("video", "score", *(facts.classes if told else ())))
            found = ",".join((video, *wanted))
            raise UserError(f"{path}, line {line}: expected {columns}, found {found}")
    names = [video for _, (video, *_) in lines]
    begun = [i for i in range(1, len(names)) if names[i] != names[i - 1]]
    if len(begun) >= len({*names}):
        again = next(i for i in begun if names[i] in names[:i])
        raise UserError(
            f"{path}, line {lines[again][0]}: {names[again]} begins anew: the lines of a video "
            "must stand together, in the order of time"
        )
    videos = pd.DataFrame({"video": names}).groupby("video", sort=False).indices
    return {
        name: VideoScores(Prediction(values[rows, 0], values[rows, 1:] if told else None))
        for name, rows in videos.items()
    }


def _from_folder(path: Path, facts: Dataset) -> dict[str, VideoScores]:
    videos, width = {}, 1 + len(facts.classes)
    for file in sorted(path.glob("*.npy")):
        values = load_array(file, "file of scores")
        if values.ndim == 1:
            values = values[:, None]
        if values.ndim != 2 or values.shape[1] not in (1, width) or not len(values):
            raise UserError(
                f"{file} has shape {values.shape}; expected (n,), or (n, {width}): a score, and "
                f"the probabilities of {', '.join(facts.classes)}"
            )
        if values.dtype.kind not in "fiub" or not np.isfinite(values).all():
            raise UserError(f"{file}: not all scores are finite numbers")
        values = values if values.dtype.kind == "f" else values.astype(float)
        told = values.shape[1] > 1
        videos[file.stem] = VideoScores(Prediction(values[:, 0], values[:, 1:] if told else None))
    if not videos:
        raise UserError(f"{path} holds no .npy: expected <video>.npy, the scores of a video each")
    if len({scores.prediction.probabilities is None for scores in videos.values()}) > 1:
        raise UserError(f"{path}: some videos have class probabilities and others do not")
    return videos
