"""Train on each data set, or take weights of it, and test on all: one table.

    python -m utils.across ucf xd --weights ucf=model/model_ucf.pth \\
        xd=model/model_xd.pth --out runs/across
    python -m utils.across ucf xd falls.yml --out runs/across \\
        --config ucf=configs/demo_ucf.yml xd=configs/demo_xd.yml

A data set is ucf, xd or FILE.yml. It is trained on unless --weights has some
of it; the same command goes on where it was stopped. Options of the training
script may follow and hold for all. mAP is over the classes that all data sets
have, matched by their texts and configs/same_classes.yml.

<out>/<name>/            the training run, and its weights
<out>/<name>_on_<name>/  a test: results.json and predictions.npz
<out>/table.md, .csv     rows: trained on; columns: tested on
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from utils import PROJECT
from utils.ablation.cells import Cell, finished, identity, run_cells
from utils.ablation.grid import Variant
from utils.both_datasets import DATASETS, recipe_of
from utils.evaluation.across import TransferTable, read_same
from utils.labels import Dataset, dataset_of
from utils.network.backbone import RANDOM
from utils.options.parser import as_arguments
from utils.runs.made_with import MAY_DIFFER_IN_TEST, OF_WEIGHTS
from utils.system.command import OneLineParser, command, module_parser
from utils.system.console import dashed, say
from utils.system.errors import UserError
from utils.system.files import require_writable, write_text

PER_DATASET_OPTIONS = ("weights", "config", "feature_root")  # given as NAME=VALUE


class Place(NamedTuple):
    """A data set of the table.

    Attributes:
        facts: of it.
        recipe: whose scripts, `ucf` or `xd`.
        options: of these.
        parsed: what the training script makes of them.
    """

    facts: Dataset
    recipe: str
    options: list[str]
    parsed: argparse.Namespace

    @property
    def name(self) -> str:
        return self.facts.name


def make_parser() -> OneLineParser:
    parser = module_parser("across", __doc__)
    add = parser.add_argument
    add("datasets", nargs="+", metavar="DATASET", help="ucf, xd or FILE.yml, two or more")
    add("--weights", nargs="+", default=[], metavar="NAME=FILE", help="weights of a data set")
    add("--config", nargs="+", default=[], metavar="NAME=FILE.yml", help="its option file")
    add("--feature-root", nargs="+", default=[], metavar="NAME=DIR", help="its features")
    add("--out", type=Path, required=True, metavar="DIR", help="folder of runs and table")
    return parser


@command
def main(argv=None):
    own, options = make_parser().parse_known_args(argv)
    given = {option: by_name(getattr(own, option), option) for option in PER_DATASET_OPTIONS}
    places = [place_of(text, given, options) for text in own.datasets]
    names = [place.name for place in places]
    if len({*names}) < 2 or len({*names}) < len(names):
        raise UserError(f"the data sets are {', '.join(names)}: name two or more different ones")
    for option, of_names in given.items():
        if odd := [name for name in of_names if name not in names]:
            raise UserError(f"{dashed(option)} {odd[0]}=…: there are {', '.join(names)}")
    for name, file in given["weights"].items():
        if not Path(file).is_file():
            raise UserError(f"--weights {name}={file}: not found")
    same = read_same()
    require_writable(own.out / "table.md")

    weights = {p.name: given["weights"].get(p.name) or trained(p, own.out) for p in places}
    results = {
        (name, place.name): tested(file, name, place, own.out)
        for name, file in weights.items()
        for place in places
    }
    table = TransferTable([place.facts for place in places], results, same)
    notes = weights_notes(places, given["weights"])
    texts = {"md": "\n".join([table.markdown(), *notes, ""]), "csv": table.csv()}
    for kind, text in texts.items():
        write_text(own.out / f"table.{kind}", text)
    say("", texts["md"], f"also in {own.out / 'table.md'} and table.csv")


def by_name(given: list[str], option: str) -> dict[str, str]:
    """`NAME=PATH` of an option.

    Raises:
        UserError: it is something else.
    """
    pairs = dict(text.partition("=")[::2] for text in given)
    if not all(pairs.values()) or not all(pairs):
        raise UserError(f"{dashed(option)} {' '.join(given)}: expected NAME=PATH")
    return pairs


def weights_notes(places: list[Place], given: dict[str, str]) -> list[str]:
    """What must be known of the weights that were trained here."""
    notes = []
    for place in places:
        parsed = place.parsed
        if place.name not in given and parsed.select == "best" and parsed.select_on == "test":
            notes.append(
                f"- trained on {place.facts.title}: the weights are the best on its test set, as "
                "in the official code (--select last, --validation 0.1)"
            )
        if parsed.clip_weights == RANDOM:
            notes.append(f"- {place.facts.title}: CLIP's text weights are random: no results")
    return notes


def place_of(text: str, given: dict[str, dict[str, str]], options: list[str]) -> Place:
    """A data set with its options.

    Args:
        text: `ucf`, `xd` or a file.
        given: paths by option and name.
        options: further ones, of all data sets.

    Raises:
        UserError: they cannot be.
    """
    recipe, own = recipe_of(text)
    parser, usual = DATASETS[recipe]
    name = dataset_of(parser.read(own), usual).name
    for option in ("config", "feature_root"):
        if name in given[option]:
            own.append(f"{dashed(option)}={given[option][name]}")
    options = [*own, *options]
    parsed = parser.read(options)
    facts = dataset_of(parsed, usual)
    if name not in given["weights"]:
        facts.left_out(parsed)  # before hours of training on the others
    return Place(facts, recipe, options, parsed)


def trained(place: Place, out: Path) -> str:
    """Weights of a training run, begun or gone on with where it is not finished.

    Raises:
        UserError: it failed.
    """
    folder = out / place.name
    row = Variant(f"training on {place.facts.title}", place.name, {}, {}, place.parsed)
    files = {
        "output-dir": folder,
        "model-path": folder / "model.pth",
        "checkpoint-path": folder / "checkpoint.pth",
    }
    arguments = [*place.options, *as_arguments(files)]
    seed = place.parsed.seed
    cell = Cell(row, seed, folder, arguments, {"seed": seed} | identity(row, place.recipe))
    if not finished(cell):
        say(f"{row.name} …")
        script = PROJECT / f"{place.recipe}_train.py"
        failures = run_cells(
            [cell], script, 1, True, lambda cell, s, left: say(f"{row.name}: {s:.0f} s")
        )
        if failures:
            raise UserError(failures[0])
    return str(files["model-path"])


def tested(weights: str, trained_on: str, place: Place, out: Path) -> dict:
    """Metrics of weights on a data set. Options of the network are theirs.

    Raises:
        UserError: the test failed.
    """
    folder = out / f"{trained_on}_on_{place.name}"
    files = {"model-path": weights, "output-dir": folder, "predictions": folder / "predictions.npz"}
    script = PROJECT / f"{place.recipe}_test.py"
    theirs = {*OF_WEIGHTS, "crops", "config"} - {*MAY_DIFFER_IN_TEST}
    if place.name != trained_on:
        theirs.add("leave_out")
    if place.facts.is_own and not place.facts.gt:
        theirs |= {"gt_path", "gt_segment_path", "gt_label_path"}
    options = {n: getattr(place.parsed, n) for n in place.parsed.given if n not in theirs}
    test = [sys.executable, script, *as_arguments(options | files)]
    ended = subprocess.run(test, capture_output=True, text=True, errors="replace", check=False)
    if ended.returncode:
        said = (ended.stderr.strip() or "it said nothing").splitlines()[-1]
        raise UserError(f"{trained_on} on {place.name}: {said} (exit code {ended.returncode})")
    say(f"{trained_on} on {place.name}: tested")
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
