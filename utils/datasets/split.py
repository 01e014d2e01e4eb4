"""Videos in two parts: a seeded draw in which every class has its share in both."""

import hashlib

import numpy as np

from utils.datasets.lists import Row, crops_of_videos
from utils.labels import Dataset
from utils.system.console import note, plural
from utils.system.errors import UserError


def drawn(kinds: list[tuple], normal: list[bool], share: float, seed: int) -> set[int]:
    """Indices of the videos of the smaller part: evenly spaced ones of all that are sorted by kind,
    of normal and of anomalous ones apart, at least one of each. Of every kind one stays in the
    larger part, but where no kind has two.

    Args:
        kinds: what is known of each video; it need not be equal in both parts to the last one.
        normal: whether it is normal.
        share: of the smaller part.
        seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    chosen: set[int] = set()
    for is_normal in (True, False):
        videos = [i for i in rng.permutation(len(kinds)).tolist() if normal[i] == is_normal]
        count = min(max(1, round(share * len(videos))), len(videos) - 1)
        stay = {kinds[i]: i for i in videos}.values()
        videos = [i for i in videos if i not in stay] or videos
        videos.sort(key=lambda i: kinds[i])  # stable
        count = min(count, len(videos))
        places = (np.arange(count) + rng.random()) * len(videos) / max(1, count)
        chosen |= {videos[int(place)] for place in places}
    return chosen


def hold_out(rows: list[Row], share: float, seed: int, path: str) -> tuple[list[Row], list[Row]]:
    """Rows to train on, and the validation videos, one row each: the first of its crops.

    Args:
        rows: of the training list.
        share: of its videos to hold out.
        seed: of the draw.
        path: of the list, for errors.

    Raises:
        UserError: there are too few videos.
    """
    if not share:
        return rows, []
    videos = crops_of_videos(rows)
    first = [rows[crops[0]] for crops in videos]
    for one, crops in zip(first, videos, strict=True):
        if odd := [rows[i].place for i in crops if not one.label.equal(rows[i].label)]:
            raise UserError(
                f"{odd[0]}: video {one.video} has another label in {one.place}: the crops of a "
                "video share its label; add a column video if these are two videos"
            )
    kinds = [tuple(row.label.tolist()) for row in first]
    normal = [row.normal for row in first]
    for kind, count in (("normal", sum(normal)), ("anomalous", len(normal) - sum(normal))):
        if count < 2:
            few = plural(count, f"{kind} video")
            raise UserError(f"--validation {share:g}: {path} has {few}, too few to hold out one")
    held = drawn(kinds, normal, share, seed)
    of_kind = sum(normal[i] for i in held)
    note(
        f"held out for validation: {len(held)} of {len(videos)} videos, {of_kind} normal and "
        f"{len(held) - of_kind} anomalous"
    )
    left_out = {i for video in held for i in videos[video]}
    trained = [row for i, row in enumerate(rows) if i not in left_out]
    return trained, [first[video] for video in sorted(held)]


def identity(held_out: list[Row]) -> str | None:
    """What tells these validation videos from others: a sha256 of their names. None for none."""
    names = "\n".join(sorted(row.video for row in held_out))
    return hashlib.sha256(names.encode()).hexdigest() if held_out else None


def leave_out(
    rows: list[Row], held_out: list[Row], facts: Dataset, codes: list[str] | None
) -> tuple[list[Row], list[Row]]:
    """Rows to train on, and validation videos, none of which shows one of these classes. The labels
    of the former are (C,) for the classes that remain.

    Args:
        rows, held_out: of all classes, see `hold_out`.
        facts: of the data set.
        codes: of the classes (`--leave-out`).

    Raises:
        UserError: one is not an anomaly class, or no anomalous video is left.
    """
    if not codes:
        return rows, held_out
    seen = facts.seen(codes)
    unseen = [i for i in range(len(facts.classes)) if i not in seen]
    trained, held = ([r for r in part if not r.label[unseen].any()] for part in (rows, held_out))
    for part, kept, use in ((rows, trained, "train on"), (held_out, held, "validate on")):
        if part and all(row.normal for row in kept):
            raise UserError(f"--leave-out {' '.join(codes)} leaves no anomalous video to {use}")
    note(
        f"left out of training: {', '.join(codes)}, {len(rows) - len(trained)} of {len(rows)} rows"
    )
    return [row._replace(label=row.label[seen]) for row in trained], held
