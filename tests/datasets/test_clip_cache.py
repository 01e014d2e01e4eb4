import json
import os
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from filelock import FileLock

from utils.datasets.batches import training_batches, training_clips
from utils.datasets.clip_cache import CachedClips
from utils.datasets.clips import process_feat
from utils.datasets.lists import read_list
from utils.datasets.order import Shuffled
from utils.labels import UCF_CRIME
from utils.system.errors import UserError

LENGTHS = (3, 16, 40, 7, 17)


@pytest.fixture
def args(tmp_path, rng):
    lines = ["path,label"]
    for i, length in enumerate(LENGTHS):
        path = tmp_path / f"Abuse{i}__0.npy"
        np.save(path, rng.standard_normal((length, 512)).astype(np.float16))
        lines.append(f"{path},{'Abuse' if i % 2 else 'Normal'}")
    (tmp_path / "train.v2.csv").write_text("\n".join(lines) + "\n")
    return SimpleNamespace(
        train_list=str(tmp_path / "train.v2.csv"), cache=str(tmp_path / "cache"), visual_length=16,
        batch_size=2, num_workers=0, device="cpu",
    )  # fmt: skip


def batches(args, **changes):
    args = SimpleNamespace(**{**vars(args), **changes})
    rows = read_list(args.train_list, UCF_CRIME)
    order = torch.Generator().manual_seed(5)
    every_row = Shuffled(range(len(rows)), args.batch_size, order)
    clips = training_clips(rows, args.visual_length, args.train_list, args.cache, args.num_workers)
    return list(training_batches(clips, every_row, args.num_workers, torch.device(args.device)))


def files(args, suffix):
    return sorted(path for path in os.listdir(args.cache) if path.endswith(suffix))


def test_a_batch_holds_the_clips_of_its_rows(args):
    found = batches(args, cache=None)
    assert [len(lengths) for _, _, lengths in found] == [2, 2, 1]
    rows = read_list(args.train_list, UCF_CRIME)
    expected = {}
    for row in rows:
        clip, valid = process_feat(np.load(row.path), 16)
        expected[clip[:valid].tobytes()] = row.label.tolist()
    for snippets, labels, lengths in found:
        for clip, label in zip(snippets.split(lengths.tolist()), labels, strict=True):
            assert expected.pop(clip.numpy().tobytes()) == label.tolist()
    assert not expected


@pytest.mark.parametrize("workers", [0, 2])
def test_cached_batches_are_the_same(args, workers):
    """Packed or not, by processes or not."""
    plain = batches(args, cache=None)
    for a, b in zip(plain, batches(args, cache=None, num_workers=workers), strict=True):
        assert all(map(torch.equal, a, b))
    for _ in range(2):  # packed, then found
        for a, b in zip(plain, batches(args, num_workers=workers), strict=True):
            assert all(map(torch.equal, a, b))
    assert len(files(args, ".f32")) == 1


def test_features_in_fortran_order(args):
    before = batches(args)
    for row in read_list(args.train_list, UCF_CRIME):
        np.save(row.path, np.asfortranarray(np.load(row.path)))
    for a, b in zip(before, batches(args), strict=True):
        assert all(map(torch.equal, a, b))
    assert len(files(args, ".f32")) == 2


def test_what_the_clips_are_made_of_decides_the_cache(args):
    batches(args)
    first = read_list(args.train_list, UCF_CRIME)[0].path
    batches(args, visual_length=8)
    assert len(files(args, ".f32")) == 2
    os.utime(first, ns=(0, 0))
    batches(args)
    assert len(files(args, ".f32")) == 3
    np.save(first, np.ones((4, 512), np.float16))
    found = batches(args)
    assert any((snippets[:, 0] == 1).sum() == 4 for snippets, _, _ in found)
    with open(args.train_list, "a") as file:
        file.write(f"{first},Normal\n")
    assert sum(len(lengths) for _, _, lengths in batches(args)) == 6
    assert len(files(args, ".f32")) == 5


@pytest.mark.parametrize("damage", ["truncated", "unfinished", "left behind", "no index"])
def test_a_cache_that_is_not_whole_is_packed_again(args, tmp_path, damage):
    plain = batches(args)
    (data,), (index,) = (
        [tmp_path / "cache" / name for name in files(args, suffix)] for suffix in (".f32", ".json")
    )
    left_behind = data.with_name(f".{data.stem}.999999.f32")
    left_behind.write_bytes(b"x")
    if damage == "truncated":
        data.write_bytes(data.read_bytes()[:-1])
    elif damage == "unfinished":
        index.write_text('{"lengths": [3,')
    elif damage == "left behind":
        data.unlink()
    else:
        index.unlink()
    for a, b in zip(plain, batches(args), strict=True):
        assert all(map(torch.equal, a, b))
    assert not left_behind.exists()


def spoiled_index(index, change) -> None:
    record = json.loads(index.read_text())
    change(record)
    index.write_text(json.dumps(record))


def swapped(record) -> None:
    """The lengths that differ, exchanged."""
    lengths = record["lengths"]
    lengths[0], lengths[1] = lengths[1], lengths[0]


@pytest.mark.parametrize("damage", ["one byte", "zeros", "lengths"])
def test_a_damaged_clip_comes_from_its_feature_file(args, tmp_path, capsys, damage):
    plain = batches(args)
    (data,), (index,) = (
        [tmp_path / "cache" / name for name in files(args, suffix)] for suffix in (".f32", ".json")
    )
    whole = data.read_bytes()
    if damage == "lengths":
        spoiled_index(index, swapped)
    elif damage == "zeros":
        data.write_bytes(bytes(len(whole)))
    else:
        data.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    for _ in range(2):  # read from the feature files, then packed anew
        for a, b in zip(plain, batches(args), strict=True):
            assert all(map(torch.equal, a, b))
    assert data.read_bytes() == whole
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"note: {data} is damaged: ")


@pytest.mark.parametrize("lengths", [[3, 16, 16, 8, 15], [-3, 22, 16, 7, 16], [3.0, 16, 16, 7, 16]])
def test_an_index_that_no_packing_wrote_is_not_trusted(args, tmp_path, lengths):
    plain = batches(args)
    (index,) = (tmp_path / "cache" / name for name in files(args, ".json"))
    spoiled_index(index, lambda record: record.update(lengths=lengths))
    for a, b in zip(plain, batches(args), strict=True):
        assert all(map(torch.equal, a, b))


def test_a_run_waits_for_the_one_that_packs(args, tmp_path, capsys):
    batches(args)
    (lock,) = files(args, ".lock")
    (index,) = files(args, ".json")
    finished = (tmp_path / "cache" / index).read_bytes()
    (tmp_path / "cache" / index).unlink()  # as while it is being packed
    found = []
    other = threading.Thread(target=lambda: found.append(batches(args)))
    with FileLock(tmp_path / "cache" / lock), pytest.MonkeyPatch.context() as patch:
        patch.setattr(CachedClips, "_pack", lambda *_: pytest.fail("packed a second time"))
        other.start()
        other.join(timeout=1)
        assert not found
        (tmp_path / "cache" / index).write_bytes(finished)
    other.join(timeout=60)
    for a, b in zip(found[0], batches(args, cache=None), strict=True):
        assert all(map(torch.equal, a, b))
    assert "waiting for the run that is packing" in capsys.readouterr().err


def test_a_finished_cache_needs_no_lock(args, tmp_path, monkeypatch):
    plain = batches(args)
    monkeypatch.setattr("utils.datasets.clip_cache.exclusive", lambda _: pytest.fail("locked"))
    for a, b in zip(plain, batches(args), strict=True):
        assert all(map(torch.equal, a, b))


def test_a_bad_feature_file_leaves_no_cache(args):
    last = read_list(args.train_list, UCF_CRIME)[-1].path
    last.write_bytes(b"junk")
    with pytest.raises(UserError, match=r"Abuse4__0\.npy is damaged"):
        batches(args)
    assert not files(args, ".f32")
    assert not files(args, ".json")


def test_a_cache_that_cannot_be_written_is_one_line(args, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"--cache .* cannot be written"):
        batches(args, cache=str(tmp_path / "file" / "cache"))
