"""Commands that serve both data sets: `python -m utils.<command> {ucf,xd} [options]`."""

import argparse

import ucf_option
import xd_option
from utils.labels import UCF_CRIME, XD_VIOLENCE, Dataset
from utils.system.command import OneLineParser

DATASETS = {"ucf": (ucf_option.parser, UCF_CRIME), "xd": (xd_option.parser, XD_VIOLENCE)}


def parse(
    argv: list[str] | None, description: str, prog: str | None = None
) -> tuple[argparse.Namespace, Dataset]:
    """The data set's options, and its facts. `prog` is what `--help` calls the command."""
    chooser = OneLineParser(prog=prog, description=description)
    chooser.add_argument("dataset", choices=DATASETS)
    chooser.add_argument("options", nargs=argparse.REMAINDER, help="those of ucf_train.py or "
        "xd_train.py; 'ucf --help' shows them")  # fmt: skip
    chosen = chooser.parse_args(argv)
    parser, facts = DATASETS[chosen.dataset]
    return parser.parse_args(chosen.options), facts
