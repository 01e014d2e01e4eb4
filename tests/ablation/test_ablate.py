"""ablate.py: what a grid says, what is run, resumed and survived, and the table."""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml

import ablate
from utils import PROJECT
from utils.ablation.cells import finished, lock_of, make_cells, run_cells, start
from utils.ablation.grid import read_grid
from utils.ablation.table import csv_table, markdown_table
from utils.system.errors import UserError

ROWS = {
    "title": "T",
    "dataset": "ucf",
    "metrics": ["auc1", "average_map"],
    "seeds": [1, 2, 3],
    "rows": {
        "MIL": {"options": {"method": "mil"}, "paper": {"auc1": 84.51}},
        "all, last": {"options": {"select": "last"}},
    },
}


def write(folder, grid) -> str:
    path = folder / "grid.yml"
    path.write_text(grid if isinstance(grid, str) else yaml.safe_dump(grid, sort_keys=False))
    return str(path)


# A training script that counts how often it was begun, and does what the file `do` says.
STAND_IN = """
import json, signal, sys, time
from pathlib import Path
options = dict(a.lstrip("-").split("=", 1) for a in sys.argv[1:] if "=" in a)
folder = Path(options["output-dir"])
with (folder / "begun").open("a") as file:
    file.write(("resumed" if "--resume" in sys.argv else "begun") + "\\n")
do = Path(sys.argv[0]).with_name("do").read_text()
if do == "fail" and options["seed"] == "2":
    print("error: no such thing")
    sys.exit(2)
if do == "share":  # leaves when it ran
    begun = time.time()
    time.sleep(0.5)
    (folder / "ran").write_text(json.dumps([begun, time.time()]))
if do == "wait":
    def stopped(number, _):
        (folder / "signals").write_text((folder / "signals").read_text() + str(number))
        sys.exit(128 + number)
    (folder / "signals").write_text("")
    for number in (2, 15):
        signal.signal(number, stopped)
    Path(options["checkpoint-path"]).write_text("")
    time.sleep(60)
(folder / "model.pth").write_text("")
(folder / "best.json").write_text(json.dumps({"auc1": 0.9, "average_map": None}))
"""


@pytest.fixture
def stand_in(tmp_path):
    (tmp_path / "script.py").write_text(STAND_IN)
    (tmp_path / "do").write_text("finish")
    return tmp_path / "script.py"


LISTS = ("train-list", "test-list", "gt-path", "gt-segment-path", "gt-label-path")


@pytest.fixture
def lists(small_ucf):
    return [f"--{name}={small_ucf[name]}" for name in LISTS]


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
    tell = lambda cell, _: told.append(cell)  # noqa: E731
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


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_stopped_ablation_stops_its_runs_and_resumes_them(number, stand_in, lists, tmp_path):
    """The signal goes to the whole group, as Ctrl-C does; the runs get one of their own."""
    stand_in.with_name("do").write_text("wait")
    out = tmp_path / "out"
    program = (
        "import ablate, os, signal; from pathlib import Path\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "ablate.script_of = lambda dataset: Path(os.environ['SCRIPT'])\n"
        "ablate.main()"
    )
    command = [sys.executable, "-c", program, write(tmp_path, ROWS), "--out", str(out), *lists]
    how = {"cwd": PROJECT, "env": {**os.environ, "SCRIPT": str(stand_in)}}
    process = subprocess.Popen(
        [*command, "--jobs", "2"], start_new_session=True, stdout=subprocess.PIPE, text=True, **how
    )
    first = [out / row / "seed1" for row in ("mil", "all_last")]
    while not all((folder / "checkpoint.pth").exists() for folder in first):
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, number)
    printed, _ = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert printed.endswith("stopped; the same command goes on\n")
    assert [(folder / "signals").read_text() for folder in first] == ["15", "15"]

    stand_in.with_name("do").write_text("finish")
    subprocess.run(command, check=True, **how)
    assert [(folder / "begun").read_text().split() for folder in first] == [
        ["begun", "resumed"]
    ] * 2
    assert (out / "mil" / "seed2" / "begun").read_text().split() == ["begun"]
    assert not (first[0] / "checkpoint.pth").exists()


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

        def tell(cell, _):
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
    assert begun(cells[1])
    assert not begun(cells[-1])


def test_other_options_do_not_get_into_an_older_table(cells, stand_in, lists, tmp_path):
    run_all(cells, stand_in)
    with pytest.raises(UserError, match=r"was run with lr 0\.01, now it is 1\.0: name"):
        finished(cells_of(tmp_path, [*lists, "--lr=1"])[0])
    with pytest.raises(UserError, match="was run with"):
        finished(cells_of(tmp_path, lists, "xd")[0])
    # What decides nothing may be another.
    assert finished(cells_of(tmp_path, [*lists, "--num-workers=0", "--device=cpu"])[0])


def test_an_edited_list_does_not_get_into_an_older_table(cells, stand_in, lists, tmp_path):
    run_all(cells, stand_in)
    edited = tmp_path / "edited.csv"
    edited.write_text(Path(lists[0].partition("=")[2]).read_text() + "\n")
    with pytest.raises(UserError, match="was run with train_list "):
        finished(cells_of(tmp_path, [*lists, f"--train-list={edited}"])[0])


def test_a_run_that_never_began_binds_nobody(cells, stand_in, lists, tmp_path):
    stand_in.with_name("do").write_text("fail")
    run_all(cells, stand_in)
    others = cells_of(tmp_path, [*lists, "--lr=1"])
    assert not finished(next(cell for cell in others if cell.seed == 2))


def test_the_table(tmp_path):
    grid = read_grid(write(tmp_path, ROWS), None, None, [])
    results = {("MIL", 1): {"auc1": 0.80, "average_map": None},
               ("MIL", 3): {"auc1": 0.90, "average_map": None},
               ("all, last", 2): {"auc1": 0.75, "average_map": 12.5}}  # fmt: skip
    table = markdown_table(grid, results, ["MIL, seed 2: broken"])
    lines = [[c.strip() for c in line.strip("| ").split("|")] for line in table.splitlines()]
    assert lines[0] == [
        "T, UCF-Crime",
        "AUC1 (%)",
        "paper",
        "average mAP (%)",
        "weights kept",
        "seeds",
    ]
    assert lines[2] == ["MIL", "85.00 ± 7.07", "84.51", "n/a", "best AUC1", "2 of 3"]
    assert lines[3] == ["all, last", "75.00", "", "12.50", "last epoch", "1 of 3"]
    assert "seeds 1, 2, 3" in table
    assert "- failed: MIL, seed 2: broken" in table
    assert len({len(line) for line in table.splitlines()[:4]}) == 1  # columns stand in line

    rows = list(csv.DictReader(csv_table(grid, results).splitlines()))
    assert float(rows[0]["mean"]) == pytest.approx(85)
    assert float(rows[0]["std"]) == pytest.approx(50**0.5)
    assert (rows[0]["seed2"], rows[1]["mean"], rows[0]["paper"]) == ("", "", "84.51")


def test_combinations(tmp_path):
    grid = {"dataset": "xd", "grid": {"t_w": [0.1, 0.6], "text_adapt_until": [1, 2, 3]}}
    read = read_grid(write(tmp_path, grid), None, [5], ["--lr=0.5"])
    assert len(read.rows) == 6
    assert read.rows[1].name == "t_w 0.1, text_adapt_until 2"
    parsed = read.rows[-1].parsed
    assert (parsed.t_w, parsed.text_adapt_until, parsed.lr, parsed.select_by) == (
        0.6,
        3,
        0.5,
        "ap1",
    )
    assert (read.metrics, read.seeds) == (["ap1", "average_map"], [5])


def test_published_figures_are_of_the_files_data_set_only(tmp_path):
    path = write(tmp_path, ROWS)
    assert read_grid(path, "ucf", None, []).rows[0].paper == {"auc1": 84.51}
    assert read_grid(path, "xd", None, []).rows[0].paper == {}


NO_GRIDS = {"demo_ucf.yml", "demo_xd.yml", "manual_texts.yml"}
GRIDS = sorted(p for p in (PROJECT / "configs").glob("*.yml") if p.name not in NO_GRIDS)


@pytest.mark.parametrize("path", GRIDS, ids=lambda p: p.stem)
def test_the_grids_of_the_project(path):
    for dataset, title in (("ucf", "UCF-Crime"), ("xd", "XD-Violence")):
        grid = read_grid(str(path), dataset, None, [])
        assert grid.rows
        assert grid.title.endswith(f", {title}")
        assert f"`{path.name}`" in (PROJECT / "configs" / "README.md").read_text()


@pytest.mark.parametrize(
    "grid, message",
    [
        ("rows: [", "cannot be read"),
        ("- 1", "expected either 'rows' or 'grid'"),
        ({"rows": {"a": {}}, "grid": {}}, "expected either 'rows' or 'grid'"),
        ("rows:\n  a: {}\n  a: {}\n", "'a' is there twice"),
        ({"rows": {"a": {"options": {"seed": 3}}}}, "row 'a': seed is set by ablate.py"),
        ({"rows": {"a": {"options": {"batch-size": 3, "batch_size": 4}}}}, "is there twice"),
        ({"rows": {"a": {"method": "mil"}}}, "unknown 'method'; allowed are options, paper"),
        ({"rows": {}}, "has no rows"),
        ({"grid": {}}, "has no rows"),
        ({"rows": {"a": {}}, "seed": [1]}, "unknown 'seed'"),
        ({"rows": {"a": {"option": {}}}}, "row 'a': unknown 'option'"),
        ({"rows": {"a": 3}}, "row 'a' is 3"),
        ({"rows": {"a": {}}, "dataset": "ucx"}, "dataset ucx"),
        ({"rows": {"a": {}}, "dataset": ["ucf"]}, "dataset ['ucf']"),
        ({"rows": {"a": {"paper": {"ap": 85}}}}, "paper of row 'a' ap; allowed"),
        ({"rows": {"a": {"paper": {"ap1": "x"}}}}, "row 'a': paper's ap1 is x, no number"),
        ({"rows": {"a": {}}, "metrics": ["auc"]}, "metrics auc"),
        ({"rows": {"a": {}}, "seeds": 3}, "seeds is 3, expected a list"),
        ({"rows": {"a": {}}, "seeds": [1, 1]}, "different whole numbers"),
        ({"rows": {"a": {}, "A": {}}}, "'a' and 'A' need different names"),
        ({"grid": {"t_w": 0.5}}, "grid, t_w is 0.5"),
        ({"rows": {"a": {"options": {"lr": "x"}}}}, "row 'a': argument --lr"),
        ({"rows": {"a": {"options": {"lrr": 1}}}}, "row 'a': unrecognized arguments"),
        ({"rows": {"a": {"options": {"max_epochs": 1}}}}, "did you mean --max-epoch?"),
        (
            {"rows": {"a": {"options": {"method": "vadclip", "DNP_use": True}}}},
            "row 'a': --method vadclip means --DNP-use False, not True",
        ),
    ],
)
def test_bad_grids_end_in_one_line(grid, message, tmp_path, capsys):
    path = write(tmp_path, grid)
    with pytest.raises(SystemExit) as end:
        ablate.main([path, "--out", str(tmp_path / "out")])
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert path in error
    assert message in error
    assert not (tmp_path / "out").exists()


def test_what_is_wrong_on_the_command_line_is_not_a_rows(tmp_path, capsys):
    path = write(tmp_path, ROWS)
    for tokens, message in (
        (["--job", "2"], "error: unrecognized arguments: --job 2"),
        (["--seed=3"], "error: seed is set by ablate.py"),
        (["--lr=x"], "error: argument --lr"),
        (["--seeds", "1", "1"], "error: seeds are [1, 1], expected different whole numbers"),
        (["--lr=1"], "error: ground truth list/gt_segment_ucf not found"),
    ):
        with pytest.raises(SystemExit) as end:
            ablate.main([path, "--out", str(tmp_path / "out"), *tokens])
        assert end.value.code == 2
        assert capsys.readouterr().err.startswith(message)


def test_the_real_training_script(small_ucf, tmp_path):
    grid = {**ROWS, "seeds": [1, 2], "rows": {"MIL": ROWS["rows"]["MIL"], "bad": {}}}
    grid["rows"]["bad"] = {"options": {"feature-root": "nowhere", "method": "mil"}}
    options = [f"--{name}={value}" for name, value in {**small_ucf, "max-epoch": 1}.items()]
    command = [sys.executable, "ablate.py", write(tmp_path, grid), "--out", str(tmp_path / "out")]
    done = subprocess.run(
        [*command, "--drop-weights", *options], cwd=PROJECT, capture_output=True, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "[1/4] MIL, seed 1: AUC1 " in done.stdout
    assert "failed: bad, seed 1: error: " in done.stdout
    assert "not found under --feature-root nowhere" in done.stdout
    best = json.loads((tmp_path / "out" / "mil" / "seed1" / "best.json").read_text())
    assert f"{100 * best['auc1']:.2f}" in done.stdout
    assert "2 of 2" in (tmp_path / "out" / "table.md").read_text()
    assert (tmp_path / "out" / "table.csv").is_file()
