"""How `--help` and `--help-all` look."""

import argparse
import textwrap

TEXT_COLUMN = 28
UNBROKEN = "\N{NO-BREAK SPACE}"  # in a text, until it is broken into lines


class Formatter(argparse.HelpFormatter):
    """argparse's, with every default that there is; lines are broken at spaces alone."""

    def __init__(self, prog: str):
        super().__init__(prog, max_help_position=TEXT_COLUMN)

    def _get_help_string(self, action):
        if action.default is None or action.default == argparse.SUPPRESS:
            return action.help
        return f"{action.help} (default:{UNBROKEN}%(default)s)"

    def _get_default_metavar_for_optional(self, action):
        of_kind = getattr(action.type, "metavar", None)
        return of_kind or super()._get_default_metavar_for_optional(action)

    def _split_lines(self, text, width):
        lines = textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)
        return [line.replace(UNBROKEN, " ") for line in lines]
