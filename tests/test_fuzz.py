"""Inputs that hypothesis thinks up: the result is the obvious one, or one line says why not.

`make soak` tries many more, other ones each time.
"""

import contextlib
import io
import os
import string
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import ucf_option
import xd_option
from benchmarks.plain import frame_wise_map, looped_clip
from utils import checkpoint
from utils.datasets.annotations import read_ucf_annotations, read_xd_annotations
from utils.datasets.batches import chunk_batches
from utils.datasets.clips import process_feat, process_split
from utils.datasets.features import read_features
from utils.datasets.lists import read_list
from utils.datasets.official_truth import read_frames, read_per_video
from utils.detection_map import detection_map
from utils.labels import UCF_CRIME, XD_VIOLENCE
from utils.make_lists import build_ucf, build_xd, write_list
from utils.system.errors import UserError
from utils.system.untrusted import load_object_array

common = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
settings.register_profile("tests", derandomize=True, database=None, max_examples=150, **common)
settings.register_profile("soak", max_examples=3000, **common)
settings.load_profile(os.environ.get("FUZZ", "tests"))

floats = st.floats(-(2.0**100), 2.0**100, width=32)
both = pytest.mark.parametrize("facts", [UCF_CRIME, XD_VIOLENCE], ids=lambda facts: facts.name)


def video(rows=80, columns=3, elements=floats):
    shape = st.tuples(st.integers(1, rows), st.just(columns))
    return npst.arrays(np.float32, shape, elements=elements)


@contextlib.contextmanager
def one_line_at_most():
    """Nothing but a `UserError` of one line may come out."""
    try:
        yield
    except UserError as error:
        assert "\n" not in str(error)


# Clips and segments.


@given(video(), st.integers(1, 40))
def test_clips_are_the_definition(feat, length):
    clip, valid = process_feat(feat, length)
    assert (clip.shape, clip.dtype, valid) == ((length, 3), np.float32, min(len(feat), length))
    np.testing.assert_array_equal(clip[:valid], looped_clip(feat, length)[:valid])
    assert not clip[valid:].any()


@given(st.lists(video(), min_size=1, max_size=5), st.integers(1, 40), st.integers(1, 7))
def test_segments_hold_each_row_once(videos, length, size):
    kept = []
    for feat in videos:
        segments, t = process_split(feat, length)
        assert segments.shape == (len(feat) // length + 1, length, 3)
        flat = segments.reshape(-1, 3)
        np.testing.assert_array_equal(flat[:t], feat)
        assert not flat[t:].any()
        kept += [segment[: t - i * length] for i, segment in enumerate(segments) if i * length < t]
    batches = chunk_batches([torch.from_numpy(feat) for feat in videos], length, size)
    assert all(len(lengths) <= size for _, lengths in batches)
    found = [part for rows, lengths in batches for part in rows.split(lengths.tolist())]
    assert len(found) == len(kept)
    for a, b in zip(found, kept, strict=True):
        np.testing.assert_array_equal(a.numpy(), b)


# mAP. Few different values, so that ties and flat curves are common.

scores = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.5000001, 0.9, 1.0])
segment = st.tuples(st.integers(0, 400), st.integers(1, 300)).map(lambda s: [s[0], s[0] + s[1]])
annotated = st.lists(st.tuples(segment, st.sampled_from("NXYA")), max_size=4)
detections = st.lists(st.tuples(video(30, 3, scores), annotated), min_size=1, max_size=6)


@given(detections, st.sampled_from([1, 16]))
def test_detection_map_is_the_obvious_one(videos, repeat):
    predictions = [prediction for prediction, _ in videos]
    segments = [[list(s) for s, _ in annotated] for _, annotated in videos]
    labels = [[label for _, label in annotated] for _, annotated in videos]
    case = predictions, segments, labels, ("N", "X", "Y"), (0.05, 0.1, 0.3, 0.5)
    np.testing.assert_allclose(
        detection_map(*case, repeat), frame_wise_map(*case, repeat), rtol=0, atol=1e-9
    )


# Labels.


@both
@given(st.data())
def test_labels_that_name_classes(facts, data):
    chosen = data.draw(st.sets(st.sampled_from(facts.classes[1:]), min_size=1))
    parts = data.draw(st.permutations([*chosen, *["0"] * data.draw(st.integers(0, 3))]))
    case = data.draw(st.sampled_from([str.lower, str.upper, str.swapcase, str.title]))
    label = "-".join(map(case, parts))
    assert facts.encode(label).tolist() == [float(code in chosen) for code in facts.classes]


@both
@given(st.text() | st.text("AB12G0- ", max_size=8))
def test_any_label_is_understood_or_refused(facts, label):
    with one_line_at_most():
        row = facts.encode(label)
        assert row.sum() >= 1
        assert set(row.tolist()) <= {0.0, 1.0}
        assert row.sum() == 1 or not row[0]


# Lists and other files.


def mutated(content: bytes):
    """The content with some bytes changed, cut out or put in."""
    edit = st.tuples(st.integers(0, max(0, len(content) - 1)), st.binary(max_size=4))

    def apply(edits):
        data = bytearray(content)
        for place, piece in edits:
            data[place : place + len(piece)] = piece
        return bytes(data)

    cut = st.integers(0, len(content)).map(lambda n: content[:n])
    return st.lists(edit, max_size=4).map(apply) | cut | st.binary(max_size=200)


def saved(save, *values) -> bytes:
    buffer = io.BytesIO()
    save(buffer, *values)
    return buffer.getvalue()


FEATURES = saved(np.save, np.ones((2, 512), np.float16))
SEGMENTS = saved(np.save, np.array([[["1", "2"]], [[3, 4.5]]], dtype=object))
WEIGHTS = io.BytesIO()
torch.save({"a": torch.ones(3), "b": {"c": [1, "x"]}}, WEIGHTS)


@given(mutated(FEATURES))
def test_feature_files_are_read_or_refused(tmp_path, content):
    path = tmp_path / "f.npy"
    path.write_bytes(content)
    for header_only in (False, True):
        with one_line_at_most():
            assert read_features(path, header_only).shape[1] == 512
    with one_line_at_most():
        assert read_frames(path).ndim == 1


@given(mutated(SEGMENTS))
def test_object_arrays_are_read_or_refused(tmp_path, content):
    (tmp_path / "s.npy").write_bytes(content)
    with one_line_at_most():
        load_object_array(tmp_path / "s.npy")
    with one_line_at_most():
        read_per_video(tmp_path / "s.npy")


@given(mutated(WEIGHTS.getvalue()))
def test_weight_files_are_read_or_refused(tmp_path, content):
    (tmp_path / "w.pth").write_bytes(content)
    with one_line_at_most():
        checkpoint.read_weights(tmp_path / "w.pth")


@given(st.binary(max_size=200) | st.text('path,label\n"Abuse0.npy\r\0 ').map(str.encode))
@example(b"path,label\n\xef\xbb\xbf")
@example(b'path,label\n"a')
def test_lists_are_read_or_refused(tmp_path, content):
    (tmp_path / "l.csv").write_bytes(content)
    with one_line_at_most():
        read_list(tmp_path / "l.csv", UCF_CRIME, str(tmp_path))


@given(
    st.text("ab \t,;'\"#é日.", min_size=1, max_size=12),
    st.lists(st.sampled_from(UCF_CRIME.classes), min_size=1),
)
def test_lists_come_back_as_they_were_written(tmp_path, name, labels):
    path = tmp_path / f"{name}.npy"
    path.touch()
    write_list([(path, label) for label in labels], tmp_path / "l.csv")
    found = read_list(str(tmp_path / "l.csv"), UCF_CRIME)
    assert [row.path for row in found] == [path] * len(labels)
    for row, label in zip(found, labels, strict=True):
        assert torch.equal(row.label, UCF_CRIME.encode(label))


# Config files.


def parse_config(path, parser) -> None:
    """Options come out, or one line on stderr and exit code 2."""
    stderr = io.StringIO()
    try:
        with contextlib.redirect_stderr(stderr):
            parser.parse_args(["--config", str(path)])
    except SystemExit as end:
        assert end.code == 2
        assert stderr.getvalue().count("\n") == 1
        assert str(path) in stderr.getvalue()


OPTIONS = [
    action.option_strings[0].removeprefix("--")
    for action in ucf_option.parser._actions
    if "--help" not in action.option_strings
]
plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
values = st.recursive(
    plain, lambda v: st.lists(v, max_size=3) | st.dictionaries(plain, v, max_size=3), max_leaves=5
)
names = st.sampled_from(OPTIONS) | st.text(max_size=8) | plain


@given(st.dictionaries(names, values, max_size=4) | values)
def test_config_files_of_anything_are_read_or_refused(tmp_path, value):
    path = tmp_path / "c.yml"
    path.write_text(yaml.safe_dump(value, allow_unicode=True), encoding="utf-8")
    for parser in (ucf_option.parser, xd_option.parser):
        parse_config(path, parser)


@given(st.binary(max_size=60) | st.text(string.printable, max_size=60).map(str.encode))
def test_config_files_of_any_bytes_are_read_or_refused(tmp_path, content):
    path = tmp_path / "c.yml"
    path.write_bytes(content)
    parse_config(path, ucf_option.parser)


# Annotations, and what make_lists makes of them.

WORDS = st.sampled_from(["v", "Abuse", "B1", "A", "-1", "0", "16", "5.5", "x.mp4", "é", "\t"])
ANNOTATIONS = st.lists(st.lists(WORDS, max_size=7).map(" ".join), max_size=4).map("\n".join)


@given(ANNOTATIONS | st.text(max_size=80), ANNOTATIONS)
def test_annotations_are_read_or_refused(tmp_path, first, second):
    a, b = tmp_path / "a.txt", tmp_path / "b.txt"
    a.write_text(first, encoding="utf-8", errors="replace")
    b.write_text(second, encoding="utf-8")
    with one_line_at_most():
        read_ucf_annotations(a)
    with one_line_at_most():
        read_xd_annotations(a, b)


names_of_videos = st.text(string.ascii_letters + string.digits + "._- #", min_size=1, max_size=8)
frame_events = st.lists(
    st.tuples(st.integers(0, 90), st.integers(1, 60)).map(lambda e: (e[0], e[0] + e[1])),
    min_size=1, max_size=2,
)  # fmt: skip


def feature(folder: Path, name: str, crop: int, snippets: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"{name}__{crop}.npy", np.ones((snippets, 512), np.float16))


def frames_of(events, snippets: int) -> list[float]:
    return [float(any(s <= f < e for s, e in events)) for f in range(16 * snippets)]


@given(data=st.data())
def test_make_lists_gives_the_annotated_frames(data, tmp_path):
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    name = data.draw(names_of_videos.filter(lambda n: n == n.strip() and " " not in n))
    label = data.draw(st.sampled_from(UCF_CRIME.classes[1:]))
    found, snippets = data.draw(frame_events), data.draw(st.integers(1, 9))
    normal = data.draw(st.integers(1, 9))
    assume(not name.endswith(".mp4"))
    feature(folder / "f" / label, name, 5, snippets)
    feature(folder / "f" / "Testing_Normal_Videos_Anomaly", "Normal_Videos_1", 5, normal)
    numbers = [n for event in found for n in event] + [-1, -1] * (2 - len(found))
    text = f"{name}.mp4  {label}  {'  '.join(map(str, numbers))}\n"
    (folder / "a.txt").write_text(text + "Normal_Videos_1.mp4  Normal  -1  -1  -1  -1\n")
    with contextlib.redirect_stdout(io.StringIO()):
        build_ucf(folder / "f", folder / "a.txt", folder / "list")
    rows = read_list(str(folder / "list" / UCF_CRIME.test_list), UCF_CRIME)
    assert [row.video for row in rows] == [name, "Normal_Videos_1"]
    frames = read_frames(str(folder / "list" / UCF_CRIME.gt)).tolist()
    assert frames == frames_of(found, snippets) + [0.0] * 16 * normal
    segments, names = read_per_video(str(folder / "list" / UCF_CRIME.gt_segment))
    assert names == [name, "Normal_Videos_1"]
    assert segments == [[list(event) for event in found], [[0, 16 * normal]]]


@given(data=st.data())
def test_make_lists_gives_the_annotated_frames_of_xd(data, tmp_path):
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    title = data.draw(names_of_videos.filter(lambda n: " " not in n))
    codes = data.draw(st.lists(st.sampled_from(XD_VIOLENCE.classes[1:]), min_size=1, max_size=3))
    name = f"{title}_label_{'-'.join(codes)}"
    found, snippets = data.draw(frame_events), data.draw(st.integers(1, 9))
    feature(folder / "f", name, 0, snippets)
    flat = " ".join(f"{s} {e}" for s, e in found)
    (folder / "a.txt").write_text(f"{name} {flat}\n")
    (folder / "b.txt").write_text(f"{name} " + " ".join(f"{codes[0]} {s} {e}" for s, e in found))
    with contextlib.redirect_stdout(io.StringIO()):
        build_xd(None, folder / "f", folder / "a.txt", folder / "b.txt", folder / "list")
    frames = read_frames(str(folder / "list" / XD_VIOLENCE.gt)).tolist()
    assert frames == frames_of(found, snippets)
    labels, names = read_per_video(str(folder / "list" / XD_VIOLENCE.gt_label))
    assert (labels, names) == ([[codes[0]] * len(found)], [name])
