"""Bad input ends a command with one clear line and exit code 2, never with a traceback."""

import argparse
import functools
import signal
import sys

from utils.console import silence_stdout
from utils.interruption import exit_quietly, exit_terminated

EXIT_BAD_INPUT = 2
EXIT_CLOSED_PIPE = 141  # as the shell reports it of other programs


class UserError(ValueError):
    """Something the user can put right: the message names file and row, what was found, what was
    expected and what to do, in one line, even where a file name has several."""

    def __init__(self, message: str):
        super().__init__(" ".join(message.splitlines()))


def command(main):
    """Decorator of a script's `main`: a `UserError` becomes one line on stderr and exit code 2,
    Ctrl-C exit code 130, SIGTERM 143."""

    @functools.wraps(main)
    def run(*args, **kwargs):
        outside = signal.signal(signal.SIGTERM, exit_terminated)
        try:
            return main(*args, **kwargs)
        except BrokenPipeError:  # as when `| head` has seen enough
            silence_stdout()
            sys.exit(EXIT_CLOSED_PIPE)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            exit_quietly(128 + signal.SIGINT)
        except UserError as error:
            # A DataLoader worker's error comes back as the text of its traceback, message last.
            message = str(error).rpartition("utils.errors.UserError: ")[2]
            print(f"error: {message}", file=sys.stderr)
            sys.exit(EXIT_BAD_INPUT)
        finally:
            signal.signal(signal.SIGTERM, outside)

    return run


class OneLineParser(argparse.ArgumentParser):
    """argparse whose errors are one line, like every other."""

    def error(self, message):
        print(f"error: {' '.join(message.splitlines())}", file=sys.stderr)
        sys.exit(EXIT_BAD_INPUT)
