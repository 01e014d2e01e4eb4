"""Compare two methods on the same videos, by a paired bootstrap.

    python -m utils.compare A.npz B.npz
    python -m utils.compare runs/table/vadclip runs/table/dsanet

A and B are scores that a test wrote (--predictions), or python -m
utils.evaluate. Or they are folders of runs with several seeds, as ablate.py
leaves them: <seed>/predictions.npz. Every resample draws the same videos for
both. The table says how far A is ahead of B, the 95 % interval of the
difference, over videos and, of several runs, over seeds, and in how many
resamples A leads.
"""

from pathlib import Path

from utils.evaluation.comparison import Comparison, read_runs, table_of
from utils.options.kinds import RESAMPLES, resample_count
from utils.system.command import OneLineParser, command, module_parser
from utils.system.console import printable, say
from utils.system.errors import UserError
from utils.system.files import require_writable, write_json


def make_parser() -> OneLineParser:
    parser = module_parser("compare", __doc__)
    add = parser.add_argument
    add("a", type=Path, metavar="A", help="scores (.npz), or a folder of runs")
    add("b", type=Path, metavar="B", help="the same, of another method")
    add("--names", nargs=2, metavar=("A", "B"), help="what to call them (default: the files)")
    add("--bootstrap", type=resample_count, default=RESAMPLES, metavar="N", help="resamples "
        "(default: %(default)s)")  # fmt: skip
    add("--out", type=Path, metavar="DIR", help="folder of the differences and figures "
        "(default: runs/comparison)")  # fmt: skip
    return parser


@command
def main(argv=None):
    args = make_parser().parse_args(argv)
    out = args.out or Path("runs/comparison")
    require_writable(out / "comparison.json")
    if not args.bootstrap:
        raise UserError("--bootstrap 0: a comparison needs resamples")
    names = args.names or names_of(args.a, args.b)
    # On one line, and not as Matplotlib marks what it leaves out of a legend.
    names = [printable(" ".join(name.split())).lstrip("_") for name in names]
    if names[0] == names[1]:
        raise UserError(f"--names {names[0]} {names[1]}: the names must differ")
    runs = read_runs(args.a, args.b)
    if runs[0][0].num_videos < 2:
        raise UserError(f"{args.a} has one video: a comparison needs more, to draw resamples of")
    comparison = Comparison(*runs, args.bootstrap)
    found = comparison.differences()
    say(*table_of(found, names))
    write_json(out / "comparison.json", {"a": str(args.a), "b": str(args.b), **found})

    # Here, because Matplotlib takes a second, which what is wrong with the files need not wait for.
    from utils.figures.comparison import differences
    from utils.figures.curves import roc_and_pr
    from utils.figures.style import save_formats

    drawn = [save_formats(differences(found, names), out, "differences")]
    if comparison.runs[0][0].truth is not None:
        curves = roc_and_pr(dict(zip(names, comparison.runs, strict=True)))
        drawn.append(save_formats(curves, out, "curves"))
    say("", f"in {out}: comparison.json, {', '.join(png.name for png in drawn)} (and .svg, .pdf)")


def names_of(a: Path, b: Path) -> tuple[str, str]:
    """The last parts of the paths in which they differ."""
    sides = (reversed((*path.parts[:-1], path.stem)) for path in (a, b))
    parts = zip(*sides, strict=False)
    return next(((x, y) for x, y in parts if x != y), ("A", "B"))


if __name__ == "__main__":
    main()
