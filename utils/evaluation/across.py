"""The table across data sets: rows trained on, columns tested on. Classes that mean the same are
matched by their texts."""

from pathlib import Path

import numpy as np
import pandas as pd

from utils import PROJECT
from utils.labels import Dataset
from utils.metric_names import METRICS, value_of
from utils.system.errors import UserError
from utils.system.markdown import aligned
from utils.system.yaml_files import read_yaml

SHOWN = ("auc1", "ap1")
SHARED = "mAP, shared classes (%)"
SAME = PROJECT / "configs" / "same_classes.yml"


def read_same(path: Path | str = SAME) -> list[set[str]]:
    """Groups of texts that mean the same.

    Raises:
        UserError: the file is none of lists of texts.
    """
    groups = read_yaml(path, "file of classes")
    if not isinstance(groups, list) or not all(
        isinstance(group, list) and all(isinstance(text, str) for text in group) for group in groups
    ):
        raise UserError(f"{path}: expected lists of texts, as in {SAME.name}")
    return [{_plain(text) for text in group} for group in groups]


def shared_classes(
    datasets: list[Dataset], same: list[set[str]]
) -> list[tuple[tuple[str, ...], ...]]:
    """Anomaly classes that all data sets have: of each the codes in every set. One of the first set
    may be several of another."""
    meanings = [_meanings(of_set, same) for of_set in datasets]
    found = []
    for meaning in meanings[0].values():
        codes = tuple(
            tuple(code for code, theirs in of_set.items() if meaning & theirs)
            for of_set in meanings
        )
        if all(codes) and codes not in found:
            found.append(codes)
    return found


def _meanings(facts: Dataset, same: list[set[str]]) -> dict[str, set[str]]:
    """What each anomaly class is called, and what means the same."""
    classes = list(zip(facts.classes, facts.names, facts.texts, strict=True))[1:]
    meanings = {}
    for code, name, texts in classes:
        said = {_plain(text) for text in (name, *texts)}
        meanings[code] = said.union(*(group for group in same if group & said))
    return meanings


def _plain(text: str) -> str:
    return " ".join(text.casefold().replace("-", " ").split())


class TransferTable:
    """
    Args:
        datasets: that weights were trained and tested on.
        results: metrics by the names of the data sets that were trained on and tested on.
        same: of `read_same`.
    """

    def __init__(self, datasets: list[Dataset], results: dict[tuple[str, str], dict], same):
        self.datasets = {of_set.name: of_set for of_set in datasets}
        self.titles = {name: of_set.title for name, of_set in self.datasets.items()}
        self.classes = shared_classes(datasets, same)
        self.shared = {
            name: tuple(dict.fromkeys(code for codes in self.classes for code in codes[i]))
            for i, name in enumerate(self.datasets)
        }
        self.intervals = {pair: found.get("intervals") for pair, found in results.items()}
        self.values = {pair: self._values(pair[1], found) for pair, found in results.items()}

    def _values(self, tested_on: str, metrics: dict) -> dict[str, float | None]:
        """Of a test, by column."""
        found = {METRICS[n].heading: (value_of(metrics, n), METRICS[n].scale) for n in SHOWN}
        columns = {title: v if v is None else s * v for title, (v, s) in found.items()}
        of_classes = metrics["per_class_ap"] or {}
        known = [of_classes[c] for c in self.shared[tested_on] if c in of_classes]
        columns[SHARED] = float(np.mean([[*v.values()] for v in known])) if known else None
        return columns

    def csv(self) -> str:
        """A line per test."""
        pairs = self.values.items()
        rows = [{"trained on": a, "tested on": b, **columns} for (a, b), columns in pairs]
        return pd.DataFrame(rows).to_csv(index=False)

    def markdown(self) -> str:
        """For people: columns side by side for every data set that was tested on."""
        columns = [*(METRICS[name].heading for name in SHOWN), SHARED]
        header = [f"{title}: {column}" for title in self.titles.values() for column in columns]
        lines = []
        for name, title in self.titles.items():
            cells = [self._cell((name, other), c) for other in self.titles for c in columns]
            lines.append([title, *cells])
        table = aligned(["trained on", *header], lines)
        return "\n".join([table, "", *self._notes()]) + "\n"

    def _cell(self, pair: tuple[str, str], column: str) -> str:
        """`72.20 [60.12, 83.20]`."""
        value, sure = self.values[pair][column], self.intervals[pair]
        if value is None:
            return "n/a"
        name = next((n for n in SHOWN if METRICS[n].heading == column), None)
        if not (sure and name and (ends := value_of(sure, name))):
            return f"{value:.2f}"
        low, high = map(METRICS[name].shown, ends)
        return f"{value:.2f} [{low:.2f}, {high:.2f}]"

    def _notes(self) -> list[str]:
        named = [
            "; ".join(_named(*of_set) for of_set in zip(self.datasets.values(), codes, strict=True))
            for codes in self.classes
        ]
        about = "In brackets: 95 % intervals over resamples of the test videos."
        return [f"{about} Classes that all have:", "", *(f"- {line}" for line in named or ["none"])]


def _named(facts: Dataset, codes: tuple[str, ...]) -> str:
    """`UCF-Crime Fighting (fighting)`."""
    names = dict(zip(facts.classes, facts.names, strict=True))
    return f"{facts.title} {', '.join(f'{code} ({names[code]})' for code in codes)}"
