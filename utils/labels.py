"""The facts of a data set, as a file describes them: classes and their texts, what a row of
features stands for, where its lists and events are. docs/own_data_set.md explains the file.
"""

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from utils import PROJECT
from utils.data_set_file import (
    NORMAL,
    classes_of,
    normal_of,
    part_of_file_names,
    parts_of,
    values_of,
)
from utils.network.backbone import BACKBONES
from utils.row_time import DECIMALS, FRAMES, MOST, SECONDS, USUAL, RowTime
from utils.system.errors import UserError
from utils.system.yaml_files import read_yaml

if TYPE_CHECKING:
    import torch

DATASETS_FOLDER = PROJECT / "configs" / "datasets"
PUBLISHED = ("ucf", "xd")  # names of the two that the paper uses
NONE = "0"  # in labels of XD-Violence: no further class


@dataclass(frozen=True)
class Dataset:
    """What distinguishes one data set from another; everything else is shared code.

    Attributes:
        name: short name, as in the list and weight files (`ucf`, `xd`).
        title: name for people.
        classes: class codes in order, the normal class first.
        names: what people call them.
        texts: for each class, the descriptions that the text encoder reads.
        row: what a row of features stands for.
        width: of the features; None for that of CLIP's.
        event_unit: in which the table of events counts, `frames` or `seconds`.
        fps: frames a second, where the file says it.
        test_crop: which of the crops the test list holds.
        file: that describes it; None for the one that weights carry.
        lists: folder of the lists and of the official ground truth.
        train_list, test_list: their names there.
        gt, gt_segment, gt_label: names of the ground truth in its official form, if it has that.
        ground_truth_normal: what the ground truth calls a normal video.
        features, videos, events: folder of features, table of videos and table of events. The
            latter is None where there are no events.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    names: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]
    row: RowTime = USUAL
    width: int | None = None
    event_unit: str = FRAMES
    fps: float | None = None
    test_crop: int = 0
    file: Path | None = None
    lists: Path = Path("list")
    train_list: str = "train.csv"
    test_list: str = "test.csv"
    gt: str | None = None
    gt_segment: str | None = None
    gt_label: str | None = None
    ground_truth_normal: str = NORMAL
    features: Path | None = None
    videos: Path | None = None
    names_videos: bool = False  # whether its file names that table
    events: Path | None = None

    @property
    def normal(self) -> str:
        """Label of a normal video in the lists."""
        return self.classes[0]

    @property
    def is_own(self) -> bool:
        """Whether it is neither UCF-Crime nor XD-Violence as published."""
        return self.name.casefold() not in PUBLISHED

    @property
    def has_video_table(self) -> bool:
        """Whether there is a table of videos.

        Raises:
            UserError: the file of the data set names one that is not there.
        """
        if self.videos and self.videos.is_file():
            return True
        if self.names_videos:
            raise UserError(f"{self.file} names the table of videos {self.videos}: not found")
        return False

    @property
    def has_events(self) -> bool:
        """Whether it is known when something happens in the test videos."""
        return bool(self.events or self.gt)

    def encode(self, label: str) -> "torch.Tensor":
        """Label of a list row, as for `indices`, -> (C,) float32, 1 for every class named."""
        import torch  # here, because lists are made without it

        named = self.indices(label)
        return torch.tensor([float(c in named) for c in range(len(self.classes))])

    def indices(self, label: str) -> set[int]:
        """The classes that a label of a list row names.

        Args:
            label: class codes joined by `-`; `0` stands for none (`Robbery`, `B1-B2-G`, `B2-0-0`).

        Raises:
            UserError: a code is unknown, none is named, or a video is normal and anomalous at once.
        """
        known = ["-".join(parts_of(code)) for code in self.classes]
        codes = _split(str(label), known)
        if not codes:
            near = difflib.get_close_matches(str(label).casefold(), known, n=1)
            meant = f" (did you mean {self.classes[known.index(near[0])]}?)" if near else ""
            raise UserError(
                f"unknown {self.title} label '{label}'{meant}: allowed are "
                f"{', '.join(self.classes)}"
            )
        if known[0] in codes and len(codes) > 1:
            raise UserError(f"label '{label}' is both normal and anomalous")
        return {known.index(code) for code in codes}

    def left_out(self, args) -> tuple[str, ...]:
        """The classes that `--leave-out` names, by code.

        Raises:
            UserError: as `seen`.
        """
        codes = tuple(args.leave_out or ())
        self.seen(codes)
        return codes

    def seen(self, left_out: Sequence[str]) -> list[int]:
        """Indices of the classes but those that are left out of training, by code.

        Raises:
            UserError: one is not an anomaly class, or none is left.
        """
        for code in left_out:
            if code not in self.classes[1:]:
                raise UserError(
                    f"--leave-out {code}: {self.title} has no such anomaly class; it has "
                    f"{', '.join(self.classes[1:])}"
                )
        seen = [i for i, code in enumerate(self.classes) if code not in left_out]
        if len(seen) == 1:
            raise UserError("--leave-out leaves no anomaly class to train on: name fewer")
        return seen

    def length_of(self, frames: str, seconds: str) -> float | None:
        """How long a video is, in the unit of `row`, from what a table says; None if nothing.
        Frames are whole ones, at least one.

        Raises:
            UserError: it says no positive number, or it cannot be converted.
        """
        said, unit = frames or seconds, FRAMES if frames else SECONDS
        if not said:
            return None
        try:
            length = float(said)
        except ValueError:
            length = 0
        if not 0 < length < MOST or (unit == FRAMES and length % 1):
            whole = "whole " if unit == FRAMES else ""
            raise UserError(f"{unit} is '{said}': expected a positive {whole}number")
        length = self.in_unit(length, unit)
        return max(1, round(length)) if self.row.unit == FRAMES else length

    def in_unit(self, time: float, unit: str) -> float:
        """A time in frames or seconds in the unit of `row`.

        Raises:
            UserError: frames a second are not known.
        """
        if unit == self.row.unit:
            return time
        if self.fps is None:
            raise UserError(
                f"its times are in {unit} and a row is {self.row}, in {self.row.unit}: say how "
                "many frames a second has, 'fps: 25' for example, in the file of --dataset"
            )
        return round(time / self.fps, DECIMALS) if unit == FRAMES else time * self.fps

    def frames_per_row(self) -> int:
        """Frames of which a row of features is made of a video that is there.

        Raises:
            UserError: there is no such number.
        """
        if self.row.size is None:
            reason = "a row is a share of its video"
        elif self.row.unit == FRAMES:
            return int(self.row.size)
        elif self.fps is None:
            reason = f"a row is {self.row}, and its file does not say 'fps'"
        else:
            return max(1, round(self.row.size * self.fps))
        raise UserError(
            f"features of videos cannot be made as those of {self.title} are: {reason}; give "
            "feature files"
        )

    def described(self) -> dict:
        """What weights carry of it: plain values, which `Dataset.of` reads again."""
        classes = zip(self.classes, self.names, self.texts, strict=True)
        facts = {
            "name": self.name,
            "title": self.title,
            "classes": {code: {"name": n, "texts": [*t]} for code, n, t in classes},
            "normal": self.normal,
            "row": str(self.row),
            "event-unit": self.event_unit,
            "width": self.width,
            "fps": self.fps,
        }
        return {key: value for key, value in facts.items() if value is not None}

    @classmethod
    def of(cls, written, file: Path | None = None) -> "Dataset":
        """
        Args:
            written: what a file, or weights, say.
            file: that says it. Its paths are relative to its folder.

        Raises:
            UserError: what is wrong.
        """
        said = values_of(written)
        codes, names, texts = classes_of(said["classes"])
        normal = normal_of(said["normal"], codes)
        order = sorted(range(len(codes)), key=lambda c: c != normal)  # stable
        truth = said["ground-truth"] if file else {}  # weights name no files
        row = RowTime.read(said["row"], said["event-unit"])
        if truth and row.unit != FRAMES:
            raise UserError(f"ground-truth has frames, but a row is {row}, in {row.unit}")
        if truth and said["events"]:
            raise UserError("events and ground-truth both say when something happens: keep one")
        folder = file.parent if file else Path()
        name = said["name"] or (part_of_file_names(file.stem, "name") if file else "")

        def place(key: str, usual: str) -> Path:
            return Path(os.path.expanduser(said[key] or usual))

        return cls(
            name=name,
            title=said["title"] or name,
            classes=tuple(codes[c] for c in order),
            names=tuple(names[c] for c in order),
            texts=tuple(texts[c] for c in order),
            row=row,
            width=said["width"],
            event_unit=said["event-unit"],
            fps=said["fps"],
            test_crop=said["test-crop"] or 0,
            file=file,
            lists=folder / place("lists", "list"),
            train_list=said["train-list"] or "train.csv",
            test_list=said["test-list"] or "test.csv",
            gt=truth.get("frames"),
            gt_segment=truth.get("segments"),
            gt_label=truth.get("labels"),
            ground_truth_normal=truth.get("normal", codes[normal]),
            features=file and folder / place("features", "features"),
            videos=file and folder / place("videos", "videos.csv"),
            names_videos=said["videos"] is not None,
            events=None if truth or not file else _events(said["events"], folder),
        )


def read_dataset(path: Path | str) -> Dataset:
    """The data set that a file describes.

    Raises:
        UserError: it cannot be read, or says what it must not.
    """
    written = read_yaml(path, "data set")
    try:
        facts = Dataset.of(written, Path(path))
        if not facts.is_own and Path(path).resolve().parent != DATASETS_FOLDER:
            raise UserError(
                f"the name '{facts.name}' is taken by {facts.name}_train.py: say another"
            )
        return facts
    except UserError as error:
        raise UserError(f"data set {path}: {error}") from None


def dataset_of(args, usual: Dataset) -> Dataset:
    """The one that `--dataset` names; without it, the script's usual one. Its width is known then.

    Raises:
        UserError: as `read_dataset`.
    """
    facts = read_dataset(args.dataset) if args.dataset else usual
    return replace(facts, width=facts.width or BACKBONES[args.backbone].width)


def _split(label: str, known: list[str]) -> set[str]:
    """The codes in a label; none if any is unknown. A code may hold hyphens itself."""
    parts = parts_of(label)
    codes = set()
    while parts:
        count = next((n for n in range(len(parts), 0, -1) if "-".join(parts[:n]) in known), 0)
        if count:
            codes.add("-".join(parts[:count]))
        elif parts[0] != NONE:
            return set()
        parts = parts[count or 1 :]
    return codes


def _events(said: str | None, folder: Path) -> Path | None:
    """The table of events: that which is named, or events.csv if there is one."""
    path = folder / os.path.expanduser(said or "events.csv")
    return path if said or path.is_file() else None


UCF_CRIME = read_dataset(DATASETS_FOLDER / "ucf.yml")
XD_VIOLENCE = read_dataset(DATASETS_FOLDER / "xd.yml")
