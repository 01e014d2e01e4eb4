"""What the fast paths gain, measured on this machine beside a plain implementation.

    make bench                                    some ten minutes on 2 cores
    python -m benchmarks.bench --quick            under two
    python -m benchmarks.bench --device cuda      where there is a GPU

Every ratio compares two measurements of one run that took turns. Networks of the plain kind run in
a process of their own, where PyTorch and the C library stand as they come. Features are synthetic,
as many as the test videos of the data sets and as long.
"""

import argparse
import platform
import sys
from pathlib import Path

import torch

from benchmarks.report import table
from benchmarks.sections import CPU, SECTIONS, one_step_memory
from utils.options.kinds import positive_int
from utils.system.command import OneLineParser, command
from utils.system.device import pick_device
from utils.system.files import require_writable, write_json
from utils.system.machine import CORES, PRECISIONS


@command
def main(argv=None) -> None:
    parser = OneLineParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small batches, few repeats")
    names = [section.__name__ for section in SECTIONS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="these sections")
    parser.add_argument("--device", default=CPU.type, help="cpu, cuda, cuda:1, …")
    parser.add_argument("--batch", type=positive_int, help="videos of a step (GPU 128, CPU 16)")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=None)
    parser.add_argument("--compile", action="store_true", help="compile our network")
    parser.add_argument("--threads", type=positive_int, default=CORES, help="of the CPU")
    parser.add_argument("--json", metavar="FILE", help="write the results there, too")
    parser.add_argument("--one-step", choices=("plain", "ours"), help=argparse.SUPPRESS)
    settings = parser.parse_args(argv)
    settings.device = pick_device(settings.device)
    require_writable(settings.json)
    on_gpu = settings.device.type == "cuda"
    settings.batch = settings.batch or (128 if on_gpu else 4 if settings.quick else 16)
    settings.memory_batch = None if settings.quick else 128
    settings.precisions = settings.precisions or (PRECISIONS if on_gpu else ("fp32", "bf16"))
    settings.repeats = 10 if on_gpu else 1 if settings.quick else 3
    torch.set_num_threads(settings.threads)
    if settings.one_step:
        print(one_step_memory(settings.one_step, settings))
        return

    name = torch.cuda.get_device_name(settings.device) if on_gpu else cpu_name()
    machine = f"{name}, torch {torch.__version__}, batch {settings.batch} of 256 snippets"
    results = []
    try:
        for section in (s for s in SECTIONS if s.__name__ in settings.only):
            print(f"measuring: {section.__name__} …", file=sys.stderr)
            results += section(settings)
    finally:  # also what was measured before one that failed, or was stopped
        print(table(machine, results))
    if settings.json:
        write_json(settings.json, {"machine": machine, "results": [r._asdict() for r in results]})


def cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line for line in lines if line.startswith("model name")).split(": ")[1]
    except (OSError, StopIteration, IndexError):
        model = platform.processor() or platform.machine()
    return f"{model}, {torch.get_num_threads()} threads"


if __name__ == "__main__":
    main()
