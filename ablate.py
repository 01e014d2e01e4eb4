"""Run a table of experiments: train every row with every seed, and print mean ± std.

    python ablate.py configs/table5_components.yml --out runs/table5 --feature-root /data/XD

What is finished is kept: the same command goes on where it was stopped or killed, and tries again
what failed. The grid files are described in configs/README.md; options of the training script may
follow and hold for every row that does not name them itself.

<out>/<row>/seed<seed>/   a training run: its weights, best.json, log.jsonl, output.txt …
                          … and the scores of the test videos, predictions.npz
<out>/table.md, .csv, .tex the table, and the differences from its first row
"""

import sys
from pathlib import Path

from utils import PROJECT
from utils.ablation.cells import Cell, clear, finished, make_cells, run_cells
from utils.ablation.grid import read_grid
from utils.ablation.table import csv_table, result_of, summary
from utils.ablation.text import latex_table, markdown_table
from utils.both_datasets import DATASETS
from utils.metric_names import ALL_METRICS
from utils.options.kinds import nonnegative_int, positive_int
from utils.system.command import OneLineParser, command
from utils.system.console import plural, say
from utils.system.files import require_writable, write_text


def script_of(recipe: str) -> Path:
    return PROJECT / f"{recipe}_train.py"


@command
def main(argv=None):
    parser = OneLineParser(
        description=__doc__.splitlines()[0],
        epilog="Any option of the training script may follow.",
        allow_abbrev=False,  # --seed is not --seeds
    )
    parser.add_argument("grid", help="YAML file, see configs/README.md")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs and the table")
    parser.add_argument("--jobs", type=positive_int, default=1, help="runs at the same time")
    parser.add_argument("--seeds", type=nonnegative_int, nargs="+", help="instead of the file's")
    parser.add_argument("--recipe", choices=DATASETS, help="whose training script, instead of the "
        "file's")  # fmt: skip
    parser.add_argument("--dataset", metavar="{ucf,xd,FILE.yml}", help="ucf or xd: as --recipe; "
        "or the file of a data set of your own")  # fmt: skip
    parser.add_argument("--metrics", choices=ALL_METRICS, nargs="+", metavar="M", help="instead of "
        f"the file's: {', '.join(ALL_METRICS)}")  # fmt: skip
    parser.add_argument(
        "--drop-weights", action="store_true", help="keep the metrics of a finished run alone"
    )
    args, options = parser.parse_known_args(argv)
    if args.dataset in DATASETS:
        if args.recipe not in (None, args.dataset):
            parser.error(f"--dataset {args.dataset} and --recipe {args.recipe}: leave one out")
        args.recipe = args.dataset
    elif args.dataset:
        options.append(f"--dataset={args.dataset}")

    grid = read_grid(args.grid, args.recipe, args.seeds, options, args.metrics)
    require_writable(args.out / "table.md")
    cells = make_cells(grid, args.out, options)
    done = [cell for cell in cells if finished(cell)]
    for cell in done:
        clear(cell, not args.drop_weights)
    missing = [cell for cell in cells if cell not in done]
    say(f"{plural(len(cells), 'run')}, {len(done)} of them finished before")
    results = {(cell.row.name, cell.seed): result_of(cell.best) for cell in done}

    def tell(cell: Cell, seconds: float, left: str) -> None:
        results[cell.row.name, cell.seed] = result_of(cell.best)
        figures = summary(grid, results[cell.row.name, cell.seed])
        say(f"[{len(results)}/{len(cells)}] {cell.name}: {figures} ({seconds:.0f} s{left})")

    script = script_of(grid.recipe)
    failures = run_cells(missing, script, args.jobs, not args.drop_weights, tell)
    table = markdown_table(grid, results, failures)
    texts = {"md": table, "csv": csv_table(grid, results), "tex": latex_table(grid, results)}
    for kind, text in texts.items():
        write_text(args.out / f"table.{kind}", text)
    say("", table, f"also in {args.out / 'table.md'}, table.csv and table.tex (LaTeX)")
    if failures:
        sys.exit(1)


if __name__ == "__main__":
    main()
