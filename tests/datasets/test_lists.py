import numpy as np
import pytest
import torch

from benchmarks.plain import looped_clip
from utils.datasets.batches import chunk_batches
from utils.datasets.clips import process_feat, process_split
from utils.datasets.features import read_features, video_and_crop
from utils.datasets.lists import read_list
from utils.labels import UCF_CRIME, XD_VIOLENCE
from utils.network.batch import Filled
from utils.system.errors import UserError


@pytest.mark.parametrize("t", [1, 7, 31, 32, 33, 63, 64, 65, 500])
def test_training_clip_is_the_definition_to_the_last_bit(rng, t):
    feat = rng.standard_normal((t, 5)).astype(np.float32)
    clip, valid = process_feat(feat, 32)
    assert valid == min(t, 32)
    assert clip.dtype == np.float32
    assert np.array_equal(clip, looped_clip(feat, 32))


@pytest.mark.parametrize("t, segments", [(1, 1), (31, 1), (32, 2), (33, 2), (64, 3), (100, 4)])
def test_test_segments(rng, t, segments):
    feat = rng.standard_normal((t, 5)).astype(np.float16)
    parts, count = process_split(feat, 32)
    assert parts.shape == (segments, 32, 5)
    assert count == t
    rows = parts.reshape(-1, 5)
    assert np.array_equal(rows[:t], feat.astype(np.float32))
    assert not rows[t:].any()


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)
    return path


@pytest.mark.parametrize("size", [1, 2, 100])
def test_segments_of_all_videos_without_their_padding(rng, size):
    videos = [rng.standard_normal((t, 5)).astype(np.float32) for t in (5, 32, 40, 64)]
    batches = chunk_batches([torch.from_numpy(v) for v in videos], 32, size)
    assert [len(lengths) for _, lengths in batches[:-1]] == [size] * (len(batches) - 1)
    assert torch.cat([lengths for _, lengths in batches]).tolist() == [5, 32, 32, 8, 32, 32]
    filled = [Filled.of(lengths, 32, 8).unpack(snippets) for snippets, lengths in batches]
    parts = [process_split(v, 32)[0] for v in videos]
    parts[1], parts[3] = parts[1][:1], parts[3][:2]  # their last segments are padding alone
    assert np.array_equal(torch.cat(filled).numpy(), np.concatenate(parts))


def write(path, text, encoding="utf-8"):
    path.write_text(text, encoding=encoding)
    return str(path)


@pytest.fixture
def feature(tmp_path):
    return save(tmp_path / "UCF" / "Abuse" / "Abuse001_x264__5.npy", np.ones((3, 512), np.float16))


def test_a_list(tmp_path, feature):
    rows = read_list(write(tmp_path / "l.csv", f"path,label\n{feature},Abuse\n"), UCF_CRIME)
    assert rows[0].path == feature
    assert rows[0].video == "Abuse001_x264"
    assert not rows[0].normal


@pytest.mark.parametrize(
    "written, root",
    [
        ("/somebody/else/UCF/Abuse/Abuse001_x264__5.npy", "."),
        ("/somebody/else/UCF/Abuse/Abuse001_x264__5.npy", "UCF"),
        ("/somebody/else/UCF/Abuse/Abuse001_x264__5.npy", "UCF/Abuse"),
        ("Abuse/Abuse001_x264__5.npy", "UCF"),
        (r"D:\data\Abuse\Abuse001_x264__5.npy", "UCF"),
    ],
)
def test_feature_root_takes_the_place_of_the_lists_folders(tmp_path, feature, written, root):
    path = write(tmp_path / "l.csv", f"path,label\n{written},Abuse\n")
    assert read_list(path, UCF_CRIME, str(tmp_path / root))[0].path == feature


@pytest.mark.parametrize(
    "stem, video, crop",
    [
        ("v", "v", 0),
        ("v__0", "v", 0),
        ("v__5", "v", 5),
        ("a__b__12", "a__b", 12),
        ("cam__20240101", "cam__20240101", 0),  # a day
        ("cam__123", "cam__123", 0),
        ("v_1", "v_1", 0),
        ("__3", "__3", 0),
        ("stu\u0308rzen__1", "st\u00fcrzen", 1),
    ],
)
def test_the_video_and_crop_of_a_file(stem, video, crop):
    assert video_and_crop(stem) == (video, crop)


def test_the_longest_tail_under_the_feature_root_counts(tmp_path, feature):
    save(tmp_path / feature.name, np.zeros((3, 512), np.float16))
    rows = f"/a/{feature.name},Abuse\n/a/UCF/Abuse/{feature.name},Abuse\n"
    path = write(tmp_path / "l.csv", f"path,label\n{rows}")
    found = [row.path for row in read_list(path, UCF_CRIME, str(tmp_path))]
    assert found == [tmp_path / feature.name, feature]


def test_feature_root_is_not_left(tmp_path, feature):
    path = write(tmp_path / "l.csv", f"path,label\n../UCF/Abuse/{feature.name},Abuse\n")
    with pytest.raises(UserError, match="not found under --feature-root"):
        read_list(path, UCF_CRIME, str(tmp_path / "UCF"))


def test_windows_and_spreadsheet_lists(tmp_path, feature):
    text = f"path,label\r\n{feature},Abuse\r\n"
    assert len(read_list(write(tmp_path / "l.csv", text, "utf-8-sig"), UCF_CRIME)) == 1


@pytest.mark.parametrize(
    "text, message",
    [
        (None, "not found"),
        ("", "cannot be read"),
        ("path,label\n", "is empty"),
        ("path,label\n\n\n", "is empty"),
        ("file,label\nx,Abuse\n", "no path"),
        ("path,label\n{feature},Abuse\n{feature},Nonsense\n", "line 3: unknown UCF-Crime label"),
        ("path,label\nnowhere.npy,Abuse\n", "line 2: feature file nowhere.npy not found"),
        ("path,label\n\n\n{feature},Nonsense\n", "line 4: unknown"),
        ("path,label\n,Abuse\n", "line 2: the path is empty"),
    ],
)
def test_bad_lists(tmp_path, feature, text, message):
    path = tmp_path / "l.csv"
    if text is not None:
        write(path, text.format(feature=feature))
    with pytest.raises(UserError, match=message):
        read_list(str(path), UCF_CRIME)


def test_features_come_as_float32(tmp_path, rng):
    values = rng.standard_normal((4, 512)).astype(np.float32)
    for dtype in ("<f2", ">f4", "<f8"):
        features = read_features(save(tmp_path / "f.npy", values.astype(dtype)))
        assert features.dtype == np.float32
        np.testing.assert_array_equal(features, values.astype(dtype).astype(np.float32))


@pytest.mark.parametrize(
    "array, message",
    [
        (np.ones((512, 9), np.float32), r"shape \(512, 9\); expected \(T, 512\)"),
        (np.ones((2, 9, 512), np.float32), "expected"),
        (np.ones((0, 512), np.float32), r"shape \(0, 512\)"),
        (np.ones((9, 512), np.int32), "expected floating point"),
        (np.ones((9, 512), np.complex64), "expected floating point"),
        (np.array([{}]), "damaged or no .npy"),
        (np.full((9, 512), 1e300), "NaN or infinite"),
        (np.where(np.arange(9)[:, None] == 4, np.nan, np.ones((9, 512))), "first in row 4"),
    ],
)
def test_bad_features(tmp_path, array, message):
    path = tmp_path / "f.npy"
    np.save(path, array, allow_pickle=True)
    with pytest.raises(UserError, match=message) as error:
        read_features(path)
    assert str(path) in str(error.value)


def test_damaged_features(tmp_path):
    path = save(tmp_path / "f.npy", np.ones((9, 512), np.float32))
    whole = path.read_bytes()
    odd_header = whole.replace(b"(9, 512), }", b"(9, 512(, }")
    negative = whole.replace(b"(9, 512), }", b"(-9,512), }")
    for content in (b"", whole[:-100], whole[:20], b"junk", b"PK\x03\x04", odd_header, negative):
        path.write_bytes(content)
        for header_only in (False, True):
            with pytest.raises(UserError, match="damaged"):
                read_features(path, header_only)
    with pytest.raises(UserError, match="not found"):
        read_features(tmp_path / "none.npy")


def test_labels():
    assert UCF_CRIME.encode("Normal").tolist() == [1] + 13 * [0]
    assert XD_VIOLENCE.encode("B1-B2-G").tolist() == [0, 1, 1, 0, 0, 0, 1]
    assert XD_VIOLENCE.encode("B2-0-0").tolist() == [0, 0, 1, 0, 0, 0, 0]
    assert XD_VIOLENCE.encode("b2-0-0").tolist() == [0, 0, 1, 0, 0, 0, 0]
    with pytest.raises(UserError, match="both normal and anomalous"):
        XD_VIOLENCE.encode("A-B1")
    for label in ("", "0-0-0", "B3", "B1-X", "nan"):
        with pytest.raises(UserError, match="allowed are A, B1"):
            XD_VIOLENCE.encode(label)


@pytest.mark.parametrize("facts, count", [(UCF_CRIME, 14), (XD_VIOLENCE, 7)])
def test_facts(facts, count):
    assert len(facts.classes) == len(facts.texts) == count
    assert facts.texts[0] == ("normal",)
    assert all(text == text.lower() for texts in facts.texts for text in texts)
