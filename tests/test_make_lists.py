import json
import subprocess

import numpy as np
import pandas as pd
import pytest

from helpers import golden
from helpers.lists import UCF_ANNOTATIONS, features, official_features, run_ucf
from helpers.scripts import one_error
from utils.labels import UCF_CRIME, XD_VIOLENCE
from utils.make_lists import main, scan, write_training_list

XD_ANNOTATIONS = "b__#1_label_B1-B2-0.mp4 10 20 30 50\na__#1_label_G-0-0 0 500\n"
XD_CLASSES = "b__#1_label_B1-B2-0 B1 10 20 B2 15 50\na__#1_label_G-0-0 G 0 500\n"
XD_TEST = {"a__#1_label_G-0-0": 3, "b__#1_label_B1-B2-0": 4, "c__#1_label_A": 2}
XD_TRAIN = {"t__#1_label_B6-0-0": 3, "n__#1_label_A": 2}


@pytest.fixture
def xd(tmp_path):
    features(tmp_path / "train", XD_TRAIN)
    features(tmp_path / "test", XD_TEST)
    (tmp_path / "a.txt").write_text(XD_ANNOTATIONS)
    (tmp_path / "m.txt").write_text(XD_CLASSES)
    return tmp_path


def run_xd(folder, *more):
    main(["xd", "--test-features", f"{folder}/test", "--annotations", f"{folder}/a.txt",
          f"{folder}/m.txt", "--out", f"{folder}/list", *more])  # fmt: skip


def names(path):
    table = pd.read_csv(path)
    return [p.split("/")[-1][:-4] for p in table.path], list(table.label)


def test_ucf(ucf_features):
    run_ucf(ucf_features)
    out = ucf_features / "list"
    test, labels = names(out / "ucf_CLIP_rgbtest.csv")
    assert test == ["Abuse028_x264__5", "Arson001_x264__5", "Normal_Videos_003_x264__5"]
    assert labels == ["Abuse", "Arson", "Normal"]
    train, labels = names(out / "ucf_CLIP_rgb.csv")
    videos = ["Abuse001_x264", "Arson002_x264", "Normal_Videos001_x264"]
    assert train == [f"{v}__{k}" for v in videos for k in range(10)]
    assert labels[::10] == ["Abuse", "Arson", "Normal"]

    truth = np.load(out / "gt_ucf.npy")
    assert truth.dtype == np.float32
    assert len(truth) == 16 * (4 + 2 + 5)
    expected = np.zeros(176)
    expected[5:40] = expected[50:60] = 1
    expected[64:96] = 1  # 33 is behind the features' end
    assert np.array_equal(truth, expected)
    segments = json.loads((out / "gt_segment_ucf.json").read_text())
    assert list(segments.values()) == [[[5, 40], [50, 60]], [[0, 33]], [[0, 80]]]
    labels = json.loads((out / "gt_label_ucf.json").read_text())
    assert labels == {
        "Abuse028_x264": ["Abuse", "Abuse"], "Arson001_x264": ["Arson"],
        "Normal_Videos_003_x264": ["A"],
    }  # fmt: skip


def test_xd(xd):
    run_xd(xd, "--features", f"{xd}/train")
    out = xd / "list"
    test, labels = names(out / "xd_CLIP_rgbtest.csv")
    assert test == ["a__#1_label_G-0-0__0", "b__#1_label_B1-B2-0__0", "c__#1_label_A__0"]
    assert labels == ["G-0-0", "B1-B2-0", "A"]
    assert names(out / "xd_CLIP_rgb.csv")[1][::10] == ["B6-0-0", "A"]
    truth = np.load(out / "gt.npy")
    assert truth.sum() == 48 + (10 + 20)  # `a` ends before its annotation does
    segments = json.loads((out / "gt_segment.json").read_text())
    assert segments["b__#1_label_B1-B2-0"] == [[10, 20], [15, 50]]
    assert segments["c__#1_label_A"] == [[0, 32]]
    assert json.loads((out / "gt_label.json").read_text())["b__#1_label_B1-B2-0"] == ["B1", "B2"]


def test_xd_test_side_alone(xd):
    run_xd(xd)
    assert not (xd / "list" / "xd_CLIP_rgb.csv").exists()
    assert (xd / "list" / "gt.npy").exists()


def test_another_test_crop(ucf_features):
    run_ucf(ucf_features, "--test-crop", "0")
    assert names(ucf_features / "list" / "ucf_CLIP_rgbtest.csv")[0][0] == "Abuse028_x264__0"


def test_linked_class_folders_are_found(ucf_features):
    (ucf_features / "f" / "Arson").rename(ucf_features / "elsewhere")
    (ucf_features / "f" / "Arson").symlink_to(ucf_features / "elsewhere")
    run_ucf(ucf_features)
    _, labels = names(ucf_features / "list" / "ucf_CLIP_rgb.csv")
    assert labels[::10] == ["Abuse", "Arson", "Normal"]


def spoil_ucf(folder, what):
    if what == "video missing":
        for path in (folder / "f" / "Arson").glob("Arson001*"):
            path.unlink()
    elif what == "crop missing":
        (folder / "f" / "Arson" / "Arson001_x264__5.npy").unlink()
    elif what == "unknown class":
        (folder / "f" / "Abuse").rename(folder / "f" / "Abusing")
    elif what == "other class":
        (folder / "a.txt").write_text("Abuse028_x264  Arson  5  40  -1  -1\n")
    elif what == "odd name":
        np.save(folder / "f" / "Abuse" / "x.npy", np.ones(3))
    elif what == "bad frames":
        (folder / "a.txt").write_text("Abuse028_x264  Abuse  5  forty\n")
    elif what == "no class":
        (folder / "a.txt").write_text(f"{UCF_ANNOTATIONS}Arson003_x264.mp4\n")
    elif what == "backward":
        (folder / "a.txt").write_text("Abuse028_x264  Abuse  50  40  -1  -1\n")
    elif what == "twice":
        features(folder / "f" / "old" / "Abuse", {"Abuse001_x264": 2})
    elif what == "damaged":
        (folder / "f" / "Arson" / "Arson001_x264__5.npy").write_bytes(b"")
    elif what == "official file there":
        (folder / "list").mkdir()
        (folder / "list" / "gt_segment_ucf.npy").write_bytes(b"")


@pytest.mark.parametrize(
    "what, message",
    [
        ("video missing", "1 of the 3 videos"),
        ("crop missing", "has no crop 5"),
        ("unknown class", "unknown UCF-Crime label 'Abusing'"),
        ("other class", "Abuse028_x264 is Arson in"),
        ("odd name", "is not named <video>__<crop>.npy"),
        ("bad frames", "a.txt, line 1: expected frames"),
        ("no class", "a.txt, line 4: expected 'video label start end start end'"),
        ("backward", "0 ≤ start < end"),
        ("damaged", "damaged"),
        ("twice", "are features of one video and crop"),
        ("official file there", "move it away"),
    ],
)
def test_bad_input_writes_nothing(ucf_features, what, message, capsys):
    spoil_ucf(ucf_features, what)
    with pytest.raises(SystemExit) as end:
        run_ucf(ucf_features)
    assert end.value.code == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(error) == 1
    assert message in error[0]
    assert not list(ucf_features.glob("list/*.csv"))


def spoil_xd(folder, what):
    if what == "no label":
        features(folder / "test", {"v": 2})
    elif what == "not annotated":
        features(folder / "test", {"d__#1_label_B4-0-0": 2})
    elif what == "both":
        (folder / "test").rename(folder / "train" / "test")
        (folder / "test").symlink_to(folder / "train" / "test")
    elif what == "other frames":
        (folder / "a.txt").write_text(XD_ANNOTATIONS.splitlines()[1])


@pytest.mark.parametrize(
    "what, message",
    [
        ("no label", "{}/test/v__0.npy has no label in its name: expected <video>_label_<codes>_"),
        ("not annotated", "error: d__#1_label_B4-0-0 is anomalous, but {}/a.txt does not have it"),
        (
            "both",
            "error: 3 test videos in {}/train, first a__#1_label_G-0-0: --features names the "
            "folder of the training videos alone",
        ),
        ("other frames", "{}/m.txt, line 1: b__#1_label_B1-B2-0 is missing in {}/a.txt"),
    ],
)
def test_bad_input_of_xd_writes_nothing(xd, what, message, capsys):
    spoil_xd(xd, what)
    assert message.format(xd, xd) in one_error(run_xd, capsys, xd, "--features", f"{xd}/train")
    assert not (xd / "list").exists()


@pytest.mark.parametrize(
    "tokens",
    [
        ["ucf", "--annotations", "a.txt"],
        ["ucf", "--features", "f", "--annotations", "a.txt", "b.txt"],
        ["xd", "--features", "f", "--annotations", "a.txt", "b.txt"],
        ["xd", "--test-features", "f", "--annotations", "a.txt"],
        ["ucf", "--features", "nowhere", "--annotations", "nowhere.txt"],
    ],
)
def test_incomplete_commands(tokens, capsys):
    with pytest.raises(SystemExit) as end:
        main(tokens)
    assert end.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def git_hash(path):
    command = ["git", "hash-object", "--no-filters", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@golden.needs_real_data
@pytest.mark.parametrize(
    "name, file, expected",
    [
        ("ucf", "gt_ucf.npy", "a2737bd8a60368130d819948128b6e294579f334"),
        ("xd", "gt.npy", "863e617f09fc08ae03446c4c863e68a71943c9b5"),
    ],
)
def test_the_official_ground_truth_comes_out_byte_for_byte(tmp_path, name, file, expected):
    features_folder = official_features(tmp_path / "f", name)
    annotations = golden.REAL / "annotations"
    if name == "ucf":
        main(["ucf", "--features", str(features_folder), "--out", str(tmp_path), "--annotations",
              str(annotations / "Temporal_Anomaly_Annotation.txt")])  # fmt: skip
    else:
        main(["xd", "--test-features", str(features_folder), "--out", str(tmp_path),
              "--annotations", str(annotations / "annotations.txt"),
              str(annotations / "annotations_multiclasses.txt")])  # fmt: skip
    assert git_hash(tmp_path / file) == expected
    official = pd.read_csv(golden.REAL / "lists" / f"{name}_CLIP_rgbtest.csv")
    ours = pd.read_csv(tmp_path / f"{name}_CLIP_rgbtest.csv")
    assert list(ours.label) == list(official.label)
    assert [p.split("/")[-1] for p in ours.path] == [p.split("/")[-1] for p in official.path]


@golden.needs_real_data
@pytest.mark.parametrize("name, facts", [("ucf", UCF_CRIME), ("xd", XD_VIOLENCE)])
def test_training_lists_are_in_the_official_order(tmp_path, name, facts):
    official = pd.read_csv(golden.REAL / "lists" / f"{name}_CLIP_rgb.csv")
    tails = ["/".join(path.split("/")[-2:]) for path in official.path]
    root = tmp_path / "f"
    for tail in tails:
        (root / tail).parent.mkdir(parents=True, exist_ok=True)
        (root / tail).touch()
    write_training_list(scan(root, facts), tmp_path, facts)
    ours = pd.read_csv(tmp_path / facts.train_list)
    assert ["/".join(path.split("/")[-2:]) for path in ours.path] == tails
    assert list(ours.label) == list(official.label)
