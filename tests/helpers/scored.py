"""ScoredVideos videos with their ground truth."""

from pathlib import Path

import numpy as np

from utils.datasets.ground_truth import GroundTruth, union
from utils.datasets.lists import Row
from utils.evaluation.scored_videos import Prediction, ScoredVideos
from utils.labels import Dataset


def scored_videos(rng, facts: Dataset, counts, lengths, levels: int | None = None) -> ScoredVideos:
    """Every third of which is normal.

    Args:
        rng: of the scores.
        facts: of the data set.
        counts: of the rows of each video.
        lengths: of each video, in the unit of the data set.
        levels: of the scores, so that some are equal; None for no such.
    """
    predictions, segments, labels, rows = [], [], [], []
    anomalies, normal = facts.classes[1:], facts.normal
    edges = [facts.row.edges(t, n) for t, n in zip(counts, lengths, strict=True)]
    for i, t in enumerate(counts):
        p = rng.random((t, len(facts.classes))).astype(np.float32) ** 3
        score = rng.random(t).astype(np.float32)
        if levels:
            score = np.round(score * levels) / np.float32(levels)
        predictions.append(Prediction(score, p / p.sum(1)[:, None]))
        end, code = edges[i][-1].item(), anomalies[i % len(anomalies)]
        if i % 3 == 2:
            segments.append([(0, end)])
            labels.append([normal])
        else:
            segments.append([(end // 4, end // 2), (end // 3, 3 * end // 4)])  # they overlap
            labels.append([code, anomalies[-1]])
        label = normal if i % 3 == 2 else code
        rows.append(Row(Path(f"{i}.npy"), facts.encode(label), name=f"v{i}", length=lengths[i]))
    spans = [
        [] if row.normal else union(of_video) for row, of_video in zip(rows, segments, strict=True)
    ]
    return ScoredVideos(predictions, GroundTruth(edges, spans, segments, labels), rows, facts)
