"""Features beside those of the same videos from elsewhere."""

from pathlib import Path

import numpy as np
import pytest

from helpers.scripts import one_error
from utils import compare_features
from utils.videos import comparison
from utils.videos.comparison import FeatureComparison
from utils.videos.feature_folders import Kind, find_features
from utils.videos.records import Recipe, made_of, write_record

WIDTH = 24


def save(path: Path, rows) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.asarray(rows, dtype=np.float32))
    return path


def save_own(folder: Path, video: str, rows: dict[int, np.ndarray], pool: str, clip="f" * 64):
    """Crops with a record, as extract_features.py leaves them."""
    for crop, of_crop in rows.items():
        save(folder / f"{video}__{crop}.npy", of_crop)
    write_record(
        folder / video, made_of(Path("v.mp4"), Recipe(clip, pool, "fp32", "float32")), rows
    )


def run(capsys, *arguments) -> list[str]:
    capsys.readouterr()
    compare_features.main([str(argument) for argument in arguments])
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    return lines


def table(lines: list[str]) -> list[list[str]]:
    """The words of each line of the table."""
    begin = next(i for i, line in enumerate(lines) if line.startswith("  pool")) + 1
    end = lines.index("", begin) if "" in lines[begin:] else len(lines)
    return [line.split() for line in lines[begin:end]]


def test_the_pool_the_crop_and_the_offset_are_found(tmp_path, rng, capsys):
    """Others' features are those of the middle frame, one row late, and their crop 0 is our 5."""
    for video, rows in {"v=1__#a_label_B1": 9, "w": 14}.items():
        found = {
            pool: {crop: rng.standard_normal((rows, WIDTH)) for crop in (0, 5)}
            for pool in ("mean", "middle")
        }
        for pool, crops in found.items():
            save_own(tmp_path / "own" / pool / "Abuse", video, crops, pool)
        noise = 0.01 * rng.standard_normal((rows, WIDTH))
        late = 10 * (np.roll(found["middle"][5], 1, axis=0) + noise)
        save(tmp_path / "others" / f"{video}__0.npy", late)
    lines = run(capsys, tmp_path / "own", tmp_path / "others")
    assert lines[0] == "2 videos compared, 23 rows; none only in A, none only in B"
    best = table(lines)[0]
    assert best[:4] == ["middle", "5", "0", "-1"]
    assert float(best[4]) > 0.999
    assert best[7:] == ["0.100", "2", "21"]  # without the first row of either
    (by_pool,) = [line for line in lines if line.startswith("best by pool:")]
    assert by_pool.split()[3:5] == ["middle", best[4] + ","]
    (by_crop,) = [line for line in lines if line.startswith("best by crop:")]
    assert by_crop.split()[3:5] == ["another", best[4] + ","]


@pytest.mark.parametrize("rows_a, rows_b", [(20, 20), (21, 20), (20, 22), (15, 14), (1, 1), (1, 2)])
def test_numbers_are_those_of_a_plain_calculation(rows_a, rows_b, tmp_path, rng, monkeypatch):
    monkeypatch.setattr(comparison, "CHUNK", 7)
    a, b = rng.standard_normal((3, rows_a, WIDTH)), rng.standard_normal((2, rows_b, WIDTH))
    a, b = a.astype(np.float32), 3 * b.astype(np.float32)
    b[1, : min(rows_a, rows_b)] += 6 * a[2, :rows_b]
    files_a = {Kind(None, k): save(tmp_path / f"a__{k}.npy", rows) for k, rows in enumerate(a)}
    files_b = {Kind(None, k): save(tmp_path / f"b__{k}.npy", rows) for k, rows in enumerate(b)}
    found = FeatureComparison()
    found.add("v", files_a, files_b)
    checked = 0
    for (kind_a, kind_b, offset), fit in found.fits.items():
        x, y = a[kind_a.crop], b[kind_b.crop]
        ts = [t for t in range(rows_b) if 0 <= t + offset < rows_a]
        cosines = [
            x[t + offset] @ y[t] / np.linalg.norm(x[t + offset]) / np.linalg.norm(y[t]) for t in ts
        ]
        assert fit.rows == len(ts)
        assert fit.mean == pytest.approx(np.mean(cosines), abs=1e-6)
        assert fit.lowest == pytest.approx(min(cosines), abs=1e-6)
        low, high = np.sort(cosines)[(len(ts) - 1) // 2], np.sort(cosines)[len(ts) // 2]
        assert low - 2e-4 <= fit.median <= high + 2e-4
        assert fit.worst[0].row == ts[int(np.argmin(cosines))]
        both = min(rows_a, rows_b)
        norms = [np.linalg.norm(side[:both], axis=1).mean() for side in (x, y)]
        assert fit.norm_ratio == pytest.approx(norms[0] / norms[1], rel=1e-5)
        checked += 1
    possible = sum(any(0 <= t + o < rows_a for t in range(rows_b)) for o in (-1, 0, 1))
    assert checked == 6 * possible
    assert (found.rows, found.uneven, found.most) == (
        min(rows_a, rows_b), rows_a != rows_b, abs(rows_a - rows_b),
    )  # fmt: skip


def test_ten_crops_on_both_sides_are_ten_lines(tmp_path, rng, capsys):
    for crop in range(10):
        rows = rng.standard_normal((5, WIDTH))
        save(tmp_path / "a" / f"v__{crop}.npy", rows)
        save(tmp_path / "b" / f"v__{9 - crop}.npy", rows)
        save(tmp_path / "one" / "v__3.npy", rows)
    lines = run(capsys, tmp_path / "a", tmp_path / "b")
    assert sorted((a, b) for _, a, b, *_ in table(lines)) == [
        (f"{crop}", f"{9 - crop}") for crop in range(10)
    ]
    assert {row[3] for row in table(lines)} == {"0"}
    assert "290 further lines: --all" in lines
    every = table(run(capsys, tmp_path / "a", tmp_path / "b", "--all"))
    assert len(every) == 300
    assert len({tuple(row[:4]) for row in every}) == 300
    means = [float(row[4]) for row in every]
    assert means == sorted(means, reverse=True)
    # Of one crop there is room to see how far behind the others are, each at its best offset.
    of_one = table(run(capsys, tmp_path / "a", tmp_path / "one"))
    assert of_one[0][:4] == ["?", "9", "3", "0"]
    assert sorted(row[1] for row in of_one) == sorted(map(str, range(10)))


def test_what_is_left_out_and_what_fits_worst_is_said(tmp_path, rng, capsys):
    for i in range(8):
        rows = rng.standard_normal((6 + i, WIDTH))
        save(tmp_path / "a" / f"v{i}__5.npy", rows)
        rows[3] += i * rng.standard_normal(WIDTH)
        save(tmp_path / "b" / "deep" / f"v{i}__5.npy", rows[: None if i < 6 else 5])
    save(tmp_path / "a" / "x__5.npy", rows)
    for name in ("y__5", "z"):
        save(tmp_path / "b" / f"{name}.npy", rows)
    lines = run(capsys, tmp_path / "a", tmp_path / "b")
    assert lines[:2] == [
        f"8 videos compared, {sum(range(6, 12)) + 5 + 5} rows; 1 only in A, 2 only in B",
        "2 videos with more or fewer rows in A than in B, by 8 at most",
    ]
    worst = [line.split() for line in lines[-5:]]
    assert [row[2] for row in worst] == ["3"] * 5
    assert {row[5] for row in worst} <= {f"v{i}" for i in range(1, 8)}
    assert [float(row[0]) for row in worst] == sorted(float(row[0]) for row in worst)
    (last,) = [row for row in worst if row[5] == "v7"]
    assert last[3:5] == ["13", "5"]


def test_two_files_are_compared_whatever_they_are_called(tmp_path, rng, capsys):
    rows = rng.standard_normal((4, WIDTH))
    a, b = save(tmp_path / "mine.npy", rows), save(tmp_path / "Abuse__5.npy", rows)
    lines = run(capsys, a, b)
    assert lines[0].startswith("1 video compared, 4 rows")
    assert table(lines)[0][:5] == ["?", "?", "5", "0", "1.0000"]
    rows[2] = 0  # a row of zeros is like no other
    lines = run(capsys, save(tmp_path / "mine.npy", rows), b)
    assert table(lines)[0][4:7] == ["0.7500", "1.0000", "0.0000"]


@pytest.mark.parametrize("clip", ["random", "random ViT-L/14"])
def test_features_of_random_weights_are_pointed_out(clip, tmp_path, capsys):
    save_own(tmp_path / "a", "v", {0: np.eye(3), 5: np.eye(3)}, "mean", clip=clip)
    save(tmp_path / "b" / "v__0.npy", np.eye(3))
    lines = run(capsys, tmp_path / "a", tmp_path / "b")
    assert lines[1].startswith("note: 2 files of A came of random CLIP weights")
    (tmp_path / "a" / "v__features.json").unlink()
    assert not any("random" in line for line in run(capsys, tmp_path / "a", tmp_path / "b"))


@pytest.mark.parametrize(
    "a, b, message",
    [
        ({"v__0": (3, 4)}, {"v__0": (3, 5)}, "have 4 values, those of "),
        ({"v__0": (3, 4), "v__1": (3, 5)}, {"v__0": (3, 4)}, "have 4 values, those of "),
        ({"v__0": (3, 4)}, {"w__0": (3, 4)}, "no video in common: the first has v, the second w"),
        ({"v__0": (3, 4), "x/v__0": (3, 4)}, {"v__0": (3, 4)}, "are both of a video v"),
        ({"v__0": (4,)}, {"v__0": (3, 4)}, "v__0.npy has shape (4,)"),
        ({"v__0": (3, 4)}, {"v__0": (0, 4)}, "v__0.npy "),
        ({}, {"v__0": (3, 4)}, "a holds no features"),
        ({"v__0": (3, 4)}, None, "b not found"),
    ],
)
def test_what_cannot_be_compared(a, b, message, tmp_path, capsys):
    for folder, files in (("a", a), ("b", b)):
        if files is not None:
            (tmp_path / folder).mkdir()
            for name, shape in files.items():
                save(tmp_path / folder / f"{name}.npy", np.ones(shape))
    command = [str(tmp_path / "a"), str(tmp_path / "b")]
    assert message in one_error(compare_features.main, capsys, command)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_none(value, tmp_path, capsys):
    a = save(tmp_path / "a.npy", np.ones((3, 4)))
    rows = np.ones((3, 4))
    rows[2, 1] = value
    b = save(tmp_path / "b.npy", rows)
    for command in ([str(a), str(b)], [str(b), str(a)]):
        error = one_error(compare_features.main, capsys, command)
        assert f"{b} holds NaN or infinite values" in error
    np.save(b, np.ones((3, 4), int))
    assert "type int64" in one_error(compare_features.main, capsys, command)


def test_a_date_is_no_crop(tmp_path):
    for name in ("cam__20240101", "cam__5", "cam"):
        np.save(tmp_path / f"{name}.npy", np.eye(3))
    found = find_features(tmp_path, with_records=False).videos
    crops = {video: [kind.crop for kind in kinds] for video, kinds in found.items()}
    assert crops == {"cam__20240101": [None], "cam": [None, 5]}
