"""Commands that serve both data sets: `python -m utils.<command> {ucf,xd} [options]`."""

import argparse
import sys

import ucf_option
import xd_option
from utils.labels import UCF_CRIME, XD_VIOLENCE, Dataset, dataset_of
from utils.system.command import module_parser

DATASETS = {"ucf": (ucf_option.parser, UCF_CRIME), "xd": (xd_option.parser, XD_VIOLENCE)}


def recipe_of(dataset: str) -> tuple[str, list[str]]:
    """`ucf`, `xd`, or a file that describes another data set -> whose parser reads its options, and
    the options that name it."""
    return (dataset, []) if dataset in DATASETS else ("ucf", [f"--dataset={dataset}"])


def arguments_of(dataset: str, options: list[str]) -> tuple[argparse.Namespace, Dataset]:
    """Options, and the facts of the data set that they or `dataset`, see `recipe_of`, name."""
    recipe, named = recipe_of(dataset)
    parser, facts = DATASETS[recipe]
    args = parser.parse_args([*named, *options])
    return args, dataset_of(args, facts)


def with_recipe(argv: list[str] | None, before: tuple[str, ...] = ()) -> list[str]:
    """The arguments of a command, with `ucf` where they name a data set of one's own by --dataset
    alone: most commands read it alike by either recipe.

    Args:
        argv: the arguments (default: the command line's).
        before: what may stand before the recipe, which otherwise comes first.
    """
    argv = sys.argv[1:] if argv is None else argv
    named = any(text.partition("=")[0] == "--dataset" for text in argv)
    if not named or DATASETS.keys() & {*argv}:
        return argv
    # Not argparse's nargs="?": that would take the value of an option it does not know.
    place = 1 + next((i for i, text in enumerate(argv) if text in before), -1)
    return [*argv[:place], "ucf", *argv[place:]]


def parse(
    argv: list[str] | None, name: str, description: str
) -> tuple[argparse.Namespace, Dataset]:
    """The data set's options and facts, or those of `--dataset`, of `python -m utils.<name>`."""
    chooser = module_parser(name, description)
    chooser.add_argument("dataset", choices=DATASETS)
    chooser.add_argument("options", nargs=argparse.REMAINDER, help="those of ucf_train.py or "
        "xd_train.py; 'ucf --help' shows them")  # fmt: skip
    chosen = chooser.parse_args(with_recipe(argv))
    return arguments_of(chosen.dataset, chosen.options)
