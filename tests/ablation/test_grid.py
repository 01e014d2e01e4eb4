"""Grid files: the rows that they make."""

import re

import pytest

from helpers.grids import ROWS, write
from utils import PROJECT
from utils.ablation.grid import read_grid
from utils.system.errors import UserError


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


NO_GRIDS = {"demo_ucf.yml", "demo_xd.yml", "manual_texts.yml", "rich_texts.yml", "same_classes.yml"}
GRIDS = sorted(p for p in (PROJECT / "configs").glob("*.yml") if p.name not in NO_GRIDS)


@pytest.mark.parametrize("path", GRIDS, ids=lambda p: p.stem)
def test_the_grids_of_the_project(path):
    for dataset, title, out in (("ucf", "UCF-Crime", "Arson"), ("xd", "XD-Violence", "G")):
        options = ["--leave-out", out] if path.name == "open_world.yml" else []
        grid = read_grid(str(path), dataset, None, options)
        assert grid.rows
        assert grid.title.endswith(f", {title}")
        assert f"`{path.name}`" in (PROJECT / "configs" / "README.md").read_text()


@pytest.mark.parametrize("options, problem", [
    ([], r"^grid .*open_world.yml: seen_auc1 needs classes .*: say --leave-out CLASS"),
    (["--leave-out", "B2"], r"open_world.yml: row 'adapter': --leave-out B2: UCF-Crime has no"),
])  # fmt: skip
def test_the_open_world_needs_classes_that_are_left_out(options, problem):
    with pytest.raises(UserError, match=problem):
        read_grid(str(PROJECT / "configs" / "open_world.yml"), "ucf", None, options)


@pytest.mark.parametrize("common, own", [({"method": "rtfm"}, {}), ({}, {"method": "rtfm"})])
def test_the_command_line_may_have_what_rows_need(common, own, tmp_path):
    path = write(tmp_path, {"options": common, "rows": {"a": {"options": own}}})
    assert read_grid(path, None, None, ["--crops=10"]).rows[0].parsed.crops == 10


def test_what_is_wrong_on_the_command_line_is_not_a_rows(tmp_path):
    path = write(tmp_path, {"rows": {"a": {"options": {"crops": 10}}}})
    with pytest.raises(UserError, match=r"^argument --lr: "):
        read_grid(path, None, None, ["--lr=x"])
    path = write(tmp_path, {"options": {"method": "rtfm"}, "rows": {"a": {"options": {"lrr": 1}}}})
    with pytest.raises(UserError, match=r"row 'a': unrecognized arguments: --lrr=1"):
        read_grid(path, None, None, ["--crops=10"])


def test_rows_with_names_of_the_same_letters_have_folders_of_their_own(tmp_path, lists):
    names = ["A+", "A-", "方法一", "方法二", "λ = 0.1", "β = 0.1", "MIL"]
    grid = read_grid(write(tmp_path, {"rows": {name: {} for name in names}}), None, None, lists)
    slugs = [row.slug for row in grid.rows]
    assert len({*slugs}) == len(names)
    assert slugs[2:] == ["方法一", "方法二", "λ_0.1", "β_0.1", "mil"]
    assert slugs[0] == "a"  # as it was called before the other row came
    assert re.fullmatch("a_[0-9a-f]{6}", slugs[1])


def test_long_names_make_folders(tmp_path, lists):
    grid = read_grid(write(tmp_path, {"rows": {"方" * 200: {}}}), None, None, lists)
    (tmp_path / grid.rows[0].slug).mkdir()
