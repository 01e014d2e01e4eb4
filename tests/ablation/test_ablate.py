"""ablate.py as a command: bad grids, being stopped, and the real training script."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

import ablate
from helpers.grids import ROWS, write
from utils import PROJECT
from utils.options.parser import as_arguments


@pytest.mark.parametrize(
    "grid, message",
    [
        ("rows: [", "cannot be read"),
        ("- 1", "expected either 'rows' or 'grid'"),
        ({"rows": {"a": {}}, "grid": {}}, "expected either 'rows' or 'grid'"),
        ("rows:\n  a: {}\n  a: {}\n", "'a' appears twice"),
        ({"rows": {"a": {"options": {"seed": 3}}}}, "row 'a': seed is set by ablate.py"),
        ({"rows": {"a": {"options": {"batch-size": 3, "batch_size": 4}}}}, "appears twice"),
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
        ({"grid": {"t_w": 0.5}}, "grid, t_w is 0.5"),
        ({"grid": {"t_w": [0.5, 0.50]}}, "two rows are called 't_w 0.5'"),
        ({"rows": {1: {}, "1": {}}}, "two rows are called '1'"),
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


@pytest.mark.slow
def test_the_real_training_script(small_ucf, tmp_path):
    grid = {**ROWS, "seeds": [1, 2], "rows": {"MIL": ROWS["rows"]["MIL"], "bad": {}}}
    grid["rows"]["bad"] = {"options": {"feature-root": "nowhere", "method": "mil"}}
    options = as_arguments({**small_ucf, "max-epoch": 1})
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
