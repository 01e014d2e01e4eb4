"""The parser of all options.

Names may be spelled with hyphens or underscores; `--config FILE.yml` gives values by name, below
the command line in precedence; `--method` changes the defaults of other options.
"""

import argparse
import sys

from utils.system.command import OneLineParser
from utils.system.errors import UserError
from utils.system.yaml_files import read_yaml

# Defaults of a baseline that an option file written for DSANet should not change unnoticed.
OF_METHODS = ("lr", "visual_length", "separation_weight", "select_by")
# The switches that make the network VadCLIP's.
VADCLIP = {"text_tuning": "prompt", "DNP_use": False, "DCSA_use": False}


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
    and errors of one line.

    Args:
        description: what `--help` says first.
        methods: for each method, the defaults by destination that are its own.
    """

    def __init__(self, description: str, methods: dict[str, dict]):
        super().__init__(
            description=description,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
            allow_abbrev=False,
        )
        self.methods = methods
        self.config_file = None
        self.where: str | None = None  # that errors name, beside the config file
        self.add_argument("--config", metavar="FILE.yml", help="options by name: value")

    def error(self, message):
        sources = [f"{source}: " for source in (self.where, self.config_file) if source]
        super().error("".join([*sources, message]))

    def parse_known_args(self, args=None, namespace=None):
        args = [self._spelled(token) for token in (sys.argv[1:] if args is None else args)]
        finder = OneLineParser(add_help=False, allow_abbrev=False)
        finder.add_argument("--config")
        self.config_file = finder.parse_known_args(args)[0].config
        of_file = argparse.Namespace(method=None)  # what the config file says
        if self.config_file:
            written = self._config_arguments()
            # So that an error names the file.
            silent = {name: None for own in self.methods.values() for name in own}
            silent = argparse.Namespace(method=None, **silent)
            of_file, rest = super().parse_known_args(written, silent)
            if rest:
                self.error(f"a value too many: {' '.join(rest)}")
            config_file, self.config_file = self.config_file, None
            args = written + args
        first = super().parse_known_args(args)[0]
        switched = {name: getattr(first, name) for name in VADCLIP}
        method = "vadclip" if first.method == "dsanet" and switched == VADCLIP else first.method
        own = argparse.Namespace(**self.methods[method])  # what is there already is no default's
        parsed, rest = super().parse_known_args(args, own)
        parsed.method = method
        for name, value in vars(namespace or argparse.Namespace()).items():
            setattr(parsed, name, value)
        if of_file.method not in (None, method):
            self.error(
                f"{config_file} holds the options of --method {of_file.method}, and {method} has "
                "others: leave --method out, or the file"
            )
        for name in OF_METHODS if of_file.method is None else ():
            value, usual = getattr(of_file, name, None), self.methods[method].get(name)
            if None not in (value, usual) and value == getattr(parsed, name) != usual:
                print(
                    f"note: {name} is {value} in {config_file}; --method {method} has {usual}",
                    file=sys.stderr,
                )
        for name, value in VADCLIP.items():
            if method == "vadclip" and getattr(parsed, name) != value:
                self.error(
                    f"--method vadclip means --{name.replace('_', '-')} {value}, not "
                    f"{getattr(parsed, name)}: leave one of the two out"
                )
        if parsed.texts and parsed.text_tuning != "manual":
            self.error(f"--texts {parsed.texts} is for --text-tuning manual")
        if method == "mil" and parsed.text_tuning != self.get_default("text_tuning"):
            self.error(f"--method mil reads no texts: leave out --text-tuning {parsed.text_tuning}")
        if method == "mil" and parsed.select_by in ("auc2", "ap2"):
            self.error(f"--select-by {parsed.select_by}: --method mil has auc1 and ap1 only")
        return parsed, rest

    def _spelled(self, token: str) -> str:
        """A token of the command line, an option's hyphens and underscores as it was defined."""
        name, equals, value = token.partition("=")
        known = {option.replace("-", "_"): option for option in self._option_string_actions}
        return known.get(name.replace("-", "_"), name) + equals + value

    def _config_arguments(self) -> list[str]:
        """The options of the config file as they would stand on the command line."""
        try:
            options = read_yaml(self.config_file, "") or {}
        except UserError as error:
            self.config_file = None  # which the message names
            self.error(str(error))
        if not isinstance(options, dict):
            self.error("expected lines of the form 'option: value'")
        for name in options:
            option = self._spelled(f"--{name}")
            if option not in self._option_string_actions or option in ("--config", "--help"):
                self.error(f"unknown option '{name}': --help lists the options")
        return [self._spelled(token) for token in as_arguments(options)]
