"""Two methods on the same videos: whether the difference would be there on other videos, too."""

from pathlib import Path

import numpy as np

from utils.evaluation.bootstrap import SEED, interval, resample_weights
from utils.evaluation.metrics import Evaluation
from utils.evaluation.predictions import load_scored, require_same_videos
from utils.evaluation.scored_videos import ScoredVideos
from utils.evaluation.weighted import Values, combined
from utils.metric_names import ALL_METRICS, OPEN_WORLD
from utils.system.console import note, plural
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
        runs = [runs_in(folder) for folder in (a, b)]
        seeds = [seed for seed in runs[0] if seed in runs[1]]
        if not seeds:
            raise UserError(
                f"{a} and {b} have no run in common: expected {PREDICTIONS} in both, or "
                f"<seed>/{PREDICTIONS}, as ablate.py leaves it"
            )
        if alone := {*runs[0]} ^ {*runs[1]}:
            note(f"{plural(len(alone), 'run')} in one of the folders alone: left out")
        pairs = [(runs[0][seed], runs[1][seed]) for seed in seeds]
    scored = [[_read(str(path)) for path in side] for side in zip(*pairs, strict=True)]
    first = scored[0][0]
    for paths, (one, other) in zip(pairs, zip(*scored, strict=True), strict=True):
        for path, run in zip(paths, (one, other), strict=True):
            require_same_videos(first, pairs[0][0], run, path)
    return scored[0], scored[1]


def runs_in(folder: Path) -> dict[str, Path]:
    """Scores by the folder of a run; of a folder of one run, those alone."""
    if (folder / PREDICTIONS).is_file():
        return {"": folder / PREDICTIONS}
    return {path.parent.name: path for path in sorted(folder.glob(f"*/{PREDICTIONS}"))}


def _read(path: str) -> ScoredVideos:
    scored = load_scored(path)
    if scored is None:
        raise UserError(
            f"{path} has scores, but no ground truth: put it through python -m utils.evaluate, or "
            "test again with --predictions"
        )
    return scored


class Comparison:
    """Metrics of two methods A and B, as they are and on resamples of the videos.

    Args:
        a, b: runs of each, pair by pair.
        count: of resamples.

    Attributes:
        values: of A and of B, by metric: (runs, 1 + B), the first those of the videos as they are.
    """

    def __init__(self, a: list[ScoredVideos], b: list[ScoredVideos], count: int):
        self.runs = a, b
        self.count = count
        self.videos = a[0].num_videos
        drawn = resample_weights(self.videos, count)
        weights = np.vstack([np.ones((1, self.videos), dtype=int), drawn])
        alike = len({frozenset(run.left_out) for run in [*a, *b]}) == 1
        if not alike:
            note("not all runs leave the same classes out: seen and unseen ones are not compared")
        self.values = [
            combined(np.stack, [_values(run, weights, alike) for run in runs]) for runs in (a, b)
        ]

    def differences(self) -> dict:
        """By metric, and by class: both values, the difference A - B, its interval, and the share
        of resamples in which A leads (equal ones count half). Of what both have."""
        a, b = self.values
        found = {n: self._difference(a[n], b[n], n) for n in ALL_METRICS if n in a and n in b}
        by_class = {
            table: {
                code: self._difference(*(_over_ious(side[table][code]) for side in (a, b)), table)
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
            "undefined": [n for n in ALL_METRICS if (n in a or n in b) and not found.get(n)],
            "classes": {t: {c: d for c, d in of.items() if d} for t, of in by_class.items()},
        }

    def _difference(self, a: np.ndarray, b: np.ndarray, name: str) -> dict | None:
        """None where one of them is not defined."""
        of_runs = a - b  # [runs, 1 + B]
        minus = of_runs.mean(axis=0)
        if not np.isfinite(minus[0]):
            return None
        resampled = minus[1:] + self._of_seeds(of_runs[:, 0])
        defined = resampled[np.isfinite(resampled)]
        leads = defined < 0 if name in ALL_METRICS and ALL_METRICS[name].lower else defined > 0
        return {
            "a": float(a[:, 0].mean()),
            "b": float(b[:, 0].mean()),
            "difference": float(minus[0]),
            "interval": interval(resampled),
            "a_leads": float(np.mean(leads + (defined == 0) / 2)) if len(defined) else None,
        }

    def _of_seeds(self, differences: np.ndarray) -> np.ndarray:
        """(B,) by how much the mean of other seeds would differ: of Student's t, since to draw from
        a handful of runs would make it too little. Nothing of a single run."""
        runs = len(differences)
        if runs == 1:
            return np.zeros(self.count)
        rng = np.random.default_rng((SEED, runs))  # another stream than that of the videos
        return rng.standard_t(runs - 1, self.count) * np.std(differences, ddof=1) / runs**0.5


def _values(run: ScoredVideos, weights: np.ndarray, with_open_world: bool) -> Values:
    """Metrics for weightings of the videos, those of seen and unseen classes among the others."""
    values = Evaluation(run).values(weights)
    parts = values.pop(OPEN_WORLD, {})
    if with_open_world:
        values |= {f"{part}_{name}": v for part, of in parts.items() for name, v in of.items()}
    return values


def _over_ious(value) -> np.ndarray:
    return np.mean([*value.values()], axis=0) if isinstance(value, dict) else value


def table_of(found: dict, names: tuple[str, str]) -> list[str]:
    """The differences for people, in percent where they are fractions."""
    runs = f" and {found['runs']} runs each" if found["runs"] > 1 else ""
    what = f"{found['videos']} videos{runs}, {found['resamples']:,} resamples"
    short = [name if len(name) <= 10 else f"{name[:9]}…" for name in names]
    lines = [
        f"A: {names[0]}, B: {names[1]}; {what}",
        "",
        f"{'':{WIDTH}}{short[0]:>11}{short[1]:>11}{'A - B':>9}   95 % interval      A leads in",
    ]
    for name, values in found["metrics"].items():
        metric = ALL_METRICS[name]
        title = f"{metric.heading} ↓" if metric.lower else metric.heading
        lines.append(_line(title, values, metric.scale))
    for table, by_class in found["classes"].items():
        title, scale = CLASSES[table]
        lines += ["", f"{title}, of classes (%)"]
        seen = {code: values for code, values in by_class.items() if values["a"] or values["b"]}
        lines += [_line(f"  {code}", values, scale) for code, values in seen.items()]
        if len(seen) < len(by_class):
            lines.append(f"  (0 of both: {', '.join(c for c in by_class if c not in seen)})")
    if found["undefined"]:
        titles = "; ".join(ALL_METRICS[name].title for name in found["undefined"])
        lines += ["", f"Not defined for both: {titles}"]
    return [*lines, "", "↓: less is better"]


def _line(title: str, values: dict, scale: float) -> str:
    a, b, minus = (scale * values[name] for name in ("a", "b", "difference"))
    line = f"{title:{WIDTH}}{a:11.2f}{b:11.2f}{minus:+9.2f}"
    if not values["interval"]:
        return f"{line}   defined in too few resamples"
    low, high = (scale * value for value in values["interval"])
    line += f"   {low:+7.2f} … {high:+.2f}"
    share = 100 * values["a_leads"]
    return f"{line:{WIDTH + 53}}{'> 99.9' if share == 100 else f'{share:6.1f}'} %"
