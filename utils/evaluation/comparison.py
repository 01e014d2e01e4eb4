"""Two methods on the same videos: whether the difference would be there on other videos, too."""

from pathlib import Path

import numpy as np

from utils.evaluation.bootstrap import SEED, interval, resamples
from utils.evaluation.metrics import Evaluation
from utils.evaluation.predictions import load_scored, require_same
from utils.evaluation.scored_videos import ScoredVideos
from utils.evaluation.weighted import Values
from utils.metric_names import METRICS
from utils.system.console import note
from utils.system.errors import UserError

PREDICTIONS = "predictions.npz"
CLASSES = {  # tables by class, and what they are called
    "recall_at_5_by_class": ("recall at 5 % FPR", 100),
    "per_class_accuracy": ("accuracy", 100),
    "per_class_ap": ("average AP", 1),
}
WIDTH = 34  # of a title


def read_runs(a: Path, b: Path) -> tuple[list[ScoredVideos], list[ScoredVideos]]:
    """The runs of two methods, pair by pair.

    Raises:
        UserError: there are none, or they are not of the same videos.
    """
    if a.is_dir() != b.is_dir():
        raise UserError(f"{a} and {b}: expected two files, or two folders of runs")
    if not a.is_dir():
        pairs = [(a, b)]
    else:
        runs = [{p.parent.name: p for p in sorted(f.glob(f"*/{PREDICTIONS}"))} for f in (a, b)]
        seeds = [seed for seed in runs[0] if seed in runs[1]]
        if not seeds:
            raise UserError(
                f"{a} and {b} have no run in common: expected <seed>/{PREDICTIONS} in both, as "
                "ablate.py leaves it"
            )
        if alone := {*runs[0]} ^ {*runs[1]}:
            note(f"{len(alone)} runs are in one of the folders alone: left out")
        pairs = [(runs[0][seed], runs[1][seed]) for seed in seeds]
    scored = [[_read(str(path)) for path in side] for side in zip(*pairs, strict=True)]
    first = scored[0][0]
    for paths, (one, other) in zip(pairs, zip(*scored, strict=True), strict=True):
        for path, run in zip(paths, (one, other), strict=True):
            require_same(first, run, pairs[0][0], path)
    return scored[0], scored[1]


def _read(path: str) -> ScoredVideos:
    scored = load_scored(path)
    if scored is None:
        raise UserError(
            f"{path} does not say what happens in its videos: make it anew with --predictions of a "
            "test, or with python -m utils.evaluate"
        )
    return scored


class Comparison:
    """Metrics of two methods A and B, as they are and on resamples of the videos, and of the runs
    where there are several.

    Args:
        a, b: runs of each, pair by pair.
        count: of resamples.
    """

    def __init__(self, a: list[ScoredVideos], b: list[ScoredVideos], count: int):
        self.runs = a, b
        self.count = count
        self.videos = a[0].videos
        runs = len(a)
        weights = np.vstack([np.ones((1, self.videos), dtype=int), resamples(self.videos, count)])
        rng = np.random.default_rng((SEED, runs))  # another stream than that of the videos
        drawn = rng.multinomial(runs, np.full(runs, 1 / runs), size=count) / runs
        self._drawn = np.vstack([np.full((1, runs), 1 / runs), drawn])  # [1 + B, runs]
        self.values = [self._mean([Evaluation(run).values(weights) for run in m]) for m in (a, b)]

    def _mean(self, values: list[Values]) -> Values:
        """Over the runs that are drawn, of what all have."""
        return {
            name: self._mean([f[name] for f in values])
            if isinstance(value, dict)
            else _weighted(np.stack([f[name] for f in values], axis=1), self._drawn)
            for name, value in values[0].items()
            if all(name in f for f in values)
        }

    def differences(self) -> dict:
        """By metric, and by class: both values, the difference A − B, its interval, and the share
        of resamples in which A leads (equal ones count half). Of what both have."""
        a, b = self.values
        found = {n: _difference(a[n], b[n], n) for n in METRICS if n in a and n in b}
        by_class = {
            table: {
                code: _difference(*(_over_ious(side[table][code]) for side in (a, b)), table)
                for code in a[table]
            }
            for table in CLASSES
            if table in a and table in b
        }
        return {
            "videos": self.videos,
            "runs": len(self.runs[0]),
            "resamples": self.count,
            "metrics": {n: d for n, d in found.items() if d},
            "classes": {t: {c: d for c, d in of.items() if d} for t, of in by_class.items()},
        }


def _weighted(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(B, runs) each -> (B,)."""
    return np.where(weights > 0, values * weights, 0).sum(axis=1)


def _over_ious(value) -> np.ndarray:
    return np.mean([*value.values()], axis=0) if isinstance(value, dict) else value


def _difference(a: np.ndarray, b: np.ndarray, name: str) -> dict | None:
    """None where one of them is not defined."""
    minus = a - b
    if not np.isfinite(minus[0]):
        return None
    resampled = minus[1:][np.isfinite(minus[1:])]
    lower = name in METRICS and METRICS[name].lower
    leads = resampled < 0 if lower else resampled > 0
    return {
        "a": float(a[0]),
        "b": float(b[0]),
        "difference": float(minus[0]),
        "interval": interval(minus[1:]),
        "a_leads": float(np.mean(leads + (resampled == 0) / 2)) if len(resampled) else None,
    }


def table_of(found: dict, names: tuple[str, str], comparison: Comparison) -> list[str]:
    """The differences for people, in percent where they are fractions."""
    runs = f" and {found['runs']} runs each" if found["runs"] > 1 else ""
    what = f"{found['videos']} videos{runs}, {found['resamples']:,} resamples of "
    what += "both" if found["runs"] > 1 else "them"
    short = [name if len(name) <= 10 else f"{name[:9]}…" for name in names]
    lines = [
        f"A: {names[0]}, B: {names[1]}; {what}",
        "",
        f"{'':{WIDTH}}{short[0]:>11}{short[1]:>11}{'A - B':>9}   95 % interval      A leads in",
    ]
    for name, values in found["metrics"].items():
        metric = METRICS[name]
        title = f"{metric.heading} ↓" if metric.lower else metric.heading
        lines.append(_line(title, values, metric.shown(1)))
    for table, by_class in found["classes"].items():
        title, scale = CLASSES[table]
        lines += ["", f"{title}, of classes (%)"]
        seen = {code: values for code, values in by_class.items() if values["a"] or values["b"]}
        lines += [_line(f"  {code}", values, scale) for code, values in seen.items()]
        if len(seen) < len(by_class):
            lines.append(f"  (0 of both: {', '.join(c for c in by_class if c not in seen)})")
    return [*lines, "", "↓: less is better"]


def _line(title: str, values: dict, scale: float) -> str:
    a, b, minus = (scale * values[name] for name in ("a", "b", "difference"))
    line = f"{title:{WIDTH}}{a:11.2f}{b:11.2f}{minus:+9.2f}"
    if not values["interval"]:
        return f"{line}   defined in too few resamples"
    low, high = (scale * value for value in values["interval"])
    line += f"   {low:+7.2f} … {high:+.2f}"
    return f"{line:{WIDTH + 53}}{100 * values['a_leads']:5.1f} %"
