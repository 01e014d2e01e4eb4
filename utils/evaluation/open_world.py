"""Metrics of the classes that training saw, and of those that it did not (`--leave-out`)."""

import numpy as np

from utils.evaluation.detections import of_detections
from utils.evaluation.frames import of_anomalous_videos, of_frames
from utils.evaluation.scored_videos import ScoredVideos
from utils.evaluation.videos import of_videos
from utils.evaluation.weighted import Part, Values, mean_of_defined
from utils.metric_names import OF_PARTS, OPEN_WORLD, PARTS


def of_open_world(scored: ScoredVideos) -> Part:
    """AUC, AP and class accuracy over all normal videos and the anomalous ones of a part: `unseen`,
    those that show a class that was left out, and `seen`, the others. mAP is over the classes of a
    part, and over all videos. Classes are told apart among all in either part."""
    codes = scored.facts.classes[1:]
    unseen = np.isin(codes, scored.left_out)
    shows = np.array([bool((np.asarray(row.label)[1:] > 0) @ unseen) for row in scored.rows])
    videos = dict(zip(PARTS, (~shows, shows | ~scored.anomalous), strict=True))
    classes = dict(zip(PARTS, (~unseen, unseen), strict=True))
    parts = [of_videos(scored)]
    if scored.truth:
        parts += [of_frames(scored), of_anomalous_videos(scored)]
    detections = of_detections(scored) if scored.truth and scored.tells_classes else None

    def part(weights: np.ndarray) -> Values:
        found: Values = {}
        for name in PARTS:
            values: Values = {}
            for of_part in parts:
                values |= of_part(weights * videos[name])
            found[name] = {n: v for n, v in values.items() if n in OF_PARTS}
        if detections:
            by_class = detections(weights)["per_class_ap"]
            ap = np.array([np.mean([*by_class[c].values()], axis=0) for c in codes])  # [C − 1, B]
            for name in PARTS:
                found[name]["average_anomaly_map"] = mean_of_defined(ap[classes[name]])
        return {OPEN_WORLD: found}

    return part
