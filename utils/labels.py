"""The facts of the two data sets: classes, the texts that describe them, how labels are written."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from utils.system.errors import UserError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Dataset:
    """What distinguishes one data set from the other; everything else is shared code.

    Attributes:
        name: short name, as in the list and weight files (`ucf`, `xd`).
        title: name for people.
        classes: class codes in order, the normal class first.
        names: what people call them.
        texts: for each class, the descriptions that the text encoder reads.
        train_list, test_list, gt, gt_segment, gt_label: official names of the data set's lists and
            ground truth (without a folder).
        test_crop: which of the ten crops the official test list holds.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    names: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]
    train_list: str
    test_list: str
    gt: str
    gt_segment: str
    gt_label: str
    test_crop: int

    @property
    def normal(self) -> str:
        """Label of a normal video in the lists."""
        return self.classes[0]

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
        codes = {code.strip().casefold() for code in str(label).split("-")} - {"0"}
        known = [code.casefold() for code in self.classes]
        if not codes or not codes.issubset(known):
            raise UserError(
                f"unknown {self.title} label '{label}': allowed are {', '.join(self.classes)}"
            )
        if known[0] in codes and len(codes) > 1:
            raise UserError(f"label '{label}' is both normal and anomalous")
        return {known.index(code) for code in codes}


# The official ground truth names normal test videos so, in both data sets. It is no UCF-Crime
# class, which is why UCF's class Normal never scores in mAP.
GROUND_TRUTH_NORMAL = "A"

UCF_CRIME = Dataset(
    name="ucf",
    title="UCF-Crime",
    classes=(
        "Normal", "Abuse", "Arrest", "Arson", "Assault", "Burglary", "Explosion", "Fighting",
        "RoadAccidents", "Robbery", "Shooting", "Shoplifting", "Stealing", "Vandalism",
    ),
    names=(
        "normal", "abuse", "arrest", "arson", "assault", "burglary", "explosion", "fighting",
        "road accident", "robbery", "shooting", "shoplifting", "stealing", "vandalism",
    ),
    texts=(
        ("normal",), ("abuse",), ("arrest",), ("arson",), ("assault",), ("burglary",),
        ("explosion",), ("fighting",), ("roadaccidents",), ("robbery",), ("shooting",),
        ("shoplifting",), ("stealing",), ("vandalism",),
    ),
    train_list="ucf_CLIP_rgb.csv",
    test_list="ucf_CLIP_rgbtest.csv",
    gt="gt_ucf.npy",
    gt_segment="gt_segment_ucf",
    gt_label="gt_label_ucf",
    test_crop=5,
)  # fmt: skip

XD_VIOLENCE = Dataset(
    name="xd",
    title="XD-Violence",
    classes=("A", "B1", "B2", "B4", "B5", "B6", "G"),
    names=("normal", "fighting", "shooting", "riot", "abuse", "car accident", "explosion"),
    texts=(
        ("normal",), ("fighting",), ("shooting",), ("riot",), ("abuse",), ("car accident",),
        ("explosion",),
    ),
    train_list="xd_CLIP_rgb.csv",
    test_list="xd_CLIP_rgbtest.csv",
    gt="gt.npy",
    gt_segment="gt_segment",
    gt_label="gt_label",
    test_crop=0,
)  # fmt: skip
