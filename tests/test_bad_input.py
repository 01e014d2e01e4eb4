"""Whatever is wrong: exit code 2, one line that names the file and the cause, nothing written.

A case is a command, a name, a function that spoils a copy of a small data set, and what the line
must say.
"""

import os
import re
import shutil

import numpy as np
import pytest
import torch

from helpers.scripts import one_error
from helpers.spoiling import (
    ANNOTATIONS,
    COMMANDS,
    a_cached,
    annotations,
    array,
    backwards,
    claiming,
    clip_file,
    config,
    content,
    gone,
    lines,
    no_text,
    npz,
    of_other_videos,
    option,
    other_label,
    replaced,
    structured,
    text,
    texts,
    weights,
    with_nan,
)
from utils.labels import UCF_CRIME

FEATURE = "Abuse501_x264__5.npy"
FEATURES = [
    ("empty", content(lambda data: b""), "is damaged"),
    ("cut in the header", content(lambda data: data[:50]), "is damaged"),
    ("cut in the values", content(lambda data: data[:-7]), "is damaged"),
    ("a text", content(lambda data: b"hello"), "is damaged"),
    ("a gigantic shape", content(claiming((10**9, 512))), "is damaged"),
    ("a shape beyond memory", content(claiming((10**15, 512))), "is damaged"),
    ("a pickle", array(lambda a: np.array([{"a": 1}], dtype=object)), "is damaged"),
    ("integers", array(lambda a: a.astype(int)), "holds int64; expected floating point"),
    ("complex numbers", array(lambda a: a.astype(complex)), "holds complex128; expected floating"),
    ("a structured type", array(structured), "expected (T, 512)"),
    ("one row", array(lambda a: a[0]), "has shape (512,); expected (T, 512)"),
    ("transposed", array(lambda a: a.T), "expected (T, 512)"),
    ("ViT-L's width", array(lambda a: np.zeros((9, 768), "f2")), "has shape (9, 768)"),
    ("ten crops in one", array(lambda a: np.stack([a] * 10)), "has shape (10, "),
    ("no rows", array(lambda a: a[:0]), "has shape (0, 512)"),
    ("a NaN", array(with_nan), "NaN or infinite values, first in row 2"),
    ("too large", array(lambda a: a.astype("f8") * 1e300), "NaN or infinite values"),
    ("an archive", array(lambda a: npz(a)), "is damaged"),
]


CASES = [
    *(("ucf_test", f"feature file: {what}", do, [FEATURE, say]) for what, do, say in FEATURES),
    ("xd_train", "test feature: empty", content(lambda data: b""), ["Demo.test", "is damaged"]),
    ("xd_test", "test feature: a NaN", array(with_nan), ["Demo.test", "NaN"]),
    ("ucf_train", "training feature: empty", lambda w: [
        w.feature("train-list", n).write_bytes(b"") for n in range(2, 32)],
        ["_x264__", "is damaged"]),
    ("xd_train", "training feature while packing: a NaN", a_cached(array(with_nan, "train-list")),
        ["Demo.train", "NaN"]),
    ("ucf_test", "feature file: missing", lambda w: w.feature().unlink(),
        ["ucf_CLIP_rgbtest.csv, line 2", FEATURE, "not found"]),
    ("ucf_test", "feature file: a folder", lambda w: (
        w.feature().unlink(), w.feature().mkdir()), [FEATURE, "not found"]),
    # Lists.
    ("ucf_train", "test list: missing", gone("test-list"), ["rgbtest.csv not found", "make_lists"]),
    ("xd_train", "training list: missing", gone("train-list"), ["xd_CLIP_rgb.csv not found"]),
    ("check_data xd", "training list: missing", gone("train-list"), ["rgb.csv not found"]),
    ("ucf_train", "training list: empty", text(b"\n", "train-list"),
        ["ucf_CLIP_rgb.csv", "No columns"]),
    ("xd_test", "list: zero bytes", lambda w: w.path("test-list").write_bytes(b""),
        ["xd_CLIP_rgbtest.csv", "cannot be read"]),
    ("check_data ucf", "list: a header alone", lines(lambda rows: rows[:1]), ["is empty"]),
    ("ucf_test", "list: cut in the last line", lines(lambda rows: [*rows[:-1], rows[-1][:60]]),
        ["rgbtest.csv, line 5"]),
    ("ucf_test", "list: other columns", lines(lambda rows: ["file,class", *rows[1:]]),
        ["rgbtest.csv", "expected path,label"]),
    ("ucf_train", "list: no header", lines(lambda rows: rows[1:]), ["expected path,label"]),
    ("ucf_test", "list: a column twice", lines(lambda rows: [
        "path,label,label", *(f"{row},Abuse" for row in rows[1:])]), ["label twice"]),
    ("ucf_test", "list: more fields than columns", lines(lambda rows: [
        rows[0], *(f"0,{row}" for row in rows[1:])]), ["Expected 2 fields in line 2, saw 3"]),
    ("ucf_test", "list: a line with more fields", lines(lambda rows: [
        *rows[:2], rows[2] + ",x", *rows[3:]]), ["rgbtest.csv", "line 3"]),
    ("ucf_test", "list: semicolons", lines(lambda rows: [r.replace(",", ";") for r in rows]),
        ["expected path,label"]),
    ("ucf_test", "list: not UTF-8", lines(lambda rows: [*rows, "é,Abuse"], encoding="latin-1"),
        ["rgbtest.csv", "UTF-8"]),
    ("ucf_test", "list: UTF-16", lines(lambda rows: rows, encoding="utf-16"),
        ["rgbtest.csv", "UTF-8"]),
    ("ucf_train", "list: a stray quote", lines(lambda rows: [
        rows[0], '"' + rows[1], rows[2], rows[3].replace(",", '",'), rows[4]]),
        ["rgbtest.csv, line 2", "a stray quote?"]),
    ("ucf_test", "list: a name over several lines", lines(lambda rows: [
        rows[0], '"' + rows[1].replace(",", '\n",'), *rows[2:]]), ["line 2", "a stray quote?"]),
    ("ucf_test", "list: a name that is too long", lines(lambda rows: [
        rows[0], "a" * 300 + ".npy,Abuse"]), ["line 2", "not found"]),
    ("ucf_test", "list: binary", text(bytes(range(256)), "test-list"), ["rgbtest.csv", "UTF-8"]),
    ("ucf_test", "list: a path out of --feature-root", lambda w: (
        w.rewrite([w.lines()[0], f"../{w.feature().name},Abuse"]),
        {"feature-root": w.folder / "features"})[1], ["line 2", "not found under --feature-root"]),
    ("ucf_train", "label: unknown", lines(other_label("Party"), "train-list"),
        ["ucf_CLIP_rgb.csv, line 3", "unknown UCF-Crime label 'Party': allowed are Normal, Abuse"]),
    ("xd_train", "label: of the other data set", lines(other_label("Abuse")),
        ["rgbtest.csv, line 3", "unknown XD-Violence label"]),
    ("xd_test", "label: empty", lines(other_label("")), ["rgbtest.csv, line 3", "label ''"]),
    ("xd_train", "label: normal and anomalous", lines(other_label("A-B1"), "train-list"),
        ["xd_CLIP_rgb.csv, line 3", "both normal and anomalous"]),
    ("ucf_test", "list: a row too few", lines(lambda rows: rows[:-1]), ["makes predictions for"]),
    ("ucf_test", "list: another order", lines(lambda rows: [rows[0], *rows[:0:-1]]),
        ["same videos in the same order"]),
    # Ground truth.
    ("ucf_test", "frames: missing", gone("gt-path"), ["gt_ucf.npy not found", "make_lists"]),
    ("xd_train", "frames: empty", lambda w: w.path("gt-path").write_bytes(b""),
        ["gt.npy", "is damaged"]),
    ("ucf_test", "frames: too few", lambda w: np.save(w.path("gt-path"), np.zeros(16)),
        ["gt_ucf.npy has 16 frames"]),
    ("xd_test", "frames: twos", lambda w: np.save(w.path("gt-path"), np.full(16, 2)), ["0 and 1"]),
    ("xd_test", "frames: zeros alone", lambda w: np.save(
        w.path("gt-path"), 0 * np.load(w.path("gt-path"))), ["gt.npy has only one kind of frame"]),
    ("ucf_train", "segments: missing", gone("gt-segment-path"), ["gt_segment_ucf", "not found"]),
    ("xd_test", "segments: no JSON", text(b"{", "gt-segment-path"), ["gt_segment.json", "JSON"]),
    ("ucf_test", "segments: not UTF-8", text(b"\xff\xfe", "gt-segment-path"),
        ["gt_segment_ucf.json", "can't decode byte 0xff"]),
    ("ucf_test", "segments: a list", text(b"[]", "gt-segment-path"), ["not a JSON object"]),
    ("ucf_test", "segments: backwards", backwards, ["gt_segment_ucf.json", "0 ≤ start < end"]),
    ("xd_test", "labels: unknown", replaced('"A"', '"Q"', "gt-label-path"),
        ["gt_label.json", "Q"]),
    ("ucf_test", "segments in both forms", lambda w: np.save(
        w.path("gt-segment-path").with_suffix(".npy"), np.zeros(1)), ["both exist"]),
    # Weights and checkpoints.
    ("ucf_test", "weights: missing", option("model-path", "nowhere"), ["nowhere not found"]),
    ("xd_test", "weights: a folder", lambda w: {"model-path": w.out}, ["out cannot be read"]),
    ("ucf_test", "weights: empty", weights(lambda base: b""), ["model.pth is damaged"]),
    ("ucf_test", "weights: cut", weights(lambda base: base.weights.read_bytes()[:99_999]),
        ["model.pth is damaged"]),
    ("xd_test", "weights: a list", weights(lambda base: [1]), ["model.pth holds a list"]),
    ("xd_test", "weights: no tensors", weights(lambda base: {"a": 1}), ["no state dict"]),
    ("ucf_test", "weights: numbers for names", weights(lambda base: {1: torch.ones(1)}),
        ["no state dict"]),
    ("xd_test", "weights: sparse", weights(lambda base: {"a": torch.eye(2).to_sparse()}),
        ["no state dict"]),
    ("ucf_test", "weights: complex", weights(lambda base: {"a": torch.ones(1) * 1j}),
        ["no state dict"]),
    ("ucf_test", "weights: others", weights(lambda base: {"a": torch.ones(1)}),
        ["holds no weights of DSANet"]),
    ("ucf_test", "weights: one missing", weights(lambda base: {
        k: v for k, v in base.state.items() if k != "linear.bias"}), ["'linear.bias'"]),
    ("ucf_test", "weights: a NaN", weights(lambda base: {
        **base.state, "linear.bias": base.state["linear.bias"] * float("nan")}), ["not finite"]),
    ("ucf_test", "weights: another depth", option("decoder_depth", 3),
        ["--decoder-depth is 1 in the file and 3 here"]),
    ("ucf_test", "weights: no text and random CLIP", weights(no_text), ["no CLIP text weights"]),
    ("ucf_test", "CLIP: missing", lambda w: (w.weights(no_text(w.base)), {
        "clip-weights": "nowhere.pt"})[1], ["nowhere.pt not found"]),
    ("ucf_train", "CLIP: junk", clip_file(b"junk"), ["clip.pt is damaged"]),
    ("ucf_train", "CLIP: other weights", clip_file({"a": torch.ones(1)}), ["is not CLIP ViT-B/16"]),
    ("ucf_train", "checkpoint: missing", option("resume", True), ["checkpoint.pth not found"]),
    ("xd_train", "checkpoint: empty", lambda w: (
        (w.out / "checkpoint.pth").write_bytes(b""), {"resume": True})[1], ["checkpoint.pth is"]),
    ("ucf_train", "checkpoint: weights only", lambda w: (
        shutil.copy(w.base.weights, w.out / "checkpoint.pth"), {"resume": True})[1],
        ["checkpoint.pth is not a training checkpoint"]),
    ("demo_report ucf", "predictions: missing", option("predictions", "nowhere.npz"),
        ["nowhere.npz", "cannot be read"]),
    ("demo_report xd", "predictions: weights", lambda w: {"predictions": w.out / "model.pth"},
        ["model.pth", "no scores by video"]),
    ("demo_report ucf", "predictions: of other videos", of_other_videos, ["are not of the videos"]),
    # Options.
    ("ucf_train", "lr: negative", option("lr", -1), ["--lr", "-1 is not in (0, 1e+06]"]),
    ("xd_train", "ratio: above 1", option("normal_selection_ratio", 1.5), ["1.5 is not in (0, 1]"]),
    ("ucf_test", "prototypes: none", option("num_prototypes", 0), ["--num-prototypes", "0 is not"]),
    ("xd_test", "batch: half", option("eval-batch", 0.5), ["--eval-batch", "0.5"]),
    ("ucf_train", "classes of the other data set", option("classes-num", 7), ["has 14 classes"]),
    ("ucf_train", "width: 256", option("visual-width", 256), ["512 wide"]),
    ("ucf_train", "CUDA: absent", option("device", "cuda:99"), ["cuda:99 is not available"]),
    ("ucf_test", "device: no such thing", option("device", "abacus"), ["--device abacus"]),
    ("bench", "device: absent", option("device", "cuda:99"), ["cuda:99 is not available"]),
    ("bench", "batch: none", option("batch", 0), ["--batch", "0 is not in 1…"]),
    ("ucf_train", "an option that is none", option("no-such", 1), ["--no-such"]),
    ("xd_train", "config: missing", option("config", "c.yml"), ["c.yml", "cannot be read"]),
    ("ucf_train", "seed: gigantic", option("seed", 10**30), ["--seed", "is not in 0…"]),
    ("xd_test", "length: gigantic", option("visual-length", 10**30), ["1…16384"]),
    ("xd_train", "config: no date", config(b"lr: 2001-99-99"), ["c.yml", "cannot be read"]),
    ("xd_train", "config: nested without end", config(b"[" * 9999), ["c.yml", "cannot be read"]),
    ("ucf_test", "config: no YAML", config(b"lr: ["), ["c.yml", "cannot be read"]),
    ("ucf_train", "config: binary", config(bytes(range(128, 256))), ["c.yml", "cannot be read"]),
    ("xd_test", "config: unknown option", config(b"lrr: 3"), ["c.yml", "unknown option 'lrr'"]),
    ("ucf_train", "config: wrong type", config(b"lr: fast"), ["c.yml", "fast"]),
    ("check_data ucf", "config: a list", config(b"- lr"), ["c.yml", "option: value"]),
    # Places that cannot be written.
    ("ucf_train", "output: a file", lambda w: {"output-dir": w.feature()}, ["cannot be written"]),
    ("xd_train", "weights to a folder", lambda w: {"model-path": w.out}, ["cannot be written"]),
    ("ucf_train", "checkpoint to nowhere", option("checkpoint-path", ""), ["cannot be written"]),
    ("ucf_test", "predictions in a file", lambda w: {"predictions": w.feature() / "p.npz"},
        ["p.npz' cannot be written"]),
    ("ucf_test", "predictions to a device", option("predictions", "/dev/null"),
        ["'/dev/null' cannot be written"]),
    ("ucf_train", "weights: a name that is too long", option("model-path", "w" * 254),
        ["cannot be written", "too long"]),
    ("ucf_train", "cache: a file", lambda w: {"cache": w.feature()}, ["cannot be written"]),
    ("xd_test", "output: no place for files", option("output-dir", "/proc/dsanet"),
        ["/proc/dsanet/results.json' cannot be written"]),
    ("make_lists ucf", "output: a file", lambda w: {"out": w.feature()}, ["cannot be written"]),
    ("demo_data ucf", "output: a file", lambda w: {"out": w.feature()}, ["cannot be written"]),
    ("demo_data xd", "output: other features", lambda w: {"out": w.folder, "seed": 9},
        ["holds other features"]),
    ("demo_data xd", "videos: none", lambda w: {"out": w.out, "test-videos": 0}, ["--test-videos"]),
    # Annotations and feature folders.
    ("make_lists ucf", "annotations: missing", lambda w: (
        w.folder / ANNOTATIONS["ucf"][0]).unlink(), ["Annotation.txt cannot be read"]),
    ("make_lists ucf", "annotations: empty", annotations(" \n"), ["Annotation.txt name no video"]),
    ("make_lists ucf", "annotations: words for frames", annotations("V  Abuse  5  forty\n"),
        ["Annotation.txt, line 1", "expected frames"]),
    ("make_lists xd", "annotations: not UTF-8", lambda w: (
        w.folder / "annotations.txt").write_bytes(b"\xff\xfe\xfa"), [
        "annotations.txt", "can't decode byte 0xff"]),
    ("make_lists xd", "annotations: unknown class", annotations("a Q 1 2\n", 1), ["line 1", "Q"]),
    ("make_lists ucf", "features: a file among them that is none", lambda w: np.save(
        w.folder / "features" / "Abuse" / "x.npy", np.ones(3)), ["x.npy is not named"]),
    ("make_lists xd", "features: of a test video empty", content(lambda data: b""), ["is damaged"]),
    ("ucf_train", "texts: missing", texts(None), ["texts", "t.yml cannot be read: No such file"]),
    ("ucf_train", "texts: no YAML", texts("ucf: ["), ["t.yml cannot be read"]),
    ("ucf_train", "texts: of the other data set", texts({"xd": {}}), ["no entry 'ucf'"]),
    ("ucf_train", "texts: unknown class", texts({"ucf": {"Theft": "a"}}), ["class 'Theft'"]),
    ("ucf_train", "texts: a class without", texts({"ucf": {"Normal": "a", "Abuse": []}}), [
        "class Abuse: expected a sentence or a list of them"]),
    ("ucf_train", "texts: too long", texts({"ucf": dict.fromkeys(UCF_CRIME.classes, "so " * 90)}),
        ["has 92 tokens", "at most 77"]),
    ("ucf_train", "prompt: too long", lambda w: {"text-tuning": "prompt", "prompt-prefix": 70}, [
        "83 tokens, 80 of --prompt-prefix"]),
    ("ucf_test", "weights: of another method", option("method", "vadclip"), [
        "holds weights of --method dsanet, this model is of --method vadclip"]),
    ("ucf_test", "weights: of another text tuning", option("text-tuning", "prompt"), [
        "--text-tuning is adapter in the file and prompt here"]),
    ("ucf_test", "predictions: the weights", lambda w: {"predictions": w.base.weights}, [
        "--model-path and --predictions are one file", "name another"]),
    ("xd_train", "checkpoint: the weights", lambda w: {
        "checkpoint-path": w.out / "m.pth", "model-path": w.out / "m.pth"}, [
        "--model-path and --checkpoint-path are one file"]),
    ("make_lists xd", "crop: none such", option("test-crop", 11), ["has no crop 11"]),
]  # fmt: skip


def error_of(command, world, more, capfd) -> str:
    """The one line that the command ends with."""
    before = world.stamps()
    error = one_error(COMMANDS[command], capfd, world, more, notes=False)
    assert world.stamps() == before
    return error


@pytest.mark.parametrize(
    "world, what, spoil, words",
    CASES,
    indirect=["world"],
    ids=[f"{command}: {what}" for command, what, *_ in CASES],
)
def test_bad_input(world, what, spoil, words, request, capfd):
    command = request.node.callspec.params["world"]
    more = spoil(world)
    error = error_of(command, world, more if isinstance(more, dict) else {}, capfd)
    for word in words:
        assert word in error


def test_there_are_enough_cases():
    assert len({(command, what) for command, what, *_ in CASES}) == len(CASES) >= 60
    assert {command for command, *_ in CASES} == COMMANDS.keys()


@pytest.mark.parametrize("world", ["ucf_test"], indirect=True)
@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_missing_permissions(world, capfd):
    path = world.feature()
    path.chmod(0)
    error = error_of("ucf_test", world, {}, capfd)
    assert f"{path} cannot be read: Permission denied" in error
    path.chmod(0o644)
    world.out.chmod(0o555)
    error = error_of("ucf_test", world, {}, capfd)
    assert "results.json' cannot be written: " in error
    error = error_of("ucf_train", world, {}, capfd)
    assert "cannot be written: " in error
    world.out.chmod(0o755)


@pytest.mark.parametrize("world", ["ucf_test"], indirect=True)
def test_a_reading_thread_passes_its_error_on(world, capfd):
    array(with_nan)(world)
    error = error_of("ucf_test", world, {"num-workers": 2}, capfd)
    assert "line 2: feature file " in error
    assert "NaN" in error


@pytest.mark.parametrize("world", ["ucf_train"], indirect=True)
def test_a_reading_process_passes_its_error_on(world, capfd):
    for line in range(2, len(world.lines("train-list")) + 1):
        array(with_nan, "train-list", line)(world)
    error = error_of("ucf_train", world, {"num-workers": 2}, capfd)
    assert re.match(r"error: \S+/ucf_CLIP_rgb\.csv, line \d+: feature file ", error)
    assert "NaN" in error


@pytest.mark.parametrize("world", ["ucf_train"], indirect=True)
def test_an_older_run_is_left_alone_until_the_first_step(world, capfd):
    (world.out / "log.jsonl").write_text("old")
    error_of("ucf_train", world, {"classes-num": 7}, capfd)
    assert (world.out / "log.jsonl").read_text() == "old"


@pytest.mark.parametrize("world", ["xd_test"], indirect=True)
def test_weights_of_the_other_data_set(world, bases, capfd):
    (world.out / "model.pth").unlink()
    (world.out / "model.pth").symlink_to(bases["ucf"].weights)
    error = error_of("xd_test", world, {"text-adapt-until": 1}, capfd)
    assert "--text-adapt-until is 3 in the file and 1 here" in error
    COMMANDS["xd_test"](world, {})
    assert "brings its own options: --text-adapt-until 3" in capfd.readouterr().err


@pytest.mark.parametrize("world", ["ucf_test"], indirect=True)
def test_with_text_weights_random_clip_is_not_even_looked_at(world, capfd):
    COMMANDS["ucf_test"](world, {})
    assert "RANDOM" not in capfd.readouterr().err
