"""mAP@IoU of temporal anomaly detection, the protocol of VadCLIP and DSANet.

A row of a prediction stands for a whole snippet, so everything is computed on rows and counted in
frames (or seconds, where a data set counts these), for all videos and classes at once.
"""

from typing import NamedTuple

import numpy as np

IOU_THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5)
IOU_DECIMALS = 12  # that count, of seconds
DEPTH = 0.6  # a proposal is what lies above max − 0.6·(max − min) of its video's curve
MIN_FRAMES = 2  # shorter runs are not proposals
CLASS_SHARE = 0.7  # weight of the video-level class score in a proposal's score
VOTING = 16  # the class score is the mean of the F // 16 largest of F frame values


class Runs(NamedTuple):
    """Runs of rows, or frames, of one video and class each. All arrays have one entry per run."""

    video: np.ndarray
    label: np.ndarray  # index of the class
    start: np.ndarray  # the first
    end: np.ndarray  # the one behind the last


def class_scores(curves: np.ndarray, durations: np.ndarray) -> np.ndarray:
    """Of each class the mean of the F // 16 largest of a video's F frame values.

    Args:
        curves: (C, T).
        durations: (T,) frames of each row. Seconds are not cut to whole ones.

    Returns:
        (C,).
    """
    total = durations.sum()
    wanted = max(1, total // VOTING) if durations.dtype.kind == "i" else total / VOTING
    order = np.argsort(-curves, axis=1)  # [C, T]
    lasting = durations[order]
    before = np.cumsum(lasting, axis=1) - lasting  # how much higher rows last
    weights = np.clip(wanted - before, 0, lasting)
    return (np.take_along_axis(curves, order, axis=1) * weights).sum(axis=1) / wanted


def find_proposals(
    predictions: list[np.ndarray], edges: list[np.ndarray]
) -> tuple[Runs, np.ndarray]:
    """The proposals on the (T, C) curves of all videos, by class and falling score, and the scores.

    Equal scores come in the order of the videos, and within a video in time. Non-maximum
    suppression would change nothing: with one threshold, the runs of a curve never overlap.

    For example, one video of six snippets and one class, with the curve 0, 0.1, 0.9, 0.8, 0.1, 0.2:
    snippets 2 and 3 lie above 0.9 − 0.6·(0.9 − 0) = 0.36, so there is one proposal, rows 2 to 4,
    frames 32 to 64. Of the video's 96 frames the 96 // 16 = 6 highest all have 0.9, so its score is
    0.9 + 0.7·0.9 = 1.53.

    Args:
        predictions: per video (T, C).
        edges: per video (T + 1,), the frames (or seconds) at which its rows begin and end.
    """
    curves = np.concatenate(predictions).T.astype(np.float64, order="C")  # (C, S)
    lengths = np.array([len(p) for p in predictions])
    first = np.cumsum(lengths) - lengths
    video = np.repeat(np.arange(len(lengths)), lengths)  # (S,)
    durations = [np.diff(of_video) for of_video in edges]

    top = np.maximum.reduceat(curves, first, axis=1)  # (C, V)
    bottom = np.minimum.reduceat(curves, first, axis=1)
    starts, ends = _runs_above(curves > (top - DEPTH * (top - bottom))[:, video], first)
    kept = _long_enough(starts, ends, np.concatenate(durations))
    starts, ends = starts[kept], ends[kept]

    # Every second interval between the bounds is a run; the 0 lets the last run end at the end.
    bounds = np.stack([starts, ends], axis=1).reshape(-1)
    peaks = np.maximum.reduceat(np.append(curves, 0.0), bounds)[::2] if len(starts) else np.empty(0)
    by_video = zip(np.split(curves, first[1:], axis=1), durations, strict=True)
    video_scores = np.stack([class_scores(*of_video) for of_video in by_video], axis=1)
    label, position = np.divmod(starts, curves.shape[1])
    owner = video[position]
    scores = peaks + CLASS_SHARE * video_scores[label, owner]
    start = position - first[owner]
    runs = Runs(owner, label, start, start + ends - starts)
    order = np.lexsort((-scores, label))  # stable
    return Runs(*(column[order] for column in runs)), scores[order]


def _runs_above(above: np.ndarray, first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Runs of True in the rows of (C, S): where they start and end (exclusive) in the flattened
    array. A run ends where its video does; `first` (V,) are the videos' first columns."""
    continued = above[:, 1:] & above[:, :-1]
    continued[:, first[1:] - 1] = False
    edge = np.zeros((len(above), 1), dtype=bool)
    starts = np.flatnonzero(above & ~np.hstack([edge, continued]))
    ends = np.flatnonzero(above & ~np.hstack([continued, edge])) + 1
    return starts, ends


def _long_enough(starts: np.ndarray, ends: np.ndarray, durations: np.ndarray) -> np.ndarray:
    """Which runs have two frames or more, by the durations (S,) of the rows; of seconds, all."""
    if durations.dtype.kind != "i":
        return np.ones(len(starts), dtype=bool)
    rows, before = len(durations), np.append(0, durations.cumsum())
    return before[(ends - 1) % rows + 1] - before[starts % rows] >= MIN_FRAMES


def timed(runs: Runs, edges: list[np.ndarray]) -> Runs:
    """Runs of rows as runs of frames (or seconds)."""
    counts = np.array([len(of_video) for of_video in edges])
    first = (np.cumsum(counts) - counts)[runs.video]
    times = np.concatenate(edges)
    return runs._replace(start=times[first + runs.start], end=times[first + runs.end])


def overlapping_pairs(proposals: Runs, truth: Runs) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every proposal with every segment of its video and class -> proposals, segments, IoUs.

    Proposals come in their order, and each one's segments by falling IoU, equal ones in theirs.
    """
    videos = 1 + max(proposals.video.max(initial=0), truth.video.max(initial=0))
    keys = truth.label * videos + truth.video
    by_key = np.argsort(keys, kind="stable")
    wanted = proposals.label * videos + proposals.video
    lowest, highest = (np.searchsorted(keys[by_key], wanted, side) for side in ("left", "right"))
    count = highest - lowest
    proposal = np.repeat(np.arange(len(wanted)), count)
    within = np.arange(len(proposal)) - np.repeat(np.cumsum(count) - count, count)
    segment = by_key[np.repeat(lowest, count) + within]

    start, end = proposals.start[proposal], proposals.end[proposal]
    truth_start, truth_end = truth.start[segment], truth.end[segment]
    overlap = np.clip(np.minimum(end, truth_end) - np.maximum(start, truth_start), 0, None)
    iou = overlap / ((end - start) + (truth_end - truth_start) - overlap)
    if proposals.start.dtype.kind == "f":  # (1.5 - 0.3) / (2.7 - 0.3) is not a half
        iou = np.round(iou, IOU_DECIMALS)
    order = np.lexsort((-iou, proposal))
    return proposal[order], segment[order], iou[order]


def match(proposal: np.ndarray, segment: np.ndarray) -> np.ndarray:
    """True positives among pairs in the order of `overlapping_pairs`.

    Each proposal in turn takes the first of its segments that is still free.
    """
    hits, taken = [], set()
    for p, s in zip(proposal.tolist(), segment.tolist(), strict=True):
        if s not in taken and (not hits or hits[-1] != p):
            taken.add(s)
            hits.append(p)
    return np.array(hits, dtype=int)


def lasting_rows(values, edges: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Values and edges of the rows that last. Of a short video shared by many rows, some have no
    frame, so no curve of frames shows them.

    Args:
        values: per video (T, …).
        edges: per video (T + 1,).
    """
    lasting = [np.diff(of_video) > 0 for of_video in edges]
    values = [np.asarray(v)[kept] for v, kept in zip(values, lasting, strict=True)]
    edges = [np.append(e[:-1][kept], e[-1]) for e, kept in zip(edges, lasting, strict=True)]
    return values, edges


class Matched(NamedTuple):
    """Proposals of all classes by falling score, and which of them are right.

    Attributes:
        proposals: as runs of frames (or seconds).
        truth: the ground-truth segments whose class is known.
        hits: at each IoU threshold, indices of the proposals that took a segment.
    """

    proposals: Runs
    truth: Runs
    hits: list[np.ndarray]


def matched(
    predictions, segments, labels, class_names, edges, iou_thresholds=IOU_THRESHOLDS
) -> Matched:
    """Proposals against ground truth. All arguments as for `average_precisions`."""
    index = {name: c for c, name in enumerate(class_names)}
    known = [
        (video, index[label], start, end)
        for video, pairs in enumerate(zip(segments, labels, strict=True))
        for (start, end), label in zip(*pairs, strict=True)
        if label in index
    ]
    owner, of_class, start, end = np.array(known, dtype=float).reshape(-1, 4).T
    truth = Runs(owner.astype(int), of_class.astype(int), start, end)
    predictions, edges = lasting_rows(predictions, edges)
    proposals = timed(find_proposals(predictions, edges)[0], edges)
    proposal, segment, iou = overlapping_pairs(proposals, truth)
    enough = [iou >= threshold for threshold in iou_thresholds]
    return Matched(proposals, truth, [match(proposal[e], segment[e]) for e in enough])


def average_precisions(
    predictions, segments, labels, class_names, edges, iou_thresholds=IOU_THRESHOLDS
) -> np.ndarray:
    """AP of every class: (len(iou_thresholds), C), in percent; see `detection_map`.

    AP = Σ precision at each true positive / number of ground-truth segments, 0 without segments.
    Where some class has no proposal in any video everything is 0, as the official code has it.

    Args:
        predictions, segments, labels, class_names, iou_thresholds: as for `detection_map`.
        edges: per video (T + 1,), the frames (or seconds) at which its rows begin and end.
    """
    found = matched(predictions, segments, labels, class_names, edges, iou_thresholds)
    classes = len(class_names)
    ap = np.zeros((len(iou_thresholds), classes))
    label = found.proposals.label
    if len(np.unique(label)) < classes:
        return ap
    total = np.bincount(found.truth.label, minlength=classes)
    rank = np.arange(len(label)) - np.searchsorted(label, label) + 1
    for i, hits in enumerate(found.hits):
        of_hits = label[hits]
        nth = np.arange(len(hits)) - np.searchsorted(of_hits, of_hits) + 1  # of its class
        precision = np.bincount(of_hits, weights=nth / rank[hits], minlength=classes)
        ap[i] = 100 * precision / np.maximum(total, 1)
    return ap


def detection_map(
    predictions, segments, labels, class_names, iou_thresholds=IOU_THRESHOLDS, frames_per_snippet=16
) -> np.ndarray:
    """Mean AP over all classes at each IoU threshold.

    Args:
        predictions: per video (T, C), class probabilities, a row per snippet.
        segments: per video, frames [start, end) of its ground-truth segments.
        labels: per video, the class name of each segment. A name that is not a class counts
            nowhere: UCF-Crime's normal videos are labelled `A`, so its class Normal is always 0.
        class_names: the C names.
        iou_thresholds: of frame counts.
        frames_per_snippet: frames that a row stands for.

    Returns:
        (len(iou_thresholds),) percent.
    """
    edges = [np.arange(len(p) + 1) * frames_per_snippet for p in predictions]
    return average_precisions(
        predictions, segments, labels, class_names, edges, iou_thresholds
    ).mean(axis=1)
