"""Synthetic videos as long as real ones, and what a run needs of them."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from utils import PROJECT
from utils.both_datasets import DATASETS
from utils.datasets.batches import joined
from utils.datasets.clips import process_feat
from utils.demo_videos import FULL_SIZE, real_lengths
from utils.engine import Scoring, Videos

SHARED = Path(os.environ.get("DSANET_SHARED", PROJECT.parent / "shared"))
FACTS = {name: facts for name, (_, facts) in DATASETS.items()}


def options(dataset: str, *arguments: str):
    parser, _ = DATASETS[dataset]
    return parser.parse_args(["--clip-weights", "random", *arguments])


def snippet_counts(dataset: str) -> np.ndarray:
    """Snippets of each test video: the real ones where they are at hand, else drawn like them."""
    path = SHARED / f"data/lists/{dataset}_test_counts.csv"
    if path.is_file():
        return pd.read_csv(path)["T"].to_numpy()
    videos, _ = FULL_SIZE[dataset]["test"]
    return real_lengths(np.random.default_rng(0), dataset, videos)


def features(counts) -> list[np.ndarray]:
    """(T, 512) float16 per video, of a length like CLIP's."""
    rng = np.random.default_rng(1)
    return [(0.45 * rng.standard_normal((t, 512))).astype(np.float16) for t in counts]


def training_batch(counts, dataset: str, size: int, n: int = 256):
    """Snippets (V, 512), labels (B, C), lengths (B,) of videos spread over all lengths."""
    facts = FACTS[dataset]
    counts = np.sort(counts)[np.linspace(0, len(counts) - 1, size).astype(int)]
    clips = [process_feat(feat, n) for feat in features(counts)]
    labels = [facts.encode(facts.classes[i % 2]) for i in range(size)]
    return joined(
        [(clip[:valid], label) for (clip, valid), label in zip(clips, labels, strict=True)]
    )


def test_set(videos: list[np.ndarray], args) -> Videos:
    tensors = [torch.from_numpy(v.astype(np.float32)) for v in videos]
    return Videos(Scoring.of(args), [f"v{i}" for i in range(len(videos))], tensors)


def ground_truth(counts, classes) -> tuple[list, list, np.ndarray]:
    """Segments and their classes per video, every second one anomalous, and the frames."""
    rng = np.random.default_rng(2)
    segments, labels, frames = [], [], []
    for i, t in enumerate(counts):
        of_video = np.zeros(16 * t, dtype=np.float32)
        segments.append([])
        if i % 2:
            start = int(rng.integers(0, 12 * t))
            segments[-1].append([start, start + max(16, 4 * t)])
            of_video[start : start + max(16, 4 * t)] = 1
        labels.append([classes[1 + i % (len(classes) - 1)]] * len(segments[-1]))
        frames.append(of_video)
    return segments, labels, np.concatenate(frames)


def probabilities(counts, classes: int) -> list[np.ndarray]:
    """(T, C) curves that wander as a detector's do."""
    rng = np.random.default_rng(3)
    walks = [np.exp(0.3 * rng.standard_normal((t, classes)).cumsum(axis=0)) for t in counts]
    return [(walk / walk.sum(axis=1, keepdims=True)).astype(np.float32) for walk in walks]
