"""The file that keeps what was scored, and what is known of the videos: it can be evaluated and
compared without lists, ground truth or features."""

import json
import os
import zipfile

import numpy as np

from utils.datasets.ground_truth import GroundTruth, flat
from utils.datasets.lists import Row
from utils.evaluation.ranking import TOLERANCE
from utils.evaluation.scored_videos import Prediction, ScoredVideos
from utils.event_defaults import FPS
from utils.labels import Dataset
from utils.system.errors import UserError
from utils.system.files import composed, whole_file
from utils.system.untrusted import require_no_bomb

ARRAYS = (
    "videos", "lengths", "scores", "probabilities", "classes", "dataset", "labels", "edges",
    "segments", "segment_videos", "segment_labels", "spans", "span_videos", "left_out",
)  # fmt: skip


def save_predictions(path: str, scored: ScoredVideos) -> None:
    """Keep them in plain arrays, in list order.

    Of the scores: `videos` (V,), `lengths` (V,) in snippets, `scores` (Σ T,), `probabilities`
    (Σ T, C) where there are any, `classes` (C,). Of the videos: `dataset`, its facts as JSON;
    `labels` (V, C); `edges` (Σ (T + 1),), when snippets begin and end, where that is known; and
    where events are known, `segments` (M, 2) with `segment_videos`, `segment_labels` (M,), and
    `spans` (K, 2) of what is abnormal with `span_videos` (K,). `left_out`, the classes that were
    not trained on, by code.
    """
    predictions, truth, facts = scored.predictions, scored.truth, scored.facts
    arrays = {}
    if scored.tells_classes:
        arrays["probabilities"] = np.concatenate([p.probabilities for p in predictions])
    if scored.edges is not None:
        arrays["edges"] = np.concatenate(scored.edges)
    if truth is not None:
        arrays["segments"], arrays["segment_videos"] = flat(truth.segments)
        arrays["segment_labels"] = np.array([c for codes in truth.labels for c in codes], dtype=str)
        arrays["spans"], arrays["span_videos"] = flat(truth.spans)
    with whole_file(path) as partial, partial.open("wb") as file:
        np.savez_compressed(
            file,
            videos=np.array([row.video for row in scored.rows]),
            lengths=np.array([len(s) for s in scored.scores]),
            scores=scored.flat_scores,
            classes=np.array(facts.classes),
            dataset=np.array(json.dumps(facts.described())),
            labels=np.array([np.asarray(row.label) for row in scored.rows], dtype=np.uint8),
            left_out=np.array(scored.left_out, dtype=str),
            **arrays,
        )


def read_arrays(path: str) -> dict[str, np.ndarray]:
    """Those of a file of scores, whoever made it.

    Raises:
        UserError: it holds no scores per video, or something that is none.
    """
    try:
        _require(zipfile.is_zipfile(path) or not os.path.isfile(path), "it is not a .npz archive")
        if os.path.isfile(path):
            with zipfile.ZipFile(path) as archive:
                require_no_bomb(archive, path)
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files if name in ARRAYS}
        for name in ARRAYS[:3]:
            _require(name in arrays, f"there is no array {name}")
        _check_scores(arrays)
        arrays["videos"] = np.array([composed(name) for name in arrays["videos"].tolist()])
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    except Exception as error:  # a damaged archive can raise anything
        reason = error if isinstance(error, ValueError) else "it is damaged, or holds objects"
        raise UserError(f"{path} holds no scores by video: {reason}") from None
    return arrays


def _check_scores(arrays: dict[str, np.ndarray]) -> None:
    """
    Raises:
        KeyError, ValueError: something is missing, or of another kind or shape.
    """
    names, lengths, scores = (arrays[name] for name in ("videos", "lengths", "scores"))
    _require(names.ndim == 1 and names.dtype.kind == "U" and len(names), "videos are not names")
    _require(len({*names.tolist()}) == len(names), "a video appears twice")
    _require(lengths.dtype.kind in "iu" and lengths.shape == names.shape, "no length of each video")
    _require(scores.ndim == 1, f"scores have shape {scores.shape}, expected one row")
    fits = lengths.min() > 0 and lengths.max() <= len(scores) and lengths.sum() == len(scores)
    _require(fits, "lengths are not those of scores")
    arrays["scores"] = _numbers(scores, 1, "scores")
    classes = arrays.get("classes", np.empty(0, dtype=str))
    _require(classes.ndim == 1 and classes.dtype.kind in "UO", "classes are not codes")
    _require(len({*classes.tolist()}) == len(classes), "a class appears twice")
    if "probabilities" in arrays:
        of_classes = arrays["probabilities"] = _numbers(arrays["probabilities"], 2, "probabilities")
        _require(len(of_classes) == len(scores), "scores and probabilities are not equally many")
        width = len(classes) or of_classes.shape[1]
        _require(of_classes.shape[1] == width, "classes and probabilities are not equally many")


def _require(met, what: str) -> None:
    if not met:
        raise ValueError(what)


def _numbers(values: np.ndarray, dimensions: int, what: str) -> np.ndarray:
    """Finite numbers; whole ones and truths become fractions.

    Raises:
        ValueError: they are none.
    """
    _require(values.ndim == dimensions and values.dtype.kind in "fiub", f"{what} are not numbers")
    values = values if values.dtype.kind == "f" else values.astype(float)
    _require(np.isfinite(values).all(), f"{what} are not finite")
    return values


def predictions_of(arrays: dict[str, np.ndarray]) -> list[Prediction]:
    """The scores of each video, from arrays of all."""
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
    return (
        arrays["videos"].tolist(),
        predictions_of(arrays),
        arrays.get("classes", np.empty(0)).tolist(),
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


def load_scored(path: str) -> ScoredVideos | None:
    """What `save_predictions` kept; None of an older file, which does not say what is known of its
    videos.

    Raises:
        UserError: it holds no predictions, or is damaged.
    """
    return scored_of(read_arrays(path), path)


def scored_of(arrays: dict[str, np.ndarray], path: str) -> ScoredVideos | None:
    """`load_scored` of arrays that were read from a path."""
    if not {"dataset", "labels"} <= arrays.keys():
        return None
    try:
        facts = Dataset.of(json.loads(str(arrays["dataset"])))
        names, labels = arrays["videos"].tolist(), _numbers(arrays["labels"], 2, "labels")
        width = len(facts.classes)
        _require(labels.shape == (len(names), width), "no labels of each video")
        _require(labels.any(axis=1).all(), "a video has no label")
        _require([*facts.classes] == arrays["classes"].tolist(), "classes of another data set")
        edges = _edges(arrays)
        rows = [Row(None, label, name=n) for n, label in zip(names, labels, strict=True)]
        left_out = tuple(np.asarray(arrays.get("left_out", ())).tolist())
        facts.seen(left_out)
        predictions, truth = predictions_of(arrays), _truth(arrays, edges)
        return ScoredVideos(predictions, truth, rows, facts, edges, left_out)
    except (KeyError, TypeError, ValueError, IndexError, UserError) as error:
        raise UserError(f"{path}: what it says of its videos is damaged ({error})") from None


def _edges(arrays: dict[str, np.ndarray]) -> list[np.ndarray] | None:
    if "edges" not in arrays:
        return None
    _require(np.isfinite(arrays["edges"]).all() and arrays["edges"].ndim == 1, "edges are none")
    counts = arrays["lengths"] + 1
    _require(len(arrays["edges"]) == counts.sum(), "edges are not those of the scores")
    edges = np.split(arrays["edges"], np.cumsum(counts)[:-1])
    _require(all((np.diff(of_video) >= 0).all() for of_video in edges), "edges fall")
    _require(all(e[0] == 0 < e[-1] for e in edges), "edges are not those of whole videos")
    return edges


def _by_video(pairs: np.ndarray, owner: np.ndarray, videos: int) -> list[list]:
    """What `flat` put together."""
    fits = owner.shape == pairs.shape[:1] and np.isin(owner, np.arange(videos)).all()
    _require(fits and pairs.shape[1:] in ((), (2,)), "segments or spans without a video")
    found: list[list] = [[] for _ in range(videos)]
    for pair, video in zip(pairs.tolist(), owner.tolist(), strict=True):
        found[video].append(tuple(pair) if isinstance(pair, list) else pair)
    return found


def _truth(arrays: dict[str, np.ndarray], edges: list[np.ndarray] | None) -> GroundTruth | None:
    if "segments" not in arrays or edges is None:
        return None
    videos, labels = len(edges), arrays["segment_labels"]
    _require(labels.ndim == 1 and labels.dtype.kind == "U", "labels of segments are not codes")
    spans = _by_video(_numbers(arrays["spans"], 2, "spans"), arrays["span_videos"], videos)
    for of_video, ends in zip(spans, edges, strict=True):
        bounds = [time for span in of_video for time in span]
        inside = bounds[-1:] <= [ends[-1]] and bounds[:1] >= [0] * len(bounds[:1])
        _require(bounds == sorted(bounds) and inside, "spans leave their video")
    segments = _numbers(arrays["segments"], 2, "segments")
    _require((segments[:, :1] >= 0).all() and (np.diff(segments) > 0).all(), "segments are none")
    return GroundTruth(
        edges,
        spans,
        _by_video(segments, arrays["segment_videos"], videos),
        _by_video(labels, arrays["segment_videos"], videos),
    )


def require_same_videos(
    first: ScoredVideos, path: str, other: ScoredVideos, other_path: str
) -> None:
    """See that two files are of the same videos, and know the same of them.

    Raises:
        UserError: they are not.
    """
    names, others = ([row.video for row in run.rows] for run in (first, other))
    files = f"{path} and {other_path}"
    if names != others:
        odd = sorted({*names} ^ {*others}) or [
            x for x, y in zip(names, others, strict=True) if x != y
        ]
        raise UserError(f"{files} are not of the same videos in the same order: see {odd[0]}")
    if first.facts.classes != other.facts.classes:
        raise UserError(f"{files} are of data sets with different classes")
    if (first.truth is None) != (other.truth is None):
        raise UserError(f"of {files} one alone knows when something happens: evaluate both anew")
    times = [(run.facts.row, run.facts.fps or FPS) for run in (first, other)]
    if times[0] != times[1]:
        raise UserError(
            f"{files} differ in what a row is, or in frames a second: evaluate both anew"
        )
    for i, name in enumerate(names):
        labels = (np.asarray(run.rows[i].label) for run in (first, other))
        if not np.array_equal(*labels) or not _same_truth(first, other, i):
            raise UserError(
                f"{files} have different lengths or ground truth of {name}: evaluate both anew"
            )


def _same_truth(first: ScoredVideos, other: ScoredVideos, video: int) -> bool:
    """Whether they say the same of the time that both have: one may be a row longer."""
    if first.edges is None or other.edges is None:
        return first.edges is other.edges
    ends = [float(run.edges[video][-1]) for run in (first, other)]
    row = first.facts.row.size
    if abs(ends[0] - ends[1]) > (0 if row is None else row * TOLERANCE):
        return False
    if first.truth is None:
        return True
    end, normal = min(ends), first.rows[video].label[0]
    seen = []
    for truth in (first.truth, other.truth):
        named = zip(truth.segments[video], truth.labels[video], strict=True)
        segments = [] if normal else [(s, e, label) for (s, e), label in named]
        spans = [(s, e, "") for s, e in truth.spans[video]]
        seen.append([(s, min(e, end), label) for s, e, label in (*spans, *segments) if s < end])
    return seen[0] == seen[1]
