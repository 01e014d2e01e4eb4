"""Batches of snippets, one after another and without padding, which is added on the device."""

import numpy as np
import torch
from torch.utils.data import DataLoader
from tqdm.contrib.concurrent import thread_map

from utils.datasets.clip_cache import CachedClips
from utils.datasets.clips import FeatureClips
from utils.datasets.lists import Row
from utils.datasets.reading import reader


def training_clips(
    rows: list[Row], visual_length: int, train_list: str, cache: str | None, workers: int
) -> FeatureClips | CachedClips:
    """The training clips of a list.

    Args:
        rows: of the list.
        visual_length: N, rows of a clip at most.
        train_list: path of the list.
        cache: folder to pack the clips into, if they shall be.
        workers: processes that read features.

    Raises:
        UserError: the clips cannot be packed.
    """
    clips = FeatureClips(rows, visual_length)
    return CachedClips(clips, train_list, cache, workers) if cache else clips


def training_batches(
    clips: FeatureClips | CachedClips, batch_sampler, workers: int, device: torch.device
) -> DataLoader:
    """Batches of snippets (V, D), labels (B, C), lengths (B,): the clips' valid rows one after
    another.

    Args:
        clips: of the training list.
        batch_sampler: gives the indices of the clips of each batch.
        workers: processes that read features.
        device: that will fetch the batches.
    """
    if isinstance(clips, CachedClips):
        workers = 0  # copying a batch out of the cache is quicker than handing it over
    return reader(
        clips,
        workers,
        batch_sampler=batch_sampler,
        collate_fn=joined,
        persistent_workers=workers > 0,
        pin_memory=device.type == "cuda",
    )


def joined(samples) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Clips and their labels as one batch."""
    clips, labels = zip(*samples, strict=True)
    lengths = torch.tensor([len(clip) for clip in clips])
    return torch.from_numpy(np.concatenate(clips)), torch.stack(labels), lengths


def read_videos(rows: list[Row], workers: int) -> list[torch.Tensor]:
    """The features of every test video, (T, D). Read by threads: they are read once, and to start
    processes and to hand features over takes longer."""
    read = thread_map(
        Row.features, rows, max_workers=max(1, workers), desc="reading test videos", unit="video",
        leave=False, disable=None,
    )  # fmt: skip
    return [torch.from_numpy(features) for features in read]


def chunk_batches(
    videos: list[torch.Tensor], length: int, size: int
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The chunks of all test videos, `size` at a time, without their padding.

    Args:
        videos: features (T, D) of each.
        length: N.
        size: chunks of a batch.

    Returns:
        (V, D) snippets one after another and (S,) valid lengths of the chunks they
        fill. A last chunk that `process_split` fills with zeros alone is left out: no score comes
        from it.
    """
    lengths = torch.tensor(
        [min(length, len(v) - start) for v in videos for start in range(0, len(v), length)]
    ).split(size)
    snippets = torch.cat(videos).split([int(of_batch.sum()) for of_batch in lengths])
    return list(zip(snippets, lengths, strict=True))
