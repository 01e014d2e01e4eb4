"""Scores of videos, and the file that keeps them."""

from typing import NamedTuple

import numpy as np

from utils.datasets.lists import Row
from utils.labels import Dataset
from utils.system.errors import UserError
from utils.system.files import whole_file


class Prediction(NamedTuple):
    """Scores of one video of T snippets."""

    score: np.ndarray  # (T,) S_det = σ(logits1)
    probabilities: np.ndarray | None = None  # (T, C), from a method that tells classes


def save_predictions(
    path: str, predictions: list[Prediction], rows: list[Row], facts: Dataset
) -> None:
    """Keep what was scored in plain arrays, in list order: `videos` (V,), `lengths` (V,) in
    snippets, `scores` (Σ T,), `probabilities` (Σ T, C) where there are any, `classes` (C,)."""
    arrays = {}
    if predictions[0].probabilities is not None:
        arrays["probabilities"] = np.concatenate([p.probabilities for p in predictions])
    with whole_file(path) as partial, partial.open("wb") as file:
        np.savez_compressed(
            file,
            videos=np.array([row.video for row in rows]),
            lengths=np.array([len(p.score) for p in predictions]),
            scores=np.concatenate([p.score for p in predictions]),
            classes=np.array(facts.classes),
            **arrays,
        )


def load_predictions(path: str) -> tuple[list[str], list[Prediction], list[str]]:
    """What `save_predictions` kept: video names, predictions, class codes."""
    try:
        with np.load(path, allow_pickle=False) as file:
            splits = np.cumsum(file["lengths"])[:-1]
            scores = np.split(file["scores"], splits)
            if "probabilities" in file:
                probabilities = np.split(file["probabilities"], splits)
            else:
                probabilities = [None] * len(scores)
            if not len(file["lengths"]) == len(file["videos"]) > 0 or any(
                len(values) != file["lengths"].sum()
                for values in (file["scores"], file.get("probabilities", file["scores"]))
            ):
                raise ValueError("arrays of different lengths")
            names, classes = file["videos"].tolist(), file["classes"].tolist()
    except Exception as error:  # a damaged archive can raise anything
        raise UserError(f"{path} holds no predictions of a test run ({error})") from None
    return names, list(map(Prediction, scores, probabilities)), classes


def load_predictions_of(path: str, rows: list[Row], lengths: list[int]) -> list[Prediction]:
    """The same of a test list, in its order.

    Raises:
        UserError: they are of other videos.
    """
    names, predictions, _ = load_predictions(path)
    found = [(name, len(p.score)) for name, p in zip(names, predictions, strict=True)]
    if found != [(row.video, length) for row, length in zip(rows, lengths, strict=True)]:
        raise UserError(f"{path} are not of the videos of this test list: test again")
    return predictions
