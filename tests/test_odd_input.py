"""Input that looks odd and is fine: the results are the same."""

import json

import numpy as np
import pytest

from helpers.spoiling import COMMANDS, World, array, lines

METRICS = ("auc1", "ap1", "auc2", "ap2", "ano_auc", "map", "per_class_ap")

ODD_BUT_FINE = {
    "CRLF": lines(lambda rows: rows, end="\r\n"),
    "a byte-order mark": lines(lambda rows: rows, encoding="utf-8-sig"),
    "quoted": lines(lambda rows: [rows[0], *('"' + r.replace(",", '","') + '"' for r in rows[1:])]),
    "labels in odd case": lines(lambda rows: [rows[0], *(swapped(row) for row in rows[1:])]),
    "blank lines": lines(lambda rows: [rows[0], "", *rows[1:], "", ""]),
    "big-endian": array(lambda a: a.astype(">f4")),
    "Fortran order": array(np.asfortranarray),
    "double precision": array(lambda a: a.astype("f8")),
}


def swapped(row: str) -> str:
    path, label = row.rsplit(",", 1)
    return f"{path},{label.swapcase()}"


@pytest.mark.parametrize("world", ["ucf_test"], indirect=True)
def test_odd_input_that_is_fine(world, bases, tmp_path_factory):
    COMMANDS["ucf_test"](world, {})
    expected = json.loads((world.out / "results.json").read_text())
    for what, change in ODD_BUT_FINE.items():
        odd = World(bases["ucf"], "ucf", tmp_path_factory.mktemp("odd"))
        change(odd)
        COMMANDS["ucf_test"](odd, {})
        found = json.loads((odd.out / "results.json").read_text())
        assert [found[k] for k in METRICS] == [expected[k] for k in METRICS], what


@pytest.mark.parametrize("world", ["ucf_test"], indirect=True)
def test_a_path_with_a_comma(world):
    path = world.feature()
    folder = path.parent / "one, two"
    folder.mkdir()
    path.rename(folder / path.name)
    first, _, *rest = world.lines()
    world.rewrite([first, f'"{folder / path.name}",Abuse', *rest])
    COMMANDS["ucf_test"](world, {})
    assert (world.out / "results.json").is_file()
