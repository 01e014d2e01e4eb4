"""Nothing imports upwards: neither a room of `utils/`, nor what lies flat in it, nor the method's
own files. Tests import from `helpers`, never from one another."""

import ast
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

import pytest

from utils import PROJECT

BELOW = {  # a room may import these and itself
    "system": set(),
    "network": {"system"},
    "datasets": {"system", "network", "labels", "row_time", "data_set_file"},
    "options": {"system", "network", "labels", "metric_names"},
    "videos": {"system", "network", "datasets"},
    "evaluation": {
        "system", "datasets", "labels", "metric_names", "detection_map", "event_defaults",
        "row_time",
    },
    "runs": {
        "system", "network", "datasets", "options", "evaluation", "labels", "metric_names",
        "engine", "optim", "plan", "checkpoint", "check_data", "both_datasets",
    },
    "figures": {
        "system", "datasets", "options", "evaluation", "labels", "metric_names", "detection_map",
        "engine", "both_datasets",
    },
    "events": {
        "system", "network", "datasets", "videos", "evaluation", "figures", "labels",
        "metric_names", "engine", "detection_map", "find_events", "event_defaults", "row_time",
    },
    "ablation": {
        "system", "options", "runs", "both_datasets", "metric_names", "checkpoint", "labels",
    },
}  # fmt: skip
BELOW_THE_METHOD = ("system", "network", "datasets", "options", "videos")
ABOVE_THE_SPINE = {"runs", "figures", "events", "ablation"}
SPINE = (
    "row_time", "data_set_file", "labels", "metric_names", "engine", "optim", "plan",
    "detection_map", "find_events", "checkpoint",
)  # fmt: skip
METHOD = (
    "model", "sgnm", "dcsa", "losses", "clip_text_adapter", "text_prompt", "mil", "rtfm",
    "clip_tsa",
)  # fmt: skip
METHOD_BELOW = {"utils.system", "utils.network", "utils.datasets.class_texts", "utils.labels"}


@cache
def imported(path: Path) -> list[str]:
    """What a file imports, anywhere in it: modules, and `module.name` for names."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}, line {node.lineno}: a relative import"
            found += [f"{node.module}.{name.name}" for name in node.names]
    return found


def parts_of_utils(path: Path) -> set[str]:
    """Rooms and flat modules of `utils/` that a file imports."""
    split = [name.split(".") for name in imported(path)]
    return {names[1] for names in split if names[0] == "utils" and len(names) > 1} - {"PROJECT"}


def is_below(name: str, allowed: set[str]) -> bool:
    """Whether a module is one of these, or lies in one."""
    return any(f"{name}.".startswith(f"{module}.") for module in allowed)


def files_of(room: str) -> list[Path]:
    return sorted((PROJECT / "utils" / room).rglob("*.py"))


def test_every_room_has_its_rule():
    assert BELOW.keys() == {path.parent.name for path in PROJECT.glob("utils/*/__init__.py")}


@pytest.mark.parametrize("room", BELOW)
def test_a_room_imports_from_below_alone(room):
    assert files_of(room)
    wrong = {
        str(path.relative_to(PROJECT)): above
        for path in files_of(room)
        if (above := parts_of_utils(path) - BELOW[room] - {room})
    }
    assert not wrong


def test_no_room_goes_round_in_a_circle():
    graph = {room: set().union(*map(parts_of_utils, files_of(room))) - {room} for room in BELOW}
    for path in PROJECT.glob("utils/*.py"):
        graph[path.stem] = parts_of_utils(path)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        arrows = {
            f"{path.relative_to(PROJECT)} imports {below}"
            for above, below in pairwise(reversed(error.args[1]))
            for path in [*files_of(above), PROJECT / "utils" / f"{above}.py"]
            if path.exists() and below in parts_of_utils(path)
        }
        pytest.fail(f"{circle}: {sorted(arrows)}")


@pytest.mark.parametrize("module", SPINE)
def test_the_spine_imports_no_room_above_it(module):
    assert not parts_of_utils(PROJECT / "utils" / f"{module}.py") & ABOVE_THE_SPINE


def test_nothing_imports_torchvision():
    """OpenAI's package does: of it, files are read and nothing is imported."""
    for path in [*PROJECT.glob("*.py"), *PROJECT.glob("utils/**/*.py")]:
        assert not {name.split(".")[0] for name in imported(path)} & {"clip", "torchvision"}, path


def test_metrics_are_named_without_pytorch():
    names = imported(PROJECT / "utils" / "metric_names.py")
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


def ours(path: Path) -> list[str]:
    """Of what a file imports, what is no library."""
    own = {path.stem for path in PROJECT.glob("*.py")} | {"utils", "benchmarks", "tests"}
    return [name for name in imported(path) if name.split(".")[0] in own]


@pytest.mark.parametrize("room", BELOW_THE_METHOD)
def test_what_lies_below_the_method_does_not_import_it(room):
    for path in files_of(room):
        assert all(name.startswith("utils.") for name in ours(path)), path


@pytest.mark.parametrize("module", METHOD)
def test_the_method_stands_on_little(module):
    below = METHOD_BELOW | set(METHOD)
    wrong = [name for name in ours(PROJECT / f"{module}.py") if not is_below(name, below)]
    assert not wrong


def test_tests_do_not_import_one_another():
    for path in (PROJECT / "tests").rglob("*.py"):
        for name in imported(path):
            assert not name.startswith(("test_", "conftest", "tests")), path
