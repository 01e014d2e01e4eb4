"""How a command ends: well, or with one line on stderr and an exit code that says why."""

import argparse
import contextlib
import functools
import json
import os
import signal
import sys
import time
from pathlib import Path

from utils.system.console import have_streams, printable, silence_stdout
from utils.system.errors import UserError
from utils.system.group import first_to_say, leave, processes
from utils.system.signals import exit_quietly, exit_terminated

# Threads that wait give their core away: on a busy machine that halves the time, on an idle one it
# costs nothing. Commands read this file before PyTorch is imported, which looks at it then.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

LOST = "another process of this run was lost"
# What a system may have too little of, and the words of its errors; the first that fits counts.
LACKING = (
    (
        "there are too few file handles (ulimit -n): give --num-workers 0, or raise the limit",
        ("Too many open files", "received 0 items of ancdata"),
    ),
    (
        "there is too little shared memory for the processes that read features: give "
        "--num-workers 0, or a container more of it (docker run --shm-size 8g)",
        ("out of shared memory", "unable to open shared memory object"),
    ),
    (
        "there is not enough memory: lower --batch-size, --eval-batch or --visual-length (those "
        "that the command has), or give --precision bf16",
        ("MemoryError", "can't allocate memory", "Cannot allocate memory", "out of memory",
         "STATUS_ALLOC_FAILED"),
    ),
)  # fmt: skip
EXIT_LOST = 1
EXIT_BAD_INPUT = 2
EXIT_CLOSED_PIPE = 141  # as the shell reports it of other programs


def command(main):
    """Decorator of a script's `main`: a `UserError` becomes one line on stderr and exit code 2,
    Ctrl-C exit code 130, SIGTERM 143."""

    @functools.wraps(main)
    def run(*args, **kwargs):
        outside = signal.signal(signal.SIGTERM, exit_terminated)
        have_streams()
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
            marker = f"{UserError.__module__}.{UserError.__qualname__}: "
            end(str(error).rpartition(marker)[2], EXIT_BAD_INPUT)
        except (RuntimeError, MemoryError, OSError) as error:
            if lacking := what_is_lacking(error):
                end(lacking, EXIT_LOST)
            if lost_another_process(error):
                reason = "" if "/gloo/" in str(error) else f": {' '.join(str(error).split())[:200]}"
                end(f"{LOST}{reason}", EXIT_LOST)
            if isinstance(error, OSError) and error.filename is not None:
                end(f"{error.filename}: {error.strerror or error}", EXIT_BAD_INPUT)
            raise
        finally:
            signal.signal(signal.SIGTERM, outside)

    return run


def end(message: str, code: int) -> None:
    """Say what was wrong, and leave. Of several processes with the same message, one says it."""
    message = printable(message)
    if not message.startswith(LOST):  # that one has the reason
        tell_launcher(message)
    if processes() > 1:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # torchrun's, when another one has left
        if first_to_say(message):
            _print_error(message)
        leave(code)
    _print_error(message)
    sys.exit(code)


def _print_error(message: str) -> None:
    with contextlib.suppress(OSError):
        print(f"error: {message}", file=sys.stderr)


def tell_launcher(message: str) -> None:
    """Give torchrun, which says at great length that a process has failed, the reason to end
    with."""
    if path := os.environ.get("TORCHELASTIC_ERROR_FILE"):
        record = {"message": f"error: {message}", "timestamp": int(time.time())}
        with contextlib.suppress(OSError):
            Path(path).write_text(json.dumps(record), encoding="utf-8")


def what_is_lacking(error: Exception) -> str | None:
    """What to say if the machine has too little of something; None if it is no such error."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    for said, words in LACKING:
        if any(word in text for word in words):
            return f"{said} ({text[:200]})"
    return None


def lost_another_process(error: Exception) -> bool:
    """Whether this is what PyTorch makes of another process of the same run that is gone."""
    distributed = sys.modules.get("torch.distributed")
    known = distributed is not None and isinstance(error, distributed.DistError)
    return known or "/gloo/" in str(error)


class OneLineParser(argparse.ArgumentParser):
    """argparse whose errors are one line, like every other."""

    def error(self, message):
        end(" ".join(message.splitlines()), EXIT_BAD_INPUT)

    def parse_known_args(self, args=None, namespace=None):
        """Paths may begin with `~`: shells leave it to the program behind `--option=`."""
        parsed, rest = super().parse_known_args(args, namespace)
        for name, value in vars(parsed).items():
            if isinstance(value, str | Path):
                setattr(parsed, name, type(value)(os.path.expanduser(value)))
        return parsed, rest


def module_parser(name: str, doc: str) -> OneLineParser:
    """Of `python -m utils.<name>`, whose help begins with the module's own text as it stands."""
    return OneLineParser(
        prog=f"python -m utils.{name}",
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # --method is not --methods
    )
