"""Bad input ends a command with one clear line and exit code 2, never with a traceback."""

import argparse
import functools
import os
import signal
import sys
import time

from utils.console import silence_stdout
from utils.interruption import exit_quietly, exit_terminated

EXIT_LOST = 1
EXIT_BAD_INPUT = 2
EXIT_CLOSED_PIPE = 141  # as the shell reports it of other programs


# Of several processes with the same error the first one says it, and the others are ended: by
# torchrun, within these seconds.
GRACE = 3


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
            if int(os.environ.get("RANK", 0)):
                time.sleep(GRACE)
            # A DataLoader worker's error comes back as the text of its traceback, message last.
            message = str(error).rpartition("utils.errors.UserError: ")[2]
            print(f"error: {message}", file=sys.stderr)
            sys.exit(EXIT_BAD_INPUT)
        except RuntimeError as error:
            if not lost_another_process(error):
                raise
            print(f"error: process {os.environ.get('RANK')} lost another one", file=sys.stderr)
            sys.exit(EXIT_LOST)
        finally:
            signal.signal(signal.SIGTERM, outside)

    return run


def lost_another_process(error: RuntimeError) -> bool:
    """Whether this is what PyTorch makes of another process of the same run that is gone."""
    distributed = sys.modules.get("torch.distributed")
    known = distributed is not None and isinstance(error, distributed.DistError)
    return known or "/gloo/" in str(error)


class OneLineParser(argparse.ArgumentParser):
    """argparse whose errors are one line, like every other."""

    def error(self, message):
        print(f"error: {' '.join(message.splitlines())}", file=sys.stderr)
        sys.exit(EXIT_BAD_INPUT)
