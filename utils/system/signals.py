"""SIGINT and SIGTERM: a training run ends between two steps, everything else at once."""

import os
import signal
import sys
from contextlib import suppress

SIGNALS = (signal.SIGINT, signal.SIGTERM)
CHILD_ENDED = getattr(signal, "SIGCHLD", None)  # not on every platform
STDERR = 2


class Interruption:
    """While this context lasts, the first signal is noted only; a second one acts at once. What the
    process was started to ignore (nohup, a shell's background) it goes on ignoring.

    Args:
        shared: by several processes. Each may be told twice, by a terminal and by torchrun, so that
            a second signal is noted only, too.

    Attributes:
        exit_code: 130 after SIGINT, 143 after SIGTERM, 0 before either.
    """

    def __init__(self, shared: bool = False):
        self.shared = shared
        self.exit_code = 0
        self._outside: dict = {}

    def __enter__(self) -> "Interruption":
        heard = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
        self._outside = {number: signal.signal(number, self._note) for number in heard}
        if CHILD_ENDED:
            self._outside[CHILD_ENDED] = signal.getsignal(CHILD_ENDED)
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._outside.items():
            signal.signal(number, handler)

    def _note(self, number: int, _) -> None:
        told = bool(self.exit_code)
        self.exit_code = 128 + number
        if self.shared and told:
            return
        if not self.shared:
            self.__exit__()
        # It may have reached those that read features: the step goes on all the same.
        if CHILD_ENDED:
            signal.signal(CHILD_ENDED, signal.SIG_DFL)
        with suppress(OSError):  # not print: it may be what the signal interrupted
            at_once = b"" if self.shared else b"; once more: at once"
            os.write(STDERR, b"\nstopping after this step" + at_once + b"\n")


def exit_terminated(number: int, _) -> None:
    """Handler of SIGTERM that lets files be tidied up."""
    exit_quietly(128 + number)


def exit_quietly(code: int) -> None:
    """Leave; what was interrupted while it began may have no proper end, and need not say so."""
    sys.unraisablehook = lambda _: None
    sys.exit(code)


def step_aside(_worker: int) -> None:
    """Start of a process that reads features: in a group of its own, so that Ctrl-C and a signal to
    the group reach the parent alone, which needs it until the step is done."""
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
