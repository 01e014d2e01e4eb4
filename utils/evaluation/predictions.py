"""The file that keeps what was scored, and what is known of the videos: it can be evaluated and
compared without lists, ground truth or features."""

import json

import numpy as np

from utils.datasets.ground_truth import GroundTruth
from utils.datasets.lists import Row
from utils.evaluation.scored import Prediction, Scored
from utils.labels import Dataset
from utils.system.errors import UserError
from utils.system.files import whole_file


def save_predictions(path: str, scored: Scored) -> None:
    """Keep them in plain arrays, in list order.

    Of the scores: `videos` (V,), `lengths` (V,) in snippets, `scores` (Σ T,), `probabilities`
    (Σ T, C) where there are any, `classes` (C,). Of the videos: `dataset`, its facts as JSON;
    `labels` (V, C); `edges` (Σ (T + 1),), when snippets begin and end, where that is known; and
    where events are known, `segments` (M, 2) with `segment_videos`, `segment_labels` (M,), and
    `spans` (K, 2) of what is abnormal with `span_videos` (K,).
    """
    predictions, truth, facts = scored.predictions, scored.truth, scored.facts
    arrays = {}
    if scored.tells_classes:
        arrays["probabilities"] = np.concatenate([p.probabilities for p in predictions])
    if scored.edges is not None:
        arrays["edges"] = np.concatenate(scored.edges)
    if truth is not None:
        arrays["segments"], arrays["segment_videos"] = _flat(truth.segments)
        arrays["segment_labels"] = np.array([c for codes in truth.labels for c in codes], dtype=str)
        arrays["spans"], arrays["span_videos"] = _flat(truth.spans)
    with whole_file(path) as partial, partial.open("wb") as file:
        np.savez_compressed(
            file,
            videos=np.array([row.video for row in scored.rows]),
            lengths=np.array([len(s) for s in scored.scores]),
            scores=scored.score,
            classes=np.array(facts.classes),
            dataset=np.array(json.dumps(facts.described())),
            labels=np.array([np.asarray(row.label) for row in scored.rows], dtype=np.uint8),
            **arrays,
        )


def _flat(pairs: list[list]) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of each video -> all pairs (M, 2), and of which video each is (M,)."""
    videos = np.repeat(np.arange(len(pairs)), [len(of_video) for of_video in pairs])
    return np.array([p for of_video in pairs for p in of_video]).reshape(-1, 2), videos


def _by_video(pairs: np.ndarray, owner: np.ndarray, videos: int) -> list[list]:
    """What `_flat` put together."""
    if len(pairs) != len(owner) or not np.isin(owner, np.arange(videos)).all():
        raise ValueError("pairs without a video")
    found: list[list] = [[] for _ in range(videos)]
    for pair, video in zip(pairs.tolist(), owner.tolist(), strict=True):
        found[video].append(tuple(pair) if isinstance(pair, list) else pair)
    return found


def read_arrays(path: str) -> dict[str, np.ndarray]:
    """Those of a file of scores, whoever made it, as far as they fit one another.

    Raises:
        UserError: it holds no scores per video.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        lengths, scores = arrays["lengths"], arrays["scores"]
        if not len(lengths) == len(arrays["videos"]) > 0 or any(
            len(values) != lengths.sum() for values in (scores, arrays.get("probabilities", scores))
        ):
            raise ValueError("arrays of different lengths")
        if lengths.dtype.kind not in "iu" or lengths.min() < 1 or scores.ndim != 1:
            raise ValueError("lengths or scores of another kind")
    except Exception as error:  # a damaged archive can raise anything
        raise UserError(f"{path} holds no predictions of a test run ({error})") from None
    return arrays


def _split(arrays: dict[str, np.ndarray]) -> list[Prediction]:
    splits = np.cumsum(arrays["lengths"])[:-1]
    scores = np.split(arrays["scores"], splits)
    if "probabilities" in arrays:
        return list(map(Prediction, scores, np.split(arrays["probabilities"], splits)))
    return list(map(Prediction, scores))


def load_predictions(path: str) -> tuple[list[str], list[Prediction], list[str]]:
    """Video names, predictions, and class codes, if the file has them.

    Raises:
        UserError: it holds none.
    """
    arrays = read_arrays(path)
    return arrays["videos"].tolist(), _split(arrays), arrays.get("classes", np.empty(0)).tolist()


def says_truth(path: str) -> bool:
    """Whether a file of scores says what is known of their videos."""
    return "dataset" in read_arrays(path)


def load_scored(path: str) -> Scored:
    """What `save_predictions` kept.

    Raises:
        UserError: it holds no predictions, or does not say what is known of their videos.
    """
    arrays = read_arrays(path)
    if "dataset" not in arrays:
        raise UserError(
            f"{path} does not say what happens in its videos: make it anew with --predictions of a "
            "test, or with python -m utils.evaluate"
        )
    try:
        facts = Dataset.of(json.loads(str(arrays["dataset"])))
        names, labels = arrays["videos"].tolist(), arrays["labels"]
        rows = [Row(None, label, name=n) for n, label in zip(names, labels, strict=True)]
        return Scored(_split(arrays), _truth(arrays), rows, facts)
    except (KeyError, TypeError, ValueError, IndexError, UserError) as error:
        raise UserError(f"{path}: what it says of its videos is damaged ({error})") from None


def _truth(arrays: dict[str, np.ndarray]) -> GroundTruth | None:
    if "segments" not in arrays:
        return None
    lengths = arrays["lengths"]
    edges = np.split(arrays["edges"], np.cumsum(lengths + 1)[:-1])
    if [len(of_video) for of_video in edges] != (lengths + 1).tolist():
        raise ValueError("edges of another length")
    return GroundTruth(
        edges,
        _by_video(arrays["spans"], arrays["span_videos"], len(lengths)),
        _by_video(arrays["segments"], arrays["segment_videos"], len(lengths)),
        _by_video(arrays["segment_labels"], arrays["segment_videos"], len(lengths)),
    )


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


def require_same(first: Scored, other: Scored, path: str, other_path: str) -> None:
    """
    Raises:
        UserError: they are not of the same videos.
    """
    names, others = ([row.video for row in run.rows] for run in (first, other))
    if names == others:
        return
    odd = sorted({*names} ^ {*others}) or [x for x, y in zip(names, others, strict=True) if x != y]
    raise UserError(
        f"{path} and {other_path} are not of the same videos in the same order: see {odd[0]}"
    )
