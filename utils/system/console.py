"""Printing beside progress bars, and to readers that have left."""

import io
import os
import re
import sys
from contextlib import suppress

from tqdm import tqdm

from utils.system.group import main_only

# What steers a terminal, or turns the direction of a text: names from files may hold it.
STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """With escapes, `\\x1b`, instead of characters that steer a terminal."""
    return STEERING.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


def plural(number: int, thing: str) -> str:
    """`1 epoch`, `2 epochs`."""
    return f"{number:,} {thing}{'s' * (number != 1)}"


def dashed(name: str) -> str:
    """An option by destination as people give it: `text_pool` -> `--text-pool`."""
    return f"--{name.replace('_', '-')}"


def duration(seconds: float) -> str:
    """`45 s`, `12 min` or `3.5 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def silence_stdout() -> None:
    """Nobody reads it any more: what is still printed goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class NoTerminal(io.TextIOWrapper):
    """Where progress bars are not drawn, as in a file."""

    def isatty(self) -> bool:
        return False


def have_streams() -> None:
    """Send output to nowhere if a stream is closed; escape what its encoding lacks."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream := getattr(sys, name), io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def be_quiet() -> None:
    """Say nothing but errors from now on."""
    silence_stdout()
    sys.stderr = NoTerminal(
        sys.stderr.buffer, sys.stderr.encoding, sys.stderr.errors, line_buffering=True
    )


def say(*lines: str) -> None:
    """Print without tearing a progress bar apart."""
    try:
        for line in lines:
            tqdm.write(printable(line), file=sys.stdout)
        sys.stdout.flush()
    except OSError as error:  # `| tee` ended with Ctrl-C, the terminal is gone, or the disk is full
        silence_stdout()  # the run shall still be saved
        if not isinstance(error, BrokenPipeError):
            note(f"stdout: {error.strerror}: what is printed from here on is lost")


@main_only
def note(text: str) -> None:
    """Say on stderr what somebody should know who is not asked. Of several processes, one does."""
    with suppress(OSError):  # as for `say`
        tqdm.write(printable(f"note: {text}"), file=sys.stderr)
