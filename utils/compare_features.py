"""Compare features with those of the same videos from elsewhere.

    python -m utils.compare_features MINE PUBLISHED
    python -m utils.compare_features MINE/v__5.npy PUBLISHED/v__5.npy

Both are feature files, or folders of files <video>__<crop>.npy, matched by
name. Every crop of A is laid beside every crop of B, and A shifted by -1, 0
and +1 rows (+1: row t of B beside row t+1 of A). The table says how alike the
rows are then: their cosine, 1 where they point the same way, and their norms.

Where extract_features.py has recorded how the rows of A were pooled, each pool
has lines of its own. So extract some videos twice, with --pool mean and with
--pool middle, into MINE/mean and MINE/middle, and compare MINE.
"""

import argparse
from pathlib import Path

from tqdm import tqdm

from utils.system.command import command, module_parser
from utils.system.console import plural, say
from utils.system.errors import UserError
from utils.videos.comparison import FeatureComparison, Fit, Match
from utils.videos.feature_folders import find_features

LINES = 10  # of the table, if not --all
WIDTHS = (6, 6, 4, 8, 8, 8, 8, 8, 8, 12)  # of its columns
UNKNOWN = "?"


def read_options(argv: list[str] | None) -> argparse.Namespace:
    """The options of this command."""
    parser = module_parser("compare_features", __doc__)
    parser.add_argument("a", type=Path, metavar="A", help="feature file, or folder of them")
    parser.add_argument("b", type=Path, metavar="B", help="the same, from elsewhere")
    parser.add_argument("--all", action="store_true", help="show every line of the table")
    return parser.parse_args(argv)


@command
def main(argv=None) -> None:
    args = read_options(argv)
    a, b = find_features(args.a, with_records=True), find_features(args.b, with_records=False)
    if args.a.is_file() and args.b.is_file():  # whatever they are called
        b = b._replace(videos=dict(zip(a.videos, b.videos.values(), strict=True)))
    names = sorted(a.videos.keys() & b.videos.keys())
    if not names:
        raise UserError(
            f"{args.a} and {args.b} have no video in common: the first has {min(a.videos)}, the "
            f"second {min(b.videos)}; up to __<crop>.npy the files of a video have one name"
        )
    comparison = FeatureComparison()
    for name in tqdm(names, unit="video", disable=None, leave=False):
        comparison.add(name, a.videos[name], b.videos[name])

    only_a, only_b = (len(source.videos) - len(names) for source in (a, b))
    say(
        f"{plural(len(names), 'video')} compared, {plural(comparison.rows, 'row')}; "
        f"{only_a or 'none'} only in A, {only_b or 'none'} only in B"
    )
    if comparison.uneven:
        say(
            f"{plural(comparison.uneven, 'video')} with more or fewer rows in A than in B, by "
            f"{comparison.most:,} at most"
        )
    if a.random:
        say(f"note: {plural(a.random, 'file')} of A came of random CLIP weights: like no others")
    found = comparison.best_first()
    shown = found if args.all or len(found) <= LINES else best_lines(found)
    say("", *table(shown))
    if len(shown) < len(found):
        say("", *summary(found), f"{len(found) - len(shown)} further lines: --all")
    if len(names) > 1:
        say("", *worst(found[0][1]))


def best_lines(found: list[tuple[Match, Fit]]) -> list[tuple[Match, Fit]]:
    """The best of every crop of B, and while there is room the best of every kind of A beside it;
    best first."""
    of_crop, of_kinds = {}, {}
    for place, (match, _) in enumerate(found):
        of_crop.setdefault(match.b, place)
        of_kinds.setdefault((match.a, match.b), place)
    others = [place for place in of_kinds.values() if place not in of_crop.values()]
    kept = [*of_crop.values(), *others[: max(0, LINES - len(of_crop))]]
    return [found[place] for place in sorted(kept)]


def table(found: list[tuple[Match, Fit]]) -> list[str]:
    """A line for each match."""
    rows = [
        ("", "crop", "of", "", "", "cosine", "of rows", "norm", "", ""),
        ("pool", "A", "B", "offset", "mean", "median", "lowest", "A/B", "videos", "rows"),
    ]
    for (a, b, offset), fit in found:
        known = (UNKNOWN if part is None else part for part in (a.pool, a.crop, b.crop))
        cosines = (f"{cosine:.4f}" for cosine in (fit.mean, fit.median, fit.lowest))
        counts = f"{fit.videos:,}", f"{fit.rows:,}"
        rows.append((*known, signed(offset), *cosines, f"{fit.norm_ratio:.3f}", *counts))
    return ["".join(map("{:>{}}".format, row, WIDTHS)).rstrip() for row in rows]


def signed(offset: int) -> str:
    return f"{offset:+}" if offset else "0"


def summary(found: list[tuple[Match, Fit]]) -> list[str]:
    """The highest mean cosine of each pool, each offset, and of the same or other crops."""
    parts = {
        "pool": lambda match: match.a.pool or UNKNOWN,
        "offset": lambda match: signed(match.offset),
        "crop": lambda match: "the same" if match.a.crop == match.b.crop else "another",
    }
    lines = []
    for name, part in parts.items():
        best: dict[str, float] = {}
        for match, fit in found:
            best.setdefault(part(match), fit.mean)
        if len(best) > 1:
            each = ", ".join(f"{value} {mean:.4f}" for value, mean in best.items())
            lines.append(f"best by {name + ':':8}{each}")
    return lines


def worst(best: Fit) -> list[str]:
    """The videos that fit worst under the first line of the table."""
    lines = [
        "least alike under the first line:",
        "   mean  lowest  in row  rows of A   of B  video",
    ]
    for fit in best.worst:
        numbers = f"{fit.mean:7.4f}{fit.lowest:8.4f}{fit.row:8,}{fit.rows_a:11,}{fit.rows_b:7,}"
        lines.append(f"{numbers}  {fit.video}")
    return lines


if __name__ == "__main__":
    main()
