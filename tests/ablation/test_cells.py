"""The training runs of a table: what is run, resumed, waited for and kept."""

import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from helpers.grids import ROWS, write
from utils.ablation.cells import finished, lock_of, make_cells, run_cells, start
from utils.ablation.grid import read_grid
from utils.system.errors import UserError


@pytest.fixture
def cells(lists, tmp_path):
    return cells_of(tmp_path, lists)


def cells_of(folder, options, dataset=None):
    grid = read_grid(write(folder, ROWS), dataset, None, options)
    return make_cells(grid, folder / "out", options)


def begun(cell) -> list[str]:
    path = cell.folder / "begun"
    return path.read_text().split() if path.exists() else []


def run_all(cells, script, jobs=2, keep_weights=True):
    told = []
    missing = [cell for cell in cells if not finished(cell)]
    tell = lambda cell, *_: told.append(cell)  # noqa: E731
    return run_cells(missing, script, jobs, keep_weights, tell), told


def test_every_row_is_run_with_every_seed_once(cells, stand_in):
    failures, told = run_all(cells, stand_in)
    assert not failures
    assert len(told) == len(cells) == 6
    assert run_all(cells, stand_in) == ([], [])
    assert all(begun(cell) == ["begun"] for cell in cells)
    assert all((cell.folder / "model.pth").exists() for cell in cells)


def test_a_failing_run_stops_no_other_and_is_tried_again(cells, stand_in):
    stand_in.with_name("do").write_text("fail")
    failures, told = run_all(cells, stand_in, keep_weights=False)
    assert len(failures) == 2
    assert failures[0].startswith("MIL, seed 2: error: no such thing (exit code 2")
    assert sorted(cell.seed for cell in told) == [1, 1, 3, 3]
    assert not any((cell.folder / "model.pth").exists() for cell in told)
    stand_in.with_name("do").write_text("finish")
    failures, told = run_all(cells, stand_in)
    assert not failures
    assert [cell.seed for cell in told] == [2, 2]


def test_a_run_that_outlived_a_killed_ablation_is_waited_for(cells, stand_in):
    stand_in.with_name("do").write_text("wait")
    with lock_of(cells[0]) as lock:
        process = start(cells[0], stand_in, 1, lock)
    stand_in.with_name("do").write_text("finish")

    def end():
        time.sleep(2)
        (cells[0].folder / "best.json").write_text('{"auc1": 0.5, "average_map": 3}')
        process.kill()
        process.wait()

    thread = threading.Thread(target=end)
    thread.start()
    failures, told = run_all(cells[:2], stand_in)
    thread.join()
    assert not failures
    assert told == [cells[1], cells[0]]
    assert begun(cells[0]) in (["begun"], [])  # not once more


@pytest.mark.parametrize("jobs", [1, 2])
def test_so_many_jobs_run_at_the_same_time(jobs, cells, stand_in):
    stand_in.with_name("do").write_text("share")
    failures, told = run_all(cells[:3], stand_in, jobs)
    assert not failures
    if jobs == 1:
        assert told == cells[:3]
    times = [json.loads((cell.folder / "ran").read_text()) for cell in cells[:3]]
    together = [sum(begun <= moment < ended for begun, ended in times) for moment, _ in times]
    assert max(together) == jobs


def test_a_cell_that_is_waited_for_keeps_no_job_from_others(cells, stand_in, capsys):
    told = []
    with lock_of(cells[0]) as lock:  # as another process would
        lock.write("4711")
        lock.flush()

        def tell(cell, *_):
            told.append(cell)
            lock.close()  # which gives it up, when the other cell is finished

        assert run_cells(cells[:2], stand_in, 1, True, tell) == []
    assert told == [cells[1], cells[0]]
    said = "MIL, seed 1: process 4711 is training it, waiting for that\n"
    assert capsys.readouterr().out == said  # once


def test_a_stop_ends_waiting_for_another_process(cells, stand_in):
    def tell(*_):
        raise KeyboardInterrupt

    with lock_of(cells[0]), pytest.raises(KeyboardInterrupt):
        run_cells(cells, stand_in, 1, True, tell)
    assert not begun(cells[0])
    others = [bool(begun(cell)) for cell in cells[1:]]  # in which order, threads decide
    assert any(others) and not all(others)


def test_other_options_do_not_get_into_an_older_table(cells, stand_in, lists, tmp_path):
    run_all(cells, stand_in)
    with pytest.raises(UserError, match=r"was run with lr 0\.01, now it is 1\.0: name"):
        finished(cells_of(tmp_path, [*lists, "--lr=1"])[0])
    with pytest.raises(UserError, match="was run with"):
        finished(cells_of(tmp_path, lists, "xd")[0])
    # What decides nothing may be another.
    assert finished(cells_of(tmp_path, [*lists, "--num-workers=0", "--device=cpu"])[0])


def test_runs_of_other_clip_weights_do_not_get_into_an_older_table(tmp_path, lists, stand_in):
    ofclip = [option for option in lists if "clip-weights" not in option]
    run_all(cells_of(tmp_path, [*ofclip, "--clip-weights=random"]), stand_in)
    for cell in cells_of(tmp_path, ofclip):
        if cell.row.parsed.method == "mil":
            assert finished(cell)  # which has no texts
        else:
            with pytest.raises(UserError, match=r"was run with clip_weights random, now it is"):
                finished(cell)


def test_an_edited_list_does_not_get_into_an_older_table(cells, stand_in, lists, tmp_path):
    run_all(cells, stand_in)
    edited = tmp_path / "edited.csv"
    edited.write_text(Path(lists[0].partition("=")[2]).read_text() + "\n")
    with pytest.raises(UserError, match="was run with train_list "):
        finished(cells_of(tmp_path, [*lists, f"--train-list={edited}"])[0])


def test_other_features_under_the_same_lists_do_not_get_into_an_older_table(
    cells, stand_in, lists, tmp_path
):
    run_all(cells, stand_in)
    first = Path(Path(lists[0].partition("=")[2]).read_text().splitlines()[1].split(",")[0])
    elsewhere = [*lists, f"--feature-root={tmp_path / 'features'}"]
    (tmp_path / "features").mkdir()
    moved = tmp_path / "features" / first.name
    moved.write_bytes(first.read_bytes())
    assert finished(cells_of(tmp_path, elsewhere)[0])
    np.save(moved, np.load(first) + 1)
    with pytest.raises(UserError, match="was run with first_features "):
        finished(cells_of(tmp_path, elsewhere)[0])


@pytest.mark.parametrize("content", ["{", "[]x", "3", ""])
def test_a_damaged_note_of_a_run_is_one_line(cells, stand_in, content):
    run_all(cells, stand_in)
    (cells[0].folder / "cell.json").write_text(content)
    with pytest.raises(UserError, match=r"cell\.json cannot be read .*: remove it"):
        finished(cells[0])


def test_a_run_that_never_began_binds_nobody(cells, stand_in, lists, tmp_path):
    stand_in.with_name("do").write_text("fail")
    run_all(cells, stand_in)
    others = cells_of(tmp_path, [*lists, "--lr=1"])
    assert not finished(next(cell for cell in others if cell.seed == 2))
