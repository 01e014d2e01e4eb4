"""The scripts of both data sets on data of a few videos."""

from types import SimpleNamespace

import pytest

import ucf_test
import ucf_train
import xd_test
import xd_train
from helpers.memory import give_back
from utils.demo_data import generate
from utils.labels import UCF_CRIME, XD_VIOLENCE
from utils.options.parser import as_arguments

# A small model: the same code, fewer blocks and short clips.
SMALL = ["--clip-weights", "random", "--visual-length", "32", "--decoder_depth", "2"]

SCRIPTS = {
    "ucf": SimpleNamespace(
        train=ucf_train.main, test=ucf_test.main, facts=UCF_CRIME, suffix="_ucf"
    ),
    "xd": SimpleNamespace(train=xd_train.main, test=xd_test.main, facts=XD_VIOLENCE, suffix=""),
}


def make_data(folder, name, **sizes):
    """A demo data set and the options that name it."""
    facts, suffix = SCRIPTS[name].facts, SCRIPTS[name].suffix
    generate(facts, folder, **sizes)
    lists = folder / "list"
    return {
        "train-list": str(lists / facts.train_list),
        "test-list": str(lists / facts.test_list),
        "gt-path": str(lists / facts.gt),
        "gt-segment-path": str(lists / f"gt_segment{suffix}.json"),
        "gt-label-path": str(lists / f"gt_label{suffix}.json"),
        "clip-weights": "random",
        "device": "cpu",
        "num-workers": 0,
        "visual-length": 32,
        "decoder_depth": 1,
        "visual-layers": 1,
        "batch-size": 4,
        "max-epoch": 2,
        "log-every": 2,
    }


def options_of(folder, options) -> list[str]:
    """Arguments of a script, its files in `folder`."""
    places = {
        "output-dir": folder,
        "model-path": folder / "model.pth",
        "checkpoint-path": folder / "checkpoint.pth",
    }
    return as_arguments({**options, **places})


def run(main, folder, options, **more):
    """Run a script with its files in `folder`."""
    main(options_of(folder, {**options, **{k.replace("_", "-"): v for k, v in more.items()}}))


def exit_code(main, *arguments) -> int:
    """Of a command that ends before its time. An exception holds the frames it went through, with
    models and data in them, and they hold it: a collection gives back 0.3 GB."""
    with pytest.raises(SystemExit) as end:
        main(*arguments)
    code = end.value.code
    del end
    give_back()
    return code


def one_error(main, capsys, *arguments, notes: bool = True) -> str:
    """The one line of a command that ends with exit code 2; there may be notes beside it."""
    capsys.readouterr()
    assert exit_code(main, *arguments) == 2
    said = [s for s in capsys.readouterr().err.splitlines() if "weights are RANDOM" not in s]
    said = [s for s in said if not (notes and s.startswith("note: "))]
    assert len(said) == 1, said
    assert said[0].startswith(("error: ", "failed: ") if notes else "error: "), said
    return said[0]


def drop_checkpoints(folder) -> None:
    """Of a run that nothing will resume: they are large."""
    for path in folder.glob("checkpoint*.pth"):
        path.unlink()
