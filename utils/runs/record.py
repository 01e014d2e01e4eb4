"""What a training run leaves in its output folder beside its weights, for people and for repeating.

<output-dir>/options.yml      the options it used
<output-dir>/provenance.yml   code, libraries, device and files; one entry per part, if resumed
<output-dir>/log.jsonl        a line per logged step and per evaluation
<output-dir>/best.json        metrics of the weights that were kept, and when they were reached
<output-dir>/diverged.json    losses and feature files of the step that ended it, if one did

Log and metrics of an older run are kept as `log.older.jsonl` and `best.older.json`.
"""

import json
from pathlib import Path

import torch
import yaml

from utils.system.errors import UserError
from utils.system.files import remove_left_behind, set_aside, whole_file, write_json, write_text
from utils.system.group import main_only
from utils.system.provenance import provenance

FILES = OPTIONS, PROVENANCE, BEST, DIVERGED = (
    "options.yml", "provenance.yml", "best.json", "diverged.json",
)  # fmt: skip
NOT_REPEATED = ("given", "config", "use_checkpoint", "check_data")  # of one call, not of the run


class Record:
    """The files above.

    Args:
        args: options.
        device: that the run computes on.

    """

    def __init__(self, args, device: torch.device):
        self.args = args
        self.device = device
        self.folder = Path(args.output_dir)
        self.log_path = self.folder / "log.jsonl"
        self.diverged_path = self.folder / DIVERGED

    @main_only
    def begin(self, place: str, hashes: dict[str, str], lines: int | None) -> int:
        """Write options and provenance, and begin the log or go on with it.

        Args:
            place: where in the run this is.
            hashes: sha256 of the files that it read, by option.
            lines: of the log that are kept, because the run is resumed; None if it is begun.

        Returns:
            how many lines the log has.
        """
        for file in (*FILES, self.log_path.name):
            remove_left_behind(self.folder / file)
        self.diverged_path.unlink(missing_ok=True)
        options = {k: v for k, v in vars(self.args).items() if v is not None}
        options = {k: v for k, v in options.items() if k not in NOT_REPEATED}
        if "max_epoch" not in self.args.given:
            del options["max_epoch"]  # which, once given, could end the run earlier
        _write_yaml(self.folder / OPTIONS, options)

        path = self.folder / PROVENANCE
        parts = {} if lines is None else _read_yaml(path)
        _write_yaml(path, {**parts, place: provenance(self.device, hashes)})

        if lines is None:  # what is there is an older run's
            set_aside(self.log_path)
            set_aside(self.folder / BEST)
        old = self.log_path.read_bytes() if lines and self.log_path.is_file() else b""
        kept = [line for line in old.splitlines(keepends=True) if line.endswith(b"\n")]
        kept = kept[:lines]
        with whole_file(self.log_path) as partial:
            partial.write_bytes(b"".join(kept))
        return len(kept)

    @main_only
    def log(self, record: dict) -> None:
        try:
            with self.log_path.open("a", encoding="utf-8") as log:
                log.write(json.dumps(record) + "\n")
        except OSError as error:
            raise UserError(f"{self.log_path} cannot be written: {error.strerror}") from None

    @main_only
    def best(self, metrics: dict) -> None:
        write_json(self.folder / BEST, metrics)

    @main_only
    def diverged(self, what: dict) -> None:
        write_json(self.diverged_path, what)


def _write_yaml(path: Path, value: dict) -> None:
    write_text(path, yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100))


def _read_yaml(path: Path) -> dict:
    try:
        return dict(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, yaml.YAMLError):  # not there, or damaged: begun anew
        return {}
