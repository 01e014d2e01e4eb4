"""One run at a time writes to a path, on one machine."""

import fcntl
import hashlib
import os
import tempfile
from pathlib import Path
from typing import TextIO

from utils.system.errors import UserError


class Lock:
    """Locks on paths, held by this process until they are given back or it ends, however it ends.
    They are not inherited by the processes that read features, which may outlive it for a moment.

    The files that are locked lie in the folder for temporary files: nothing is left beside a run's
    own files, and nothing need be tidied up.

    Args:
        paths: that nobody else may write to.
    """

    def __init__(self, *paths: Path | str):
        self.paths = [Path(path) for path in paths]
        self._files: list[TextIO] = []

    def take(self) -> None:
        """
        Raises:
            UserError: another process holds one of them.
        """
        folder = Path(tempfile.gettempdir()) / f"dsanet-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        for path in self.paths:
            name = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()
            file = open(folder / f"{name}.lock", "a+", encoding="utf-8")  # noqa: SIM115
            self._files.append(file)
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.seek(0)
                raise UserError(
                    f"process {file.read() or 'unknown'} is training to {path}: wait for it, or "
                    "give this run its own --output-dir, --model-path and --checkpoint-path"
                ) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()

    def give_back(self) -> None:
        for file in self._files:
            file.close()
        self._files.clear()
