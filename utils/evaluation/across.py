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


def shared_codes(of: Dataset, others: list[Dataset], same: list[set[str]]) -> tuple[str, ...]:
    """The anomaly classes of a data set that all the others have, too."""
    known = [_meanings(other, same) for other in others]
    return tuple(
        code
        for code, meaning in _meanings(of, same).items()
        if all(any(meaning & theirs for theirs in other.values()) for other in known)
    )


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


class Across:
    """
    Args:
        facts: of the data sets.
        results: metrics by the names of the data sets that were trained on and tested on.
        same: of `read_same`.
    """

    def __init__(self, facts: list[Dataset], results: dict[tuple[str, str], dict], same):
        self.titles = {of_set.name: of_set.title for of_set in facts}
        self.shared = {of_set.name: shared_codes(of_set, facts, same) for of_set in facts}
        self.values = {pair: self._values(pair[1], found) for pair, found in results.items()}

    def _values(self, tested_on: str, metrics: dict) -> dict[str, float | None]:
        """Of a test, by column."""
        found = {METRICS[n].heading: (value_of(metrics, n), METRICS[n].shown(1)) for n in SHOWN}
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
            values = [self.values[name, other][c] for other in self.titles for c in columns]
            lines.append([title, *("n/a" if v is None else f"{v:.2f}" for v in values)])
        table = aligned(["trained on", *header], lines)
        shared = [
            f"- classes of {title} that all have: {', '.join(self.shared[name]) or 'none'}"
            for name, title in self.titles.items()
        ]
        return "\n".join([table, "", *shared]) + "\n"
