import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from helpers import golden
from helpers.lists import features, official_features, run_ucf
from helpers.truth import frames_of
from utils.datasets.ground_truth import rasterize
from utils.datasets.lists import read_list
from utils.datasets.official_truth import TruthFiles, from_segments
from utils.datasets.truth_of_list import read_ground_truth
from utils.labels import UCF_CRIME, XD_VIOLENCE
from utils.make_lists import build_ucf, build_xd
from utils.row_time import FRAMES, RowTime
from utils.system.errors import UserError

UCF_SUFFIX = {"ucf": "_ucf", "xd": ""}


def paths(folder, name="ucf"):
    return SimpleNamespace(
        train_list=str(folder / f"{name}_CLIP_rgb.csv"),
        test_list=str(folder / f"{name}_CLIP_rgbtest.csv"),
        gt_path=str(folder / f"gt{UCF_SUFFIX[name]}.npy"),
        gt_segment_path=str(folder / f"gt_segment{UCF_SUFFIX[name]}.npy"),
        gt_label_path=str(folder / f"gt_label{UCF_SUFFIX[name]}.npy"),
    )


@pytest.fixture
def lists(ucf_features):
    run_ucf(ucf_features)
    return ucf_features / "list"


def read(folder, name="ucf", facts=UCF_CRIME, root=None):
    args = paths(folder, name)
    return read_ground_truth(
        TruthFiles.of(args), args.test_list, read_list(args.test_list, facts, root), facts
    )


def as_object_array(values):
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def test_json_and_official_arrays_are_the_same_ground_truth(lists):
    ours = read(lists)
    for name, values in (("gt_segment_ucf", ours.segments), ("gt_label_ucf", ours.labels)):
        (lists / f"{name}.json").unlink()
        np.save(lists / f"{name}.npy", as_object_array(values), allow_pickle=True)
    theirs = read(lists)
    assert ours.segments == theirs.segments
    assert ours.labels == theirs.labels
    assert ours.abnormal.tolist() == frames_of(ours).reshape(11, 16).sum(axis=1).tolist()


def test_segments_of_rows_that_are_shares_of_their_video(lists):
    ours = read(lists)
    rows = read_list(paths(lists).test_list, UCF_CRIME)
    ends = [of_video[-1] for of_video in ours.edges]
    edges = [np.linspace(0, end, 33) for end in ends]
    facts = replace(UCF_CRIME, row=RowTime(FRAMES, None))
    found = from_segments(TruthFiles.of(paths(lists)), rows, facts, edges)
    assert (found.spans, found.labels) == (ours.spans, ours.labels)
    with pytest.raises(UserError, match="are these the scores of this video"):
        from_segments(TruthFiles.of(paths(lists)), rows, facts, [edge / 9 for edge in edges])


def test_a_normal_video_may_have_no_segments(lists):
    ours = read(lists)
    for name in ("segment", "label"):
        path = lists / f"gt_{name}_ucf.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "Normal_Videos_003_x264": []}))
    rows = read_list(paths(lists).test_list, UCF_CRIME)
    found = from_segments(TruthFiles.of(paths(lists)), rows, UCF_CRIME, ours.edges)
    for truth in (found, read(lists)):
        assert (truth.segments[2], truth.labels[2]) == ([(0, 80)], ["A"])


def test_a_normal_video_in_two_parts(lists):
    edges = read(lists).edges
    for name, parts in (("segment", [[0, 40], [40, 80]]), ("label", ["A", "A"])):
        path = lists / f"gt_{name}_ucf.json"
        path.write_text(
            json.dumps({**json.loads(path.read_text()), "Normal_Videos_003_x264": parts})
        )
    rows = read_list(paths(lists).test_list, UCF_CRIME)
    found = from_segments(TruthFiles.of(paths(lists)), rows, UCF_CRIME, edges)
    assert (found.segments[2], found.labels[2]) == ([(0, 80)], ["A"])


@pytest.mark.parametrize("name", ["segment", "label"])
def test_segments_and_labels_are_of_as_many_videos_as_the_list_has(name, lists):
    """The frames, or the lengths of the rows, are known by themselves."""
    truth = read(lists)
    rows, files = read_list(paths(lists).test_list, UCF_CRIME), TruthFiles.of(paths(lists))
    path = lists / f"gt_{name}_ucf.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "more": []}))
    with pytest.raises(UserError) as error:
        from_segments(files, rows, UCF_CRIME, truth.edges)
    assert str(error.value) == f"{path} has 4 videos, the list 3"
    if name == "label":
        with pytest.raises(UserError, match=r"gt_label_ucf\.json has 4 videos, the list 3$"):
            read(lists)


def test_rasterize():
    assert rasterize([(2, 5), (30, 90)], 32).tolist() == [0.0] * 2 + [1] * 3 + [0] * 25 + [1] * 2


def edit_list(lists, edit):
    path = lists / "ucf_CLIP_rgbtest.csv"
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *edit(rows)]) + "\n")


def test_all_ten_crops_in_the_test_list_are_recognised(lists):
    edit_list(lists, lambda rows: [r.replace("__5", f"__{k}") for r in rows for k in range(10)])
    with pytest.raises(UserError) as error:
        read(lists)
    for part in ("1760 frames of 30 rows", "176 frames", "Abuse028_x264", "all ten crops"):
        assert part in str(error.value)


def test_the_first_video_of_another_length_is_named(lists):
    features(lists.parent / "f", {"Arson/Arson001_x264": 3}, crops=[5])
    with pytest.raises(UserError, match=r"192 frames.*176 .*first difference is at Arson001_x264"):
        read(lists)


def test_a_row_too_many_is_named(lists):
    edit_list(lists, lambda rows: [*rows, rows[0]])
    with pytest.raises(UserError, match=r"first difference is at Abuse028_x264\)"):
        read(lists)


def test_another_order_is_refused(lists):
    edit_list(lists, lambda rows: [rows[1], rows[0], rows[2]])
    with pytest.raises(UserError, match="same videos in the same order"):
        read(lists)


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("gt_ucf.npy", None, "gt_ucf.npy not found"),
        ("gt_ucf.npy", b"", "damaged"),
        ("gt_segment_ucf.json", None, "neither .json nor .npy"),
        ("gt_segment_ucf.json", b"[1]", "not a JSON object"),
        ("gt_segment_ucf.json", b"{", "not a JSON object"),
        ("gt_segment_ucf.json", b'{"a": [[1]], "b": [], "c": []}', "pairs of frames"),
        ("gt_segment_ucf.npy", b"junk", "both exist"),
        ("gt_segment_ucf.json", b'{"a": [[9, 2]], "b": [], "c": []}', "0 ≤ start < end"),
        ("gt_segment_ucf.json", b'{"a": [[0, Infinity]], "b": [], "c": []}', "pairs of frames"),
        ("gt_segment_ucf.json", b'{"a": [[0, 9e99]], "b": [], "c": []}', "pairs of frames"),
        ("gt_segment_ucf.json", b'{"a": ' + b"[" * 100_000, "not a JSON object"),
        ("gt_label_ucf.json", b'{"a": 3, "b": null, "c": []}', "list of segments or labels"),
        ("gt_label_ucf.json", b'{"a": [["Abuse"], 1], "b": [], "c": []}', "expected one of"),
        ("gt_label_ucf.json", b'{"a": ["X", "X"], "b": [], "c": []}', "expected one of"),
    ],
)
def test_bad_ground_truth(lists, name, content, message):
    if content is None:
        (lists / name).unlink()
    else:
        (lists / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        read(lists)


@pytest.mark.parametrize("value", [0, 1])
def test_frames_of_one_kind_are_refused(lists, value):
    np.save(lists / "gt_ucf.npy", np.full_like(np.load(lists / "gt_ucf.npy"), value))
    with pytest.raises(UserError, match="only one kind of frame"):
        read(lists)


@pytest.mark.parametrize("values", [np.ones((4, 4)), np.full(176, 2.0)])
def test_frames_must_be_a_row_of_0_and_1(lists, values):
    np.save(lists / "gt_ucf.npy", values)
    with pytest.raises(UserError, match="one row of 0 and 1"):
        read(lists)


@golden.needs_real_data
@pytest.mark.parametrize("name, facts", [("ucf", UCF_CRIME), ("xd", XD_VIOLENCE)])
def test_an_official_list_folder_drops_in_unchanged(tmp_path, name, facts):
    root = official_features(tmp_path / "f", name)
    annotations = golden.REAL / "annotations"
    if name == "ucf":
        build_ucf(root, annotations / "Temporal_Anomaly_Annotation.txt", tmp_path)
    else:
        both = annotations / "annotations.txt", annotations / "annotations_multiclasses.txt"
        build_xd(None, root, *both, tmp_path)
    ours = read(tmp_path, name, facts)
    for path in tmp_path.glob("gt_*.json"):
        shutil.copy(golden.REAL / "lists" / f"{path.stem}.npy", tmp_path)
        path.unlink()
    shutil.copy(golden.REAL / "lists" / f"{name}_CLIP_rgbtest.csv", tmp_path)
    theirs = read(tmp_path, name, facts, root=str(root))
    assert ours.segments == theirs.segments
    assert ours.labels == theirs.labels
