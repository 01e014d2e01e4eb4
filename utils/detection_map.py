"""mAP@IoU of temporal anomaly detection, the protocol of VadCLIP and DSANet.

A row of a prediction stands for a whole snippet, so everything is computed on snippets and counted
in frames.
"""

from typing import NamedTuple

import numpy as np

IOU_THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5)
DEPTH = 0.6  # a proposal is what lies above max − 0.6·(max − min) of its video's curve
MIN_FRAMES = 2  # shorter runs are no proposals
CLASS_SHARE = 0.7  # weight of the video-level class score in a proposal's score
VOTING = 16  # the class score is the mean of the F // 16 largest of F frame values


class Proposals(NamedTuple):
    """Runs of frames of one class, over all videos. All arrays have one entry per proposal."""

    video: np.ndarray
    start: np.ndarray  # first frame
    end: np.ndarray  # frame behind the last
    score: np.ndarray


def class_score(curve: np.ndarray, frames_per_snippet: int) -> float:
    """Mean of the F // 16 largest frame values of a (T,) curve of F = T·frames_per_snippet."""
    count = max(1, len(curve) * frames_per_snippet // VOTING)
    snippets, rest = divmod(count, frames_per_snippet)
    top = -np.sort(-curve)[: snippets + 1]
    weights = np.full(len(top), frames_per_snippet, dtype=float)
    weights[snippets:] = rest
    return float(top @ weights) / count


def video_proposals(curve: np.ndarray, frames_per_snippet: int) -> tuple[np.ndarray, ...]:
    """Start frames, end frames and scores of the proposals on one (T,) curve.

    Non-maximum suppression would change nothing: with one threshold, runs never overlap.
    """
    top, bottom = curve.max(), curve.min()
    above = curve > top - DEPTH * (top - bottom)
    edges = np.flatnonzero(np.diff(above, prepend=False, append=False))
    starts, ends = edges[::2], edges[1::2]
    long_enough = (ends - starts) * frames_per_snippet >= MIN_FRAMES
    starts, ends = starts[long_enough], ends[long_enough]
    if not len(starts):
        return starts, ends, np.empty(0)
    # What lies between two proposals is not above the threshold, so it cannot be a maximum.
    peaks = np.maximum.reduceat(curve, starts)
    scores = peaks + CLASS_SHARE * class_score(curve, frames_per_snippet)
    return starts * frames_per_snippet, ends * frames_per_snippet, scores


def class_proposals(curves: list[np.ndarray], frames_per_snippet: int) -> Proposals:
    """Proposals of one class in all videos by falling score; equal scores in video order."""
    found = [video_proposals(curve, frames_per_snippet) for curve in curves]
    video = np.repeat(np.arange(len(found)), [len(starts) for starts, _, _ in found])
    start, end, score = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.argsort(-score, kind="stable")
    return Proposals(video[order], start[order], end[order], score[order])


def match(proposals: Proposals, segments: list[np.ndarray], iou_threshold: float) -> np.ndarray:
    """Ranks (0, 1, …) of the true positives.

    Each proposal in turn takes the free segment of its video with the highest IoU, if that reaches
    the threshold.

    Args:
        proposals: of one class, by falling score.
        segments: (G, 2) frames [start, end) of that class, per video.
        iou_threshold: of frame counts.
    """
    free = [np.ones(len(s), dtype=bool) for s in segments]
    has_segments = np.array([len(s) > 0 for s in segments])
    hits = []
    for rank in np.flatnonzero(has_segments[proposals.video]):
        video, start, end = (column[rank] for column in proposals[:3])
        starts, ends = segments[video].T
        overlap = np.clip(np.minimum(ends, end) - np.maximum(starts, start), 0, None)
        iou = overlap / ((ends - starts) + (end - start) - overlap)
        iou[~free[video]] = -1
        best = iou.argmax()
        if iou[best] >= iou_threshold:
            free[video][best] = False
            hits.append(rank)
    return np.array(hits, dtype=int)


def average_precisions(
    predictions, segments, labels, class_names, iou_thresholds=IOU_THRESHOLDS, frames_per_snippet=16
) -> np.ndarray:
    """AP of every class: (len(iou_thresholds), C), in percent; see `detection_map`.

    AP = Σ precision at each true positive / number of ground-truth segments, 0 without segments.
    Where some class has no proposal in any video everything is 0, as the official code has it.
    """
    curves = [np.asarray(p, dtype=np.float64) for p in predictions]
    ap = np.zeros((len(iou_thresholds), len(class_names)))
    for c, name in enumerate(class_names):
        proposals = class_proposals([curve[:, c] for curve in curves], frames_per_snippet)
        if not len(proposals.score):
            return np.zeros_like(ap)
        truth = [
            np.array([s for s, label in zip(*video, strict=True) if label == name], dtype=int)
            .reshape(-1, 2)
            for video in zip(segments, labels, strict=True)
        ]  # fmt: skip
        total = sum(map(len, truth))
        for i, threshold in enumerate(iou_thresholds):
            hits = match(proposals, truth, threshold)
            precision = np.arange(1, len(hits) + 1) / (hits + 1)
            ap[i, c] = 100 * precision.sum() / total if total else 0.0
    return ap


def detection_map(
    predictions, segments, labels, class_names, iou_thresholds=IOU_THRESHOLDS, frames_per_snippet=16
) -> np.ndarray:
    """Mean AP over all classes at each IoU threshold.

    Args:
        predictions: per video (T, C), class probabilities, a row per snippet.
        segments: per video, frames [start, end) of its ground-truth segments.
        labels: per video, the class name of each segment. A name that is no class counts nowhere:
            UCF-Crime's normal videos are labelled `A`, so its class Normal is always 0.
        class_names: the C names.
        iou_thresholds: of frame counts.
        frames_per_snippet: frames that a row stands for.

    Returns:
        (len(iou_thresholds),) percent.
    """
    return average_precisions(
        predictions, segments, labels, class_names, iou_thresholds, frames_per_snippet
    ).mean(axis=1)
