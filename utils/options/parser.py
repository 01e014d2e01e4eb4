"""The parser of all options.

Names may be spelled with hyphens or underscores; `--config FILE.yml` gives values by name, below
the command line in precedence; `--method` and `--dataset` change the defaults of other options.
"""

import argparse
import difflib
import sys

from utils.options.clip import check_width, clip_options
from utils.options.datasets import check_selection, check_truth, defaults_of, settle_adapting
from utils.options.help import Formatter
from utils.options.methods import check_file, check_method, method_of
from utils.system.command import OneLineParser
from utils.system.console import have_streams, say
from utils.system.errors import UserError
from utils.system.yaml_files import read_yaml

NOT_IN_FILES = ("--config", "--help", "--help-all")
NEAR_MISS = 0.7  # of difflib: --epochs is one of --max-epoch, --gpu is none


def as_arguments(options: dict) -> list[str]:
    """Options by name as they would stand on a command line; None stands for the default."""
    arguments = []
    for name, value in options.items():
        if isinstance(value, list):
            arguments += [f"--{name}", *map(str, value)]
        elif value is not None:
            arguments.append(f"--{name}={value}")
    return arguments


class OptionParser(OneLineParser):
    """argparse with both spellings of every option, `--config`, defaults that depend on `--method`,
    help in two steps, and errors of one line.

    Options are defined with hyphens. A parser remembers nothing from one use to the next.

    Args:
        description: what help says first.
        methods: for each method, the defaults by destination that are its own.
    """

    def __init__(self, description: str, methods: dict[str, dict]):
        super().__init__(
            usage="%(prog)s [options]",
            description=description,
            epilog="--help-all shows all options",
            formatter_class=Formatter,
            allow_abbrev=False,
            exit_on_error=False,
        )
        self.methods = methods
        self.details: list[argparse.Action] = []  # which --help-all shows alone
        self.add_argument("--help-all", action="help", help="show all options and exit")
        self.add_argument("--config", metavar="FILE.yml", help="file of options, one 'name: value' "
            "a line; the command line wins")  # fmt: skip

    def add_section(self, title: str):
        """Two functions like `add_argument`, for options that help shows under this title: always,
        or with `--help-all` alone."""
        add = self.add_argument_group(title).add_argument
        return add, lambda *names, **how: self.details.append(add(*names, **how))

    def format_help(self, full: bool = False) -> str:
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, [])
        formatter.add_text(self.description)
        for group in self._action_groups:
            formatter.start_section(group.title)
            formatter.add_arguments(
                action for action in group._group_actions if full or action not in self.details
            )
            formatter.end_section()
        formatter.add_text(None if full else self.epilog)
        return formatter.format_help()

    def answer_help(self, argv: list[str] | None = None) -> None:
        """Print help and leave with exit code 0, if it is asked for. Scripts call this before they
        import PyTorch, which takes seconds.

        Args:
            argv: arguments (default: the command line's).
        """
        have_streams()
        tokens = {self._spelled(token) for token in (sys.argv[1:] if argv is None else argv)}
        if tokens & {"-h", "--help", "--help-all"}:
            say(self.format_help(full="--help-all" in tokens).rstrip())
            self.exit()

    def parse_args(self, args=None, namespace=None) -> argparse.Namespace:
        try:
            return self.read(args, namespace)
        except UserError as error:
            self.error(str(error))

    def parse_known_args(self, args=None, namespace=None):
        try:
            return self._read_known(args, namespace)
        except UserError as error:
            self.error(str(error))

    def read(self, args: list[str] | None = None, namespace=None) -> argparse.Namespace:
        """`parse_args` that raises where that leaves.

        Raises:
            UserError: what is wrong, and in which config file.
        """
        parsed, rest = self._read_known(args, namespace)
        if rest:
            name = next((token for token in rest if token.startswith("-")), rest[0])
            meant = self._near_miss(name.partition("=")[0])
            hint = f"; did you mean {meant}?" if meant else ""
            raise UserError(f"unrecognized arguments: {' '.join(rest)}{hint}")
        return parsed

    def _read_known(self, args, namespace) -> tuple[argparse.Namespace, list[str]]:
        """First what is said, in the file and on the command line: it tells the method and the data
        set. Then their defaults go below it. `given` names what was said."""
        arguments = sys.argv[1:] if args is None else args
        self.answer_help(arguments)
        line, rest = self._said(arguments)
        file = self._said_in(line["config"]) if line.get("config") else {}
        defaults = {a.dest: a.default for a in self._actions if a.default != argparse.SUPPRESS}
        method = method_of(defaults | file | line)
        own, said = self.methods[method], file | line
        if said.get("dataset"):
            own = own | defaults_of(said["dataset"], method)
        settled = {"method": method, "given": tuple(sorted(said))} | clip_options(line, file)
        values = defaults | own | said | settled
        parsed = argparse.Namespace(**values | vars(namespace or argparse.Namespace()))
        check_file(parsed, file, own)
        check_method(parsed)
        check_width(parsed)
        check_truth(parsed, line)
        check_selection(parsed)
        settle_adapting(parsed)
        return parsed, rest

    def _said(self, arguments: list[str]) -> tuple[dict, list[str]]:
        """Options that are given, by destination, without any default; and the rest."""
        unsaid = argparse.Namespace(**{action.dest: None for action in self._actions})
        try:
            parsed, rest = super().parse_known_args(map(self._spelled, arguments), unsaid)
        except argparse.ArgumentError as error:
            raise UserError(str(error)) from None
        return {name: value for name, value in vars(parsed).items() if value is not None}, rest

    def _said_in(self, path: str) -> dict:
        """Options that a config file gives, by destination."""
        options = read_yaml(path, "") or {}
        if not isinstance(options, dict):
            raise UserError(f"{path}: expected lines of the form 'option: value'")
        for name in options:
            if self._spelled(f"--{name}") not in self._option_string_actions.keys() - NOT_IN_FILES:
                meant = self._near_miss(f"--{name}").removeprefix("--")
                hint = f"did you mean {meant}?" if meant else "--help-all lists the options"
                raise UserError(f"{path}: unknown option '{name}': {hint}")
        try:
            said, rest = self._said(as_arguments(options))
        except UserError as error:
            raise UserError(f"{path}: {error}") from None
        if rest:
            raise UserError(f"{path}: a value too many: {' '.join(rest)}")
        return said

    def _spelled(self, token: str) -> str:
        """A token of the command line; an option's underscores become hyphens."""
        name, equals, value = token.partition("=")
        hyphened = name.replace("_", "-")
        return (hyphened if hyphened in self._option_string_actions else name) + equals + value

    def _near_miss(self, name: str) -> str:
        """The option that was probably meant, or nothing."""
        shown = [action for action in self._actions if action.help != argparse.SUPPRESS]
        options = {o.lower(): o for a in shown for o in a.option_strings if o not in NOT_IN_FILES}
        wrong = f"--{name.lstrip('-')}".replace("_", "-").lower()
        near = difflib.get_close_matches(wrong, options, n=1, cutoff=NEAR_MISS)
        return options[near[0]] if near else ""
