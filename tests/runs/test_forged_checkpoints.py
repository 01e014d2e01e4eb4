"""Checkpoints in which one value is another: a run goes on or ends with one line, never with a
traceback."""

import copy
import math

import pytest
import torch

from helpers.memory import give_back
from helpers.runs import stop_at
from helpers.scripts import SCRIPTS, make_data, run
from utils.system.untrusted import load_tensors

TRAIN = SCRIPTS["ucf"].train
VALUES = (
    None, True, -1, 10**30, 0.5, math.nan, "x", [], {}, [1, "x"], {"x": 1},
    torch.zeros(2, 3), torch.tensor(math.nan), torch.zeros(1, dtype=torch.complex64),
)  # fmt: skip
LARGE = ("state", "model_state_dict", "best_weights", "options", "made_with")  # alike within


def stopped(folder, options):
    """A checkpoint of a run that was stopped before its end, with an evaluation behind it."""
    assert stop_at((0, 2), 15, TRAIN, folder, options) == 143
    return load_tensors(folder / "checkpoint.pth")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Options of a run of little work, and what its checkpoint holds."""
    folder = tmp_path_factory.mktemp("small")
    options = make_data(folder, "ucf", train_videos=3, test_videos=4)
    options |= {"batch-size": 2, "method": "mil", "max-epoch": 1, "eval-every": 2, "log-every": 5}
    options |= {"checkpoint-every": 0, "bootstrap": 0}
    return options, stopped(folder / "run", options)


def places(value, depth=4):
    """Paths of all values that stand in one; of many alike, the first and the last."""
    if depth and isinstance(value, dict | list | tuple) and len(value):
        keys = [*value] if isinstance(value, dict) else [*range(len(value))]
        if len(keys) > 40:
            keys = [keys[0], keys[-1]]
        for key in keys:
            yield (key,)
            few = 1 if key in LARGE else depth - 1
            yield from ((key, *rest) for rest in places(value[key], few))


def changed(value, path, new):
    """A copy with another value at this path; without it, if the new one is `KeyError`."""
    if not path:
        return new
    key, *rest = path
    entries = copy.copy(value) if not isinstance(value, tuple) else list(value)
    if new is KeyError and not rest:
        entries.pop(key)
    else:
        entries[key] = changed(value[key], rest, new)
    return tuple(entries) if isinstance(value, tuple) else entries


def resume(folder, options, kept, capfd) -> str:
    """The error that it ends with, or nothing."""
    torch.save(kept, folder / "checkpoint.pth")
    capfd.readouterr()
    try:
        run(TRAIN, folder, {**options, "use-checkpoint": True})
        return ""
    except SystemExit as end:
        assert end.code == 2
        lines = capfd.readouterr().err.splitlines()
        (error,) = (line for line in lines if line.startswith("error"))
        return error
    finally:
        give_back()


@pytest.mark.parametrize(
    "path, new, said",
    [
        (("epoch",), None, "epoch"),
        (("step",), {}, "step"),
        (("step",), 6, "step"),
        (("log_lines",), math.nan, "log_lines"),
        (("pending",), [torch.zeros(7)], "pending"),
        (("pending",), [torch.zeros(4)] * 5, "more than there were steps"),
        (("best_metrics", "auc1"), "high", "best_metrics.auc1"),
        (("best_metrics",), [1], "best_metrics"),
        (("best_metrics", "video_auc"), torch.ones(1), "Tensor"),
        (("best_weights",), {}, "best_weights"),
        (("optimizer_state_dict", "parts", 0, "param_groups", 0, "lr"), "x", "lr"),
        (("optimizer_state_dict", "parts", 0, "state", 0, "sum"), torch.zeros(3), "parameter 0"),
        (("optimizer_state_dict", "parts", 0, "state", 0, "sum"), KeyError, "sum"),
        (("random_states", "numpy", 1), [2**40] * 624, "too large"),
        (("random_states", "torch"), torch.zeros(3), "torch"),
    ],
)
def test_one_value_is_another(small, tmp_path, capfd, path, new, said):
    options, kept = small
    error = resume(tmp_path, options, changed(kept, path, new), capfd)
    assert (
        f"{tmp_path / 'checkpoint.pth'} is not a training checkpoint of this version (at" in error
    )
    assert said in error
    assert not (tmp_path / "log.jsonl").exists()


def test_the_unchanged_one_is_resumed(small, tmp_path, capfd):
    options, kept = small
    assert resume(tmp_path, options, kept, capfd) == ""


@pytest.mark.slow
def test_any_value_is_any_other(small, tmp_path, capfd):
    options, kept = small
    ended = 0
    for i, path in enumerate(places(kept)):
        for new in (KeyError, VALUES[i % len(VALUES)], VALUES[(7 * i + 3) % len(VALUES)]):
            forged = changed(kept, path, new)
            try:
                ended += bool(resume(tmp_path, options, forged, capfd))
            except Exception as error:
                raise AssertionError(f"{path} as {new}") from error
    assert ended > 100
