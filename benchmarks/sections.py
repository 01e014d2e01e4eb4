"""What the benchmark measures, section by section: each gives rows of the table."""

import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks import plain, workload
from benchmarks.measure import (
    Operators,
    OwnProcess,
    Result,
    best_times,
    gflop,
    grown_memory,
    kept_for_backward,
    matrix_peak,
    peak_memory,
    printed_by,
)
from benchmarks.networks import fast_step, network, plain_network, plain_scoring, plain_step
from benchmarks.process import process
from benchmarks.profile import profile
from clip_tsa import DRAWS, HardAttention, topk_weights
from losses import dsanet_losses
from utils.datasets.batches import training_batches, training_clips
from utils.datasets.clips import process_feat
from utils.datasets.features import read_features
from utils.datasets.ground_truth import GroundTruth, runs_of_ones
from utils.datasets.lists import Row
from utils.datasets.order import Shuffled
from utils.detection_map import IOU_THRESHOLDS, detection_map
from utils.engine import score
from utils.evaluation.bootstrap import intervals, resample_weights
from utils.evaluation.metrics import Evaluation
from utils.evaluation.ranking import Ranking
from utils.evaluation.scored_videos import Prediction, ScoredVideos
from utils.network.batch import Filled
from utils.options.kinds import RESAMPLES
from utils.system.device import set_up_device
from utils.system.machine import CORES

CPU = torch.device("cpu")
OF_THE_HOST = 2  # "waits" of our step that only look so: `Filled.of` asks lengths on the CPU


def ucf_options(settings, precision="fp32"):
    return workload.options(
        "ucf", "--precision", precision, "--device", str(settings.device),
        "--compile", str(settings.compile),
    )  # fmt: skip


def training_step(settings) -> list[Result]:
    """Forward, backward and optimizers."""
    results = []
    counts = workload.snippet_counts("ucf")
    batches = {"real lengths": counts, "no padding": np.full(len(counts), 256)}
    if settings.quick:
        del batches["no padding"]
    for what, lengths in batches.items():
        batch = workload.training_batch(lengths, "ucf", settings.batch)
        runs = {
            precision: fast_step(batch, ucf_options(settings, precision), settings.device)
            for precision in settings.precisions
        }
        work = None if settings.compile else gflop(next(iter(runs.values())))
        make_plain = partial(plain_step, batch)
        results += against_plain(
            f"training step, {what}", make_plain, runs, work, settings, settings.repeats
        )
    return results


def against_plain(
    name: str, make_plain, runs: dict, work: float | None, settings, repeats: int
) -> list[Result]:
    """A result for each precision; all take turns with the plain one in its own process."""
    device = settings.device
    plain_run = OwnProcess(make_plain, workload.options("ucf"), device, device=device)
    before = {p: matrix_peak(device, p) for p in settings.precisions}
    times = best_times({"plain": plain_run, **runs}, device, repeats)
    plain_run.close()
    peaks = {p: max(before[p], matrix_peak(device, p)) for p in settings.precisions}
    return [
        Result(f"{name}, {p}", times["plain"], times[p], "s", work, peaks[p])
        for p in settings.precisions
    ]


def memory(settings) -> list[Result]:
    """What the forward pass keeps, and the peak of a process that trains one step."""
    counts, args = workload.snippet_counts("ucf"), workload.options("ucf")
    results = []
    for what, lengths in (("real lengths", counts), ("no padding", np.full(len(counts), 256))):
        snippets, labels, lengths = workload.training_batch(lengths, "ucf", 4)
        filled = Filled.of(lengths, args.visual_length, args.attn_window)
        visual = filled.unpack(snippets)
        theirs, ours = plain_network(CPU), network(args, CPU)
        text = ours.encode_text().detach()  # those of the texts are as many for any batch
        kept = [
            kept_for_backward(
                lambda model=theirs, y=labels, n=lengths, x=visual, text=text: plain.looped_losses(
                    model(x, n, text), y, n, args.loss2_weight
                ),
                theirs.parameters(),
            ),
            kept_for_backward(
                lambda model=ours, y=labels, n=lengths, x=visual, filled=filled, text=text: (
                    dsanet_losses(model(x, n, text, filled), y, n, args.loss2_weight)
                ),
                ours.parameters(),
            ),
        ]
        kept = [1e3 * gigabytes / 4 for gigabytes in kept]
        results.append(Result(f"kept for backward, a video, {what}", *kept, "MB"))
    if settings.memory_batch:
        command = [sys.executable, "-m", "benchmarks.bench", "--device", str(settings.device)]
        command += ["--batch", str(settings.memory_batch)]
        command += ["--threads", str(settings.threads), *["--compile"] * settings.compile]
        peaks = [printed_by([*command, "--one-step", which]) for which in ("plain", "ours")]
        name = f"peak memory, batch {settings.memory_batch}, real lengths"
        results.append(Result(name, *map(float, peaks), "GB"))
    return results


def one_step_memory(which: str, settings) -> float:
    """Peak memory in GB of this process after one step."""
    batch = workload.training_batch(workload.snippet_counts("ucf"), "ucf", settings.batch)
    make_step = {"plain": plain_step, "ours": fast_step}[which]
    make_step(batch, ucf_options(settings), settings.device)()
    return peak_memory(settings.device)


def work(settings) -> list[Result]:
    """Floating-point operations, and so how the cost grows with videos, snippets and classes."""
    args = workload.options("ucf")
    theirs, ours = plain_network(CPU), network(args, CPU)
    text, labels = ours.encode_text().detach(), torch.eye(len(ours.description_mean))[:1]
    clip = torch.randn(1, args.visual_length, 512)

    def step(model, snippets, losses):
        lengths = torch.tensor([snippets])
        filled = {"filled": Filled.of(lengths, args.visual_length, args.attn_window)}
        outputs = model(clip, lengths, text, **(filled if model is ours else {}))
        losses(outputs, labels, lengths, args.loss2_weight)["total"].backward()

    texts = [lambda m=m: m.encode_text().sum().backward() for m in (theirs, ours)]
    rows = {f"texts of {len(text)} classes, a step": texts}
    for snippets in (256, 64):
        rows[f"training, a video of {snippets} snippets"] = [
            partial(step, theirs, snippets, plain.looped_losses),
            partial(step, ours, snippets, dsanet_losses),
        ]
    lengths = torch.tensor([args.visual_length])
    rows["scoring, a chunk of 256 snippets"] = [
        lambda m=m: m.eval()(clip, lengths, text) for m in (theirs, ours)
    ]
    return [Result(name, *map(gflop, pair), "GFLOP") for name, pair in rows.items()]


def operators(settings) -> list[Result]:
    """Kernel launches and waits of a step at the paper's batch size, counted on short clips."""
    args = workload.options("ucf", "--device", "cpu", "--visual-length", "8")
    batch = workload.training_batch(workload.snippet_counts("ucf"), "ucf", 128, n=8)
    counted = []
    for step in (plain_step(batch, args, CPU), fast_step(batch, args, CPU)):
        step()  # the optimizers make their states
        with Operators() as count:
            step()
        counted.append(count)
    before, after = counted
    return [
        Result("operators of a step, batch 128", before.launches, after.launches, ""),
        Result("waits for the device of a step", before.waits, after.waits - OF_THE_HOST, ""),
    ]


def scoring(settings) -> list[Result]:
    """Chunks in, scores and class probabilities out."""
    counts = workload.snippet_counts("ucf")
    if settings.quick:
        counts = np.sort(counts)[4::29]
    videos = workload.features(counts)
    ours, runs = network(ucf_options(settings), settings.device), {}
    for precision in settings.precisions:
        args = ucf_options(settings, precision)
        test = workload.test_set(videos, args)
        runs[precision] = lambda args=args, test=test: (
            set_up_device(args.device, args.precision),
            score(ours, test),
        )
    work = None if settings.compile else gflop(next(iter(runs.values())))
    name = f"scoring {len(counts)} UCF-Crime videos"
    return against_plain(name, partial(plain_scoring, videos), runs, work, settings, repeats=1)


def metrics(settings) -> list[Result]:
    results = []
    for dataset in ("ucf",) if settings.quick else ("ucf", "xd"):
        counts, facts = workload.snippet_counts(dataset), workload.FACTS[dataset]
        segments, labels, frames = workload.ground_truth(counts, facts.classes)
        curves = workload.probabilities(counts, len(facts.classes))
        scores = 1 - np.concatenate(curves)[:, 0]
        abnormal = frames.reshape(-1, 16).sum(axis=1)
        truth = (curves, segments, labels, facts.classes)
        pairs = {
            "mAP@IoU": (
                lambda truth=truth: plain.frame_wise_map(*truth, IOU_THRESHOLDS),
                lambda truth=truth: detection_map(*truth),
            ),
            "AUC and AP": (
                lambda scores=scores, frames=frames: plain.frame_wise_auc_ap(scores, frames),
                lambda scores=scores, abnormal=abnormal: areas(scores, abnormal),
            ),
        }
        for name, (slow, fast) in pairs.items():
            times = best_times({"plain": slow, "ours": fast}, CPU, settings.repeats)
            what = f"{name} of {len(counts)} {facts.title} videos"
            results.append(Result(what, times["plain"], times["ours"]))
    return results


def areas(scores: np.ndarray, abnormal: np.ndarray) -> tuple[float, float, float]:
    """AUC, AP and PR-AUC of snippets (S,), of whose 16 frames so many (S,) are abnormal."""
    frames, video = np.full(len(scores), 16), np.zeros(len(scores), dtype=int)
    curves = Ranking(scores, abnormal, frames, video, 1).curves(np.ones((1, 1)))
    return float(curves.auc()[0]), float(curves.ap()[0]), float(curves.pr_auc()[0])


RESAMPLES_OF_PLAIN = 3  # it takes seconds for each, and all take as long


def bootstrap(settings) -> list[Result]:
    """1,000 resamples of the test videos: the plain AUC and mAP, and all of our metrics."""
    results = []
    for dataset in ("ucf",) if settings.quick else ("ucf", "xd"):
        scored = scored_videos(dataset)
        weights = resample_weights(scored.num_videos, RESAMPLES)
        slow = partial(plain.resampled, scored, weights[:RESAMPLES_OF_PLAIN], IOU_THRESHOLDS)
        times = best_times({"plain": slow, "ours": partial(all_resamples, scored)}, CPU, 1)
        of_all = times["plain"] * RESAMPLES / RESAMPLES_OF_PLAIN
        what = f"{RESAMPLES:,} resamples of {scored.num_videos} {scored.facts.title} videos"
        results.append(Result(f"{what} (plain: of {RESAMPLES_OF_PLAIN})", of_all, times["ours"]))
    return results


def all_resamples(scored: ScoredVideos) -> dict:
    return intervals(Evaluation(scored), RESAMPLES)


def scored_videos(dataset: str) -> ScoredVideos:
    """As many test videos as a data set has, as long, with random class probabilities."""
    counts, facts = workload.snippet_counts(dataset), workload.FACTS[dataset]
    segments, labels, frames = workload.ground_truth(counts, facts.classes)
    curves = workload.probabilities(counts, len(facts.classes))
    edges = [16 * np.arange(count + 1) for count in counts]
    ends = np.cumsum(16 * counts)[:-1]
    spans = [runs_of_ones(of_video) for of_video in np.split(frames, ends)]
    rows = [
        Row(Path("v.npy"), facts.encode(codes[0] if of_video else facts.normal))
        for codes, of_video in zip(labels, spans, strict=True)
    ]
    predictions = [Prediction(1 - p[:, 0], p) for p in curves]
    return ScoredVideos(predictions, GroundTruth(edges, spans, segments, labels), rows, facts)


READERS = min(CORES, 128)  # processes, as many as --num-workers takes


def feeding(settings) -> list[Result]:
    """Clips per second, from files and from the cache."""
    counts = np.sort(workload.snippet_counts("ucf"))
    counts = counts[:: 8 if settings.quick else 1]
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"v{i}__0.npy" for i in range(len(counts))]
        for path, feat in zip(paths, workload.features(counts), strict=True):
            np.save(path, feat)
        label = workload.FACTS["ucf"].encode("Normal")
        rows = [Row(path, label) for path in paths]
        (Path(folder) / "list.csv").write_text("".join(f"{path},Normal\n" for path in paths))
        arguments = ("--train-list", f"{folder}/list.csv", "--batch-size", "32")
        runs, order = {}, torch.Generator()
        for name, cache in (("files", ()), ("cache", ("--cache", folder))):
            args = workload.options("ucf", *arguments, *cache, "--num-workers", str(READERS))
            every_row = Shuffled(range(len(rows)), args.batch_size, order)
            clips = training_clips(rows, 256, args.train_list, args.cache, READERS)
            loader = training_batches(clips, every_row, READERS, CPU)
            runs[name] = lambda loader=loader: [len(lengths) for _, _, lengths in loader]
        long = [read_features(path) for path, t in zip(paths, counts, strict=True) if t > 256]
        runs["looped"] = lambda: [plain.looped_clip(feat, 256) for feat in long]
        runs["vectorised"] = lambda: [process_feat(feat, 256) for feat in long]
        times = best_times(runs, CPU, 3)
    per_clip = {name: 1e3 * taken / len(rows) for name, taken in times.items()}
    building = [1e3 * times[name] / len(long) for name in ("looped", "vectorised")]
    return [
        Result("building a clip of a video of T > 256", *building, "ms"),
        Result(
            "feeding a clip: from files, from the cache", per_clip["files"], per_clip["cache"], "ms"
        ),
    ]


TOPK_LENGTHS = 300, 2000, 20_000  # snippets
MOST_ONE_HOT = 4e9  # bytes of one-hot rows that the plain top-k is let have at once


def topk(settings) -> list[Result]:
    """CLIP-TSA's top-k of a test video of T snippets, with UCF-Crime's κ."""
    results = []
    for snippets in TOPK_LENGTHS[:2] if settings.quick else TOPK_LENGTHS:
        runs = {which: topk_run(which, snippets) for which in ("plain", "ours")}
        times = best_times(runs, CPU, settings.repeats)
        name = f"top-k of CLIP-TSA, T = {snippets:,}"
        results.append(Result(name, times["plain"], times["ours"]))
        needed = one_hot_bytes(snippets)
        if needed <= MOST_ONE_HOT:
            theirs, how = grown_memory(topk_run, "plain", snippets), ""
        else:
            theirs, how = needed / 1e9, " (plain: calculated)"
        ours = grown_memory(topk_run, "ours", snippets)
        results.append(Result(f"{name}, memory{how}", 1e3 * theirs, 1e3 * ours, "MB"))
    return results


def topk_run(which: str, snippets: int):
    """A function that weights the snippets of a video. The plain one takes as many draws at once
    as fit."""
    torch.manual_seed(0)
    scores, noise = torch.rand(1, snippets), torch.randn(1, DRAWS, snippets)
    k = topk_of(snippets)
    if which == "ours":
        return partial(topk_weights, scores, k, noise)
    at_once = max(1, int(DRAWS * min(1, MOST_ONE_HOT / one_hot_bytes(snippets))))
    return lambda: [
        plain.rank_by_rank_weights(scores, k, draws) for draws in noise.split(at_once, dim=1)
    ]


def topk_of(snippets: int) -> int:
    args = workload.options("ucf")
    return HardAttention(1, args.tsa_kappa, args.tsa_cap, args.tsa_estimator).eval().most(snippets)


def one_hot_bytes(snippets: int) -> int:
    """Of the one-hot rows, int64, and their copy in float32."""
    return DRAWS * topk_of(snippets) * snippets * (8 + 4)


SECTIONS = (
    metrics,
    bootstrap,
    feeding,
    topk,
    operators,
    work,
    memory,
    scoring,
    process,
    training_step,
    profile,
)
