"""The whole training protocol of a data set on this machine: hours, evaluations, peak memory.

    python -m benchmarks.full_protocol ucf FOLDER --precision bf16

Trains on synthetic features, as many and as long as the data set's (gigabytes, written to FOLDER
first), with the official options: epochs, batches, evaluations. A run that was stopped goes on
when the command is given again; steps that it had not saved are trained, and counted, twice.
Options of `ucf_train.py` or `xd_train.py` may follow.
"""

import json
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

from benchmarks import workload
from benchmarks.bench import cpu_name
from benchmarks.measure import memory_of_process
from utils import PROJECT
from utils.demo_data import generate
from utils.labels import Dataset
from utils.network.backbone import RANDOM
from utils.system.command import OneLineParser, command
from utils.system.files import previous, require_writable, write_json

POLL = 30  # seconds between two looks at the training process


class Sittings:
    """{when it began: what it took} of each time that the training ran, kept in a file."""

    def __init__(self, path: Path):
        self.path = path
        self.all = json.loads(path.read_text()) if path.is_file() else {}

    def begin(self) -> None:
        self.begun = time.time()
        self.last = {"hours": 0, "peak_gb": 0, "peak_own_gb": 0}
        self.all[datetime.now().isoformat(timespec="seconds")] = self.last

    def look(self, process: subprocess.Popen) -> None:
        """Note time and memory: all that the process held, and what of it is no mapped file."""
        for key, field in (("peak_gb", "VmHWM"), ("peak_own_gb", "RssAnon")):
            self.last[key] = max(self.last[key], memory_of_process(process.pid, field))
        self.note(process.returncode)

    def note(self, exit_code: int | None) -> None:
        self.last |= {"hours": (time.time() - self.begun) / 3600, "exit_code": exit_code}
        write_json(self.path, self.all)


def training_call(facts: Dataset, folder: Path, options: list[str]) -> list[str]:
    """The command that begins the training, or goes on with it."""
    lists, checkpoint = folder / "data/list", folder / "checkpoint.pth"
    words = [
        sys.executable, f"{facts.name}_train.py", f"--clip-weights={RANDOM}",
        f"--train-list={lists / facts.train_list}", f"--test-list={lists / facts.test_list}",
        f"--gt-path={lists / facts.gt}", f"--gt-segment-path={lists / facts.gt_segment}.json",
        f"--gt-label-path={lists / facts.gt_label}.json", f"--cache={folder}/cache",
        f"--output-dir={folder}/run", f"--model-path={folder}/model.pth",
        f"--checkpoint-path={checkpoint}", *options,
    ]  # fmt: skip
    begun = checkpoint.exists() or previous(checkpoint).exists()
    return [*words, "--resume"] if begun else words


def train(call: list[str], sittings: Sittings) -> int:
    """Run the training until it ends; gives its exit code."""
    sittings.begin()
    process = subprocess.Popen(call, cwd=PROJECT, start_new_session=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: process.terminate())
    while True:
        sittings.look(process)
        try:
            exit_code = process.wait(POLL)
        except subprocess.TimeoutExpired:
            continue
        sittings.note(exit_code)
        return exit_code


def summary(folder: Path, sittings: Sittings) -> dict:
    """What all sittings took together, and how far they came."""
    all_of_them = sittings.all.values()
    log_path = folder / "run/log.jsonl"
    lines = log_path.read_text().splitlines() if log_path.is_file() else []
    log = [{"epoch": 1, "step": 0}, *map(json.loads, lines)]
    return {
        "machine": cpu_name(),
        "sittings": len(sittings.all),
        "hours": sum(sitting["hours"] for sitting in all_of_them),
        "epoch": log[-1]["epoch"],
        "step": log[-1]["step"],
        "evaluations": sum("metrics" in line for line in log),
        "peak_gb": max(sitting["peak_gb"] for sitting in all_of_them),
        "peak_own_gb": max(sitting["peak_own_gb"] for sitting in all_of_them),
        "finished": sittings.last["exit_code"] == 0,
    }


@command
def main(argv=None) -> None:
    parser = OneLineParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", choices=[*workload.FACTS], help="whose sizes and options")
    parser.add_argument("folder", type=Path, help="for features, cache, checkpoints and log")
    parser.add_argument("--json", metavar="FILE", help="write the summary there, too")
    args, options = parser.parse_known_args(argv)
    workload.options(args.dataset, *options)  # wrong ones are told before gigabytes are written
    folder = args.folder.resolve()
    require_writable(folder / "sittings.json", args.json)
    facts = workload.FACTS[args.dataset]
    if not (folder / "data/list").is_dir():
        generate(facts, folder / "data", full_size=True)
    sittings = Sittings(folder / "sittings.json")
    exit_code = train(training_call(facts, folder, options), sittings)
    found = summary(folder, sittings)
    print(json.dumps(found, indent=2))
    if args.json:
        write_json(args.json, found)
    sys.exit(exit_code)


if __name__ == "__main__":
    main()
