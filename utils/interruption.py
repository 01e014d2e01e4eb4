"""SIGINT and SIGTERM: a training run ends between two steps, everything else at once."""

import os
import signal
import sys

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """While this context lasts, the first signal is noted only; a second one acts at once.

    Attributes:
        exit_code: 130 after SIGINT, 143 after SIGTERM, 0 before either.
    """

    def __init__(self):
        self.exit_code = 0
        self._outside: dict = {}

    def __enter__(self) -> "Interruption":
        self._outside = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._outside.items():
            signal.signal(number, handler)

    def _note(self, number: int, _) -> None:
        self.exit_code = 128 + number
        self.__exit__()
        # Not print: it may be what the signal interrupted.
        os.write(sys.__stderr__.fileno(), b"\nstopping after this step; once more: at once\n")


def exit_terminated(number: int, _) -> None:
    """Handler of SIGTERM that lets files be tidied up."""
    sys.exit(128 + number)


def leave_to_parent(_worker: int) -> None:
    """Start of a process that reads features: Ctrl-C reaches it, too, but is not its business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
