"""A data set of one's own of a few videos, in a folder, as docs/own_data_set.md has them.

Its features are noise, and of another mean within events. What is asked for can be left out: the
table of events, the test set.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import yaml

from utils.make_lists import main as make_lists

THREE = {"normal": "an ordinary day", "fire": "a fire", "theft": "a theft in a shop"}
TWO = {"normal": "an ordinary day", "anomaly": "something unusual"}
# Options of a small and short run. With --max-epoch an epoch is one pass over the videos.
QUICK = {
    "clip-weights": "random",
    "device": "cpu",
    "num-workers": 0,
    "visual-length": 16,
    "decoder-depth": 1,
    "visual-layers": 1,
    "batch-size": 2,
    "eval-every": 0,
    "checkpoint-every": 0,
}
FPS = 8
SECONDS_A_ROW = 0.5
FRAMES_A_ROW = 4
SIGNAL = 3.0


class OwnSet(NamedTuple):
    """
    Attributes:
        folder: of everything.
        file: that describes it.
    """

    folder: Path
    file: Path

    @property
    def options(self) -> dict:
        """Of the scripts, those of a short run included."""
        return {**QUICK, "dataset": self.file}

    def said(self) -> dict:
        return yaml.safe_load(self.file.read_text())

    def say(self, **more) -> None:
        """Change what its file says; None takes a key out of it."""
        said = {**self.said(), **{key.replace("_", "-"): value for key, value in more.items()}}
        said = {key: value for key, value in said.items() if value is not None}
        self.file.write_text(yaml.safe_dump(said, sort_keys=False))

    def table(self, name: str) -> pd.DataFrame:
        return pd.read_csv(self.folder / name, dtype=str, keep_default_na=False)

    def videos_of(self, split: str) -> list[str]:
        table = self.table("videos.csv")
        return table.video[table.split == split].tolist()

    def features_of(self, video: str, crop: int = 0) -> Path:
        """Feature file of a video; the only one of those without crops."""
        path = self.folder / "features" / f"{video}__{crop}.npy"
        return path if path.is_file() else path.with_name(f"{video}.npy")


def own_set(
    folder: Path,
    *,
    classes: dict = THREE,
    row: str = "share",
    width: int = 24,
    crops: int = 1,
    events: bool = True,
    test: bool = True,
    train_videos: int = 4,
    test_videos: int = 2,
    lists: bool = True,
    **said,
) -> OwnSet:
    """Make one.

    Args:
        folder: to make it in.
        classes: codes and texts, the normal one first.
        row: what a row of features stands for. `share` counts in frames, `0.5 seconds` in seconds;
            of other rows nothing says how long a video is.
        width: of the features.
        crops: feature files of a video.
        events: whether there is a table of events.
        test: whether there is a test set.
        train_videos, test_videos: of each class.
        lists: whether to make them.
        said: further keys of the file.
    """
    rng = np.random.default_rng(0)
    (folder / "features").mkdir(parents=True)
    directions = rng.standard_normal((len(classes), width))
    of_videos, of_events = [], []
    for split, count in (("train", train_videos), ("test", test_videos * test)):
        for c, code in enumerate(classes):
            for n in range(count):
                video, rows = f"{code}_{split}_{n}", int(rng.integers(8, 41))
                start, end = rows // 4, rows // 4 + max(2, rows // 3)
                for crop in range(crops):
                    features = rng.standard_normal((rows, width)).astype(np.float32)
                    features[start:end] += SIGNAL * directions[c] * (c > 0)
                    name = f"{video}__{crop}" if crops > 1 else video
                    np.save(folder / "features" / f"{name}.npy", features)
                unit, size = _unit(row)
                length = {unit: f"{rows * size:g}"} if unit else {}
                of_videos.append({"video": video, "label": code, "split": split, **length})
                if c:
                    times = {"start": start * size, "end": end * size}
                    of_events.append({"video": video, **times, "class": code})
    pd.DataFrame(of_videos).to_csv(folder / "videos.csv", index=False)
    if events:
        pd.DataFrame(of_events).to_csv(folder / "events.csv", index=False)
    made = OwnSet(folder, folder / "shop.yml")
    facts = {"name": "shop", "title": "Shop", "classes": classes, "row": row, "width": width}
    if row.endswith("seconds"):
        facts["event-unit"] = "seconds"
    made.file.write_text(yaml.safe_dump({**facts, **said}, sort_keys=False))
    if lists:
        make_lists(["--dataset", str(made.file)] + ["--test-share=0"] * (not test))
    return made


def _unit(row: str) -> tuple[str | None, float]:
    """In which the length of a video is told, and how long a row is in it."""
    if row == "share":
        return "frames", FRAMES_A_ROW
    if row.endswith("seconds"):
        return "seconds", float(row.split()[0])
    return None, int(row.split()[0])
