"""Ground truth as tests write it."""

import numpy as np

from utils.datasets.ground_truth import GroundTruth, runs_of_ones


def truth_of_frames(frames, lengths, segments, labels) -> GroundTruth:
    """From 0 or 1 for every frame of videos of so many snippets, 16 frames each."""
    edges = [16 * np.arange(length + 1) for length in lengths]
    videos = np.split(np.asarray(frames), np.cumsum([e[-1] for e in edges])[:-1])
    return GroundTruth(edges, [runs_of_ones(video) for video in videos], segments, labels)


def frames_of(truth: GroundTruth) -> np.ndarray:
    """0 or 1 for every frame of all videos."""
    videos = []
    for edges, spans in zip(truth.edges, truth.spans, strict=True):
        video = np.zeros(int(edges[-1]), dtype=np.float32)
        for start, end in spans:
            video[start:end] = 1
        videos.append(video)
    return np.concatenate(videos)
