"""Plain references: the same results as the project's, written out the obvious way.

Loops over videos, frames and tensors, attention under a 256×256 mask, texts padded to CLIP's 77
tokens, SG-NM in every pass, a number read back from the device for every loss. The benchmark
measures against them and the tests compare with them.
"""

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score


def frame_wise_auc_ap(scores, frames):
    """AUC and AP of snippet scores (S,) against frames (16·S,), every score repeated 16 times."""
    scores = np.repeat(scores, 16)
    return roc_auc_score(frames, scores), average_precision_score(frames, scores)


def frame_wise_map(predictions, segments, labels, names, thresholds, repeat=16):
    """mAP at each IoU threshold, on curves of frames."""
    expanded = [np.repeat(p.astype(np.float64), repeat, axis=0) for p in predictions]
    return np.array(
        [
            np.mean(_frame_wise_aps(expanded, segments, labels, names, threshold))
            for threshold in thresholds
        ]
    )


def _frame_wise_aps(curves, segments, labels, names, threshold):
    aps = []
    for c, name in enumerate(names):
        proposals = []
        for v, curve in enumerate(curves):
            proposals += [(score, v, *run) for score, *run in _frame_wise_proposals(curve[:, c])]
        if not proposals:
            return [0.0]
        proposals.sort(key=lambda proposal: -proposal[0])
        free = [
            (v, *map(int, segment))
            for v in range(len(segments))
            for segment, label in zip(segments[v], labels[v], strict=True)
            if label == name
        ]
        total, hits, ap = len(free), 0, 0.0
        for rank, (_, v, start, end) in enumerate(proposals, start=1):
            best, best_iou = None, 0.0
            for i, (video, first, last) in enumerate(free):
                overlap = min(end, last) - max(start, first)
                if video == v and overlap > 0:
                    iou = overlap / (end - start + last - first - overlap)
                    if iou > best_iou:
                        best, best_iou = i, iou
            if best is not None and best_iou >= threshold:
                del free[best]
                hits += 1
                ap += hits / rank
        aps.append(100 * ap / total if total else 0.0)
    return aps


def _frame_wise_proposals(curve):
    """(score, start, end) of every run above the threshold."""
    class_score = np.sort(curve)[::-1][: max(1, len(curve) // 16)].mean()
    threshold = curve.max() - 0.6 * (curve.max() - curve.min())
    start = None
    for t, above in enumerate([*(curve > threshold), False]):
        if above and start is None:
            start = t
        elif not above and start is not None:
            if t - start >= 2:
                yield curve[start:t].max() + 0.7 * class_score, start, t
            start = None


def looped_clip(feat, n):
    """Training clip of (T, D) features, row by row: (n, D)."""
    clip = np.zeros((n, feat.shape[1]), dtype=np.float32)
    if len(feat) <= n:
        clip[: len(feat)] = feat
        return clip
    bounds = np.linspace(0, len(feat), n + 1).astype(int)
    for i in range(n):
        start, end = bounds[i], bounds[i + 1]
        clip[i] = feat[start:end].mean(0) if end > start else feat[start]
    return clip
