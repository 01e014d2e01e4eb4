"""The whole of `ucf_test.py`, from its start to its end, and what takes the time in it."""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks import workload
from benchmarks.measure import Result, printed_by
from benchmarks.networks import initial_network
from utils import PROJECT, checkpoint
from utils.runs.made_with import made_with
from utils.system.files import write_json


def process(settings) -> list[Result]:
    """Testing as many videos as UCF-Crime has, as long. There is no plain one beside it."""
    counts = workload.snippet_counts("ucf")
    if settings.quick:
        counts = np.sort(counts)[4::29]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        options = written_test_set(Path(folder), counts)
        options += ["--device", str(settings.device), "--output-dir", folder]
        options += ["--compile", str(settings.compile)]
        for precision in settings.precisions:
            of_precision = [*options, "--precision", precision]
            name = f"ucf_test.py, {len(counts)} videos, {precision}"
            parts = best_parts(of_precision, settings.repeats)
            bare = best_parts([*of_precision, "--bootstrap", "0"], settings.repeats)
            results.append(Result(name, None, sum(parts.values())))
            results += [Result(f"- {part}", None, taken) for part, taken in parts.items()]
            results.append(Result(f"{name}, --bootstrap 0", None, sum(bare.values())))
    return results


def best_parts(options: list[str], repeats: int) -> dict[str, float]:
    """Seconds of each part, of the quickest process."""
    return min((parts_of_process(options) for _ in range(repeats)), key=lambda p: sum(p.values()))


def parts_of_process(options: list[str]) -> dict[str, float]:
    """Seconds of each part of one process; `the rest` has its end, too."""
    begun = time.time()
    command = [sys.executable, "-m", "benchmarks.clocked_test", str(begun), *options]
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    printed = printed_by(command, cwd=PROJECT, env={**os.environ, **threads})
    whole = time.time() - begun
    parts = json.loads(printed.splitlines()[-1])
    return parts | {"the rest": whole - sum(parts.values())}


def written_test_set(folder: Path, counts) -> list[str]:
    """Features, list, ground truth and weights of videos of so many snippets, and the options of
    `ucf_test.py` that name them."""
    args, facts = workload.options("ucf"), workload.FACTS["ucf"]
    segments, labels, frames = workload.ground_truth(counts, facts.classes)
    lines = ["path,label"]
    for i, features in enumerate(workload.features(counts)):
        path = folder / f"v{i}__0.npy"
        np.save(path, features)
        lines.append(f"{path},{labels[i][0] if labels[i] else facts.normal}")
        if not labels[i]:
            segments[i] = [[0, 16 * counts[i]]]
            labels[i] = [facts.ground_truth_normal]
    videos = [f"v{i}" for i in range(len(counts))]
    segments = [np.array(of_video).tolist() for of_video in segments]
    (folder / "test.csv").write_text("\n".join(lines) + "\n")
    np.save(folder / "frames.npy", frames)
    write_json(folder / "segments.json", dict(zip(videos, segments, strict=True)))
    write_json(folder / "labels.json", dict(zip(videos, labels, strict=True)))
    weights = folder / "model.pth"
    checkpoint.save_weights(initial_network(), weights, made_with(args, facts, args.clip_weights))
    return [
        f"--test-list={folder}/test.csv", f"--gt-path={folder}/frames.npy",
        f"--gt-segment-path={folder}/segments.json", f"--gt-label-path={folder}/labels.json",
        f"--model-path={weights}",
    ]  # fmt: skip
