"""Printing beside progress bars, and to readers that have left."""

import os
import sys

from tqdm import tqdm


def silence_stdout() -> None:
    """Nobody reads it any more: what is still printed goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(*lines: str) -> None:
    """Print without tearing a progress bar apart."""
    try:
        for line in lines:
            tqdm.write(line, file=sys.stdout)
        sys.stdout.flush()
    except BrokenPipeError:  # Ctrl-C ends `| tee`, too; the run shall still be saved
        silence_stdout()
