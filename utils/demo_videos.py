"""Synthetic videos, as features: what `utils/demo_data.py` writes.

The features imitate CLIP ViT-B/16 and what makes the task hard: scene cuts, harmless bursts,
classes that look alike or that the background gives away, events short or hard to see.

A feature is  norm · unit(common + place + context + scene + drift + noise + bursts + events).
"""

import zlib
from typing import NamedTuple

import numpy as np

from utils.datasets.annotations import UCF_NORMAL_FOLDERS
from utils.datasets.features import SNIPPET_FRAMES
from utils.labels import XD_VIOLENCE, Dataset
from utils.network.backbone import WIDTH

# Names.
FIRST_UCF_TEST_NUMBER = 501  # UCF-Crime numbers train and test videos of a class in one series
XD_CODES = 3  # in a label, filled up with 0

# Size: about five train and three test videos for each of the 13 UCF-Crime anomalies.
TRAIN_VIDEOS, TEST_VIDEOS, ANOMALOUS_SHARE = 120, 70, 0.58  # 70 of 120, 41 of 70 are anomalous
SNIPPETS = (16, 64)  # of a video, log-uniform

# The same with --full-size: videos, and anomalous ones of them, of the official lists.
FULL_SIZE = {
    "ucf": {"train": (1610, 810), "test": (290, 140)},
    "xd": {"train": (3954, 1905), "test": (800, 500)},
}
FULL_SNIPPETS = {"ucf": (111.5, 239.2), "xd": (128.5, 182.1)}  # median and mean of test videos
LEAST_SNIPPETS = 5

# CLIP ViT-B/16 statistics. Strengths are norms, relative to 1 for the direction all images share.
COMMON_COORDINATES = {442: 24, 81: 8, 382: -8}  # large in every image; the others have std 1
RAW_NORM = (9.5, 10.5)  # of a whole feature: the files are not normalised
SPECTRUM_DECAY = 0.8  # variance of the i-th direction ~ 1/i^0.8: pictures differ in few ways
PLACE = (0.42, 0.58)  # what a video shows all along: sets the cosine of video means, 0.65-0.87
SCENE = 0.20  # what changes at a cut
DRIFT = 0.19  # what changes slowly within a scene
NOISE = 0.155  # what changes with every snippet: sets the cosine of neighbours, 0.95-0.98
RESTLESSNESS = (0.8, 1.2)  # a video's factor on the last three: a fixed camera or a shaken one
SCENE_SNIPPETS, DRIFT_SNIPPETS = 22.0, 6.0  # mean time between cuts; time constant of the drift

# What makes it hard.
CONTEXT = (0.05, 0.20)  # background typical of the class, over the whole video
NORMAL_CONTEXT_CHANCE = 0.5  # that a normal video has one: shops are mostly peaceful
EVENT = (0.55, 0.80)  # strength of an event, on average over its time
EVENT_OWN_SHARE = 0.3  # variance of its look that it shares with no other event
UPS_AND_DOWNS, UPS_AND_DOWNS_SNIPPETS = 0.45, 3.0  # std of its strength over time; time constant
RAMP_FRAMES = 8.0  # softness of its two ends around the annotated frames
BURSTS_PER_SNIPPET = 0.04  # harmless ones, in normal and in anomalous videos
BURST, BURST_SNIPPETS = (0.25, 0.50), (2, 7)  # strength and length, below most events'
BURST_LOOKALIKE_SHARE = 0.15  # variance of its look borrowed from events: running is not a fight
ANOMALY_SHARE = 0.45  # variance that events of all classes share: haste, people gathering
GROUP_SHARE = 0.45  # variance of the rest that the classes of a confusable group share
CONFUSABLE = {
    "ucf": (("Robbery", "Stealing", "Shoplifting", "Burglary"), ("Fighting", "Assault", "Abuse")),
    "xd": (("B1", "B5", "B4"), ("B2", "G")),  # fighting, abuse, riot; shooting, explosion
}
EVENT_SHARE = {"ucf": (0.03, 0.60), "xd": (0.08, 0.60)}  # of the video, in total, log-uniform
LONG_SHARE, LONG_CHANCE = (0.70, 0.95), 0.5  # the same of a long event; with --long-events
EVENT_COUNT_ODDS = {"ucf": (0.85, 0.15), "xd": (0.5, 0.3, 0.2)}  # of one, two, three events
MIN_EVENT_FRAMES = 2 * SNIPPET_FRAMES  # so that an event fills at least one whole snippet
EXTRA_CLASSES = (2, 0.15)  # of an XD-Violence video beside its first: number, chance of each
CROP_OFFSET, CROP_NOISE = 0.15, 0.10  # how other crops differ from the centre: always, by snippet


class World(NamedTuple):  # what the videos of a data set have in common
    facts: Dataset
    seed: int
    long_events: bool  # whether events are long in half of the videos
    full_size: bool  # whether videos are as long as real ones
    common: np.ndarray  # (512,) unit vector, the direction all images share
    basis: np.ndarray  # (511, 512) orthogonal to it and each other, as long as their std
    events: dict[str, np.ndarray]  # class -> (512,) unit vector, how its events look
    contexts: dict[str, np.ndarray]  # the same for the background of its videos


class DemoEvent(NamedTuple):
    start: int  # first frame
    stop: int  # frame after the last
    codes: tuple[str, ...]  # classes that can be seen


class DemoVideo(NamedTuple):
    folder: str  # of its feature files, below the output folder
    name: str  # of its feature files, without the crop
    events: list[DemoEvent]  # in order of time; none in a normal video
    features: np.ndarray  # (T, 512) of the centre crop


def rng_for(seed, *key):
    """A generator that depends on seed and key only, not on what was drawn before."""
    return np.random.default_rng([seed, zlib.crc32("/".join(map(str, key)).encode())])


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def blend(a, b, share):
    """`share` of the variance from b, the rest from a."""
    return np.sqrt(1 - share) * a + np.sqrt(share) * b


def looks(rng, basis, *shape):
    """(*shape, 512) random deviations from the common direction, of norm 1 on average."""
    return rng.standard_normal((*shape, len(basis)), dtype=np.float32) @ basis


def slow_noise(rng, length, width, time_constant):
    """(length, width) Gaussian noise of variance 1 that changes over `time_constant` snippets."""
    keep = np.exp(-1 / time_constant)
    noise = rng.standard_normal((length, width), dtype=np.float32)
    for t in range(1, length):
        noise[t] = keep * noise[t - 1] + np.sqrt(1 - keep**2) * noise[t]
    return noise


def class_looks(rng, basis, facts, share_of_all):
    """{class: (512,)}: `share_of_all` in common for all classes, GROUP_SHARE of the rest."""
    look = {code: looks(rng, basis) for code in facts.classes[1:]}
    for group in CONFUSABLE[facts.name]:
        of_group = looks(rng, basis)
        look |= {code: blend(look[code], of_group, GROUP_SHARE) for code in group}
    of_all = looks(rng, basis)
    return {code: unit(blend(look[code], of_all, share_of_all)) for code in look}


def make_world(
    facts: Dataset, seed: int, long_events: bool = False, full_size: bool = False
) -> World:
    rng = rng_for(seed, facts.name, "world")
    common = rng.standard_normal(WIDTH)
    common[[*COMMON_COORDINATES]] = [*COMMON_COORDINATES.values()]
    common = unit(common)
    square = np.column_stack([common, rng.standard_normal((WIDTH, WIDTH - 1))])
    directions = np.linalg.qr(square)[0].T[1:]  # the first one is `common` itself
    std = unit(np.arange(1.0, WIDTH) ** (-SPECTRUM_DECAY / 2))
    basis = (directions * std[:, None]).astype(np.float32)
    events = class_looks(rng, basis, facts, ANOMALY_SHARE)
    contexts = class_looks(rng, basis, facts, 0)
    return World(facts, seed, long_events, full_size, common, basis, events, contexts)


def real_lengths(rng, dataset: str, videos: int) -> np.ndarray:
    """(videos,) snippets, log-normal as those of the data set's test videos nearly are."""
    median, mean = FULL_SNIPPETS[dataset]
    sigma = np.sqrt(2 * np.log(mean / median))
    return np.maximum(rng.lognormal(np.log(median), sigma, videos).astype(int), LEAST_SNIPPETS)


def place_events(rng, world, frames, codes):
    """Disjoint DemoEvents in order of time that together show every class of `codes`."""
    odds, share = EVENT_COUNT_ODDS[world.facts.name], EVENT_SHARE[world.facts.name]
    if world.long_events and rng.random() < LONG_CHANCE:
        share = LONG_SHARE
    count = 1 + rng.choice(len(odds), p=odds)
    least = count * MIN_EVENT_FRAMES
    total = max(least, frames * np.exp(rng.uniform(*np.log(share))))
    lengths = MIN_EVENT_FRAMES + (total - least) * rng.dirichlet(np.ones(count))
    gaps = (frames - total) * rng.dirichlet(np.ones(count + 1))
    stops = np.cumsum(gaps[:-1] + lengths)
    # Dealt in turn: an event may get several classes, or a class several events.
    shown = [tuple(codes[i::count]) or (codes[i % len(codes)],) for i in range(count)]
    return [DemoEvent(int(stops[i] - lengths[i]), int(stops[i]), shown[i]) for i in range(count)]


def visibility(rng, event, length):
    """(length,) strength of the event in each snippet: soft ends, ups and downs between them."""
    centre = (np.arange(length) + 0.5) * SNIPPET_FRAMES
    depth = np.minimum(centre - event.start, event.stop - centre)  # frames, negative outside
    strength = 1 + UPS_AND_DOWNS * slow_noise(rng, length, 1, UPS_AND_DOWNS_SNIPPETS)[:, 0]
    away = np.minimum(-depth / RAMP_FRAMES, 700)  # beyond it exp overflows
    return np.maximum(strength, 0) / (1 + np.exp(away))


def bursts(rng, world, length):
    """(length, 512) the harmless bursts of a video."""
    total = np.zeros((length, WIDTH))
    for _ in range(rng.poisson(BURSTS_PER_SNIPPET * length)):
        start, duration = rng.integers(length), rng.integers(*BURST_SNIPPETS, endpoint=True)
        borrowed = world.events[rng.choice([*world.events])]
        look = blend(looks(rng, world.basis), borrowed, BURST_LOOKALIKE_SHARE)
        total[start : start + duration] += rng.uniform(*BURST) * look
    return total


def background(rng, world, length, codes):
    """(length, 512) what a video that shows the classes `codes` looks like but for its events."""
    if not codes and rng.random() < NORMAL_CONTEXT_CHANCE:
        codes = [rng.choice([*world.contexts])]
    x = world.common + rng.uniform(*PLACE) * looks(rng, world.basis)
    for code in codes:
        x += rng.uniform(*CONTEXT) / np.sqrt(len(codes)) * world.contexts[code]
    scene = np.cumsum(rng.random(length) < 1 / SCENE_SNIPPETS)  # index of each snippet's scene
    change = SCENE * looks(rng, world.basis, scene[-1] + 1)[scene]
    change += DRIFT * slow_noise(rng, length, len(world.basis), DRIFT_SNIPPETS) @ world.basis
    change += NOISE * looks(rng, world.basis, length)
    return x + rng.uniform(*RESTLESSNESS) * change + bursts(rng, world, length)


def make_video(world, split, first_code, number) -> DemoVideo:
    """Video `number` (from 1) of a split's videos with the class `first_code`."""
    facts = world.facts
    rng = rng_for(world.seed, facts.name, split, first_code, number)
    codes = [] if first_code == facts.normal else [first_code]
    if codes and facts is XD_VIOLENCE:
        others = [code for code in world.events if code != first_code]
        codes += rng.choice(others, rng.binomial(*EXTRA_CLASSES), replace=False).tolist()
    if world.full_size:
        length = int(real_lengths(rng, facts.name, 1)[0])
    else:
        length = round(np.exp(rng.uniform(*np.log(SNIPPETS))))
    events = place_events(rng, world, length * SNIPPET_FRAMES, codes) if codes else []
    x = background(rng, world, length, codes)
    for event in events:
        typical = unit(sum(world.events[code] for code in event.codes))
        look = blend(typical, looks(rng, world.basis), EVENT_OWN_SHARE)
        x += rng.uniform(*EVENT) * visibility(rng, event, length)[:, None] * look
    features = (rng.uniform(*RAW_NORM) * unit(x)).astype(np.float32)
    return DemoVideo(*file_name(facts, split, codes, number), events, features)


def file_name(facts, split, codes, number):
    """Folder and name (without crop) of the feature files of a video with the classes `codes`."""
    test = split == "test"
    if facts is XD_VIOLENCE:
        label = "-".join([*codes, *"0" * XD_CODES][:XD_CODES]) if codes else facts.normal
        return f"{split}_features", f"Demo.{split}.{number:03d}__#1_label_{label}"
    number += test * (FIRST_UCF_TEST_NUMBER - 1)
    if codes:
        return f"features/{codes[0]}", f"{codes[0]}{number:03d}_x264"
    return f"features/{UCF_NORMAL_FOLDERS[test]}", f"Normal_Videos{'_' * test}{number:03d}_x264"


def make_split(world: World, split: str, count: int) -> list[DemoVideo]:
    """`count` DemoVideos, anomalous ones first. None depends on which others there are."""
    normal, *anomalies = world.facts.classes
    share = ANOMALOUS_SHARE
    if world.full_size:
        videos, of_them = FULL_SIZE[world.facts.name][split]
        share = of_them / videos
    anomalous = round(share * count)
    turns = [(anomalies[i % len(anomalies)], i // len(anomalies) + 1) for i in range(anomalous)]
    turns += [(normal, i + 1) for i in range(count - anomalous)]
    return [make_video(world, split, code, number) for code, number in turns]


def make_crop(world: World, video: DemoVideo, k: int) -> np.ndarray:
    """(T, 512) float16 features of crop k (0 centre, 1-4 corners, 5-9 the same five mirrored)."""
    x, rng = unit(video.features), rng_for(world.seed, video.name, k)
    if k:
        x = x + CROP_OFFSET * looks(rng, world.basis) + CROP_NOISE * looks(rng, world.basis, len(x))
    return (np.linalg.norm(video.features[0]) * unit(x)).astype(np.float16)
