"""Lists of a data set of one's own, from its folder of features and its table of videos.

Without a table the folders say the labels: `<features>/<class>/<video>.npy`. Without a split in the
table a seeded one is drawn, in which every class has its share.
"""

import re
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from utils.datasets.features import CROP_DIGITS, read_features, video_and_crop
from utils.datasets.lists import Row
from utils.datasets.official_truth import TruthFiles
from utils.datasets.split import drawn
from utils.datasets.truth_of_list import read_ground_truth
from utils.datasets.video_table import SPLITS, TableVideo, read_video_table
from utils.labels import Dataset
from utils.network.backbone import WIDTH
from utils.row_time import UNITS
from utils.system.console import note, plural, say
from utils.system.errors import UserError
from utils.system.files import files_below, whole_file

SPLIT = "split.csv"
LIKE_A_CROP = re.compile(rf"__\d{{{CROP_DIGITS + 1},}}$")  # of a name, though it is none


class FeatureFile(NamedTuple):
    """A feature file, see `video_and_crop`."""

    path: Path
    video: str
    crop: int


def build_own(facts: Dataset, test_share: float, seed: int) -> None:
    """Write the lists that the facts name, and `split.csv` beside them if a split was drawn.

    Args:
        facts: of the data set.
        test_share: of the videos to test on, where the table does not say which; 0 for none.
        seed: of the draw.

    Raises:
        UserError: features, tables and the file of the data set do not fit each other. Nothing is
            written then.
    """
    files = feature_files(facts.features)
    if facts.has_video_table:
        videos = read_video_table(facts.videos, facts)
        crops = of_table(files, videos, facts)
    else:
        videos, crops = of_folders(files, facts)
    require_alike(crops, videos, facts)
    split = split_of(videos, facts, test_share, seed)
    parts = {part: [v for v in videos if split[v.video] == part] for part in SPLITS}
    _require_kinds(parts, facts, with_test=test_share > 0)

    rows = {
        "train": [(path, v) for v in parts["train"] for _, path in sorted(crops[v.video].items())],
        "test": [(test_crop(crops[v.video], v, facts), v) for v in parts["test"]],
    }
    if facts.has_events and rows["test"]:
        _check_events(rows["test"], {v.video for v in parts["train"]}, facts)
    told = []  # once all is written
    for part, name in (("train", facts.train_list), ("test", facts.test_list)):
        path = facts.lists / name
        lines = [(file, v.label, v.video, v.frames, v.seconds) for file, v in rows[part]]
        if lines:
            _write(_table(lines, ["path", "label", "video", *UNITS]), path)
            counted = f"{plural(len(parts[part]), 'video')} in {plural(len(lines), 'row')}"
            told.append(f"{path}: {counted}, {_counts(parts[part], facts)}")
        elif path.is_file():
            note(f"{path} is older than the other list, which may have its videos: remove it")
    if not all(video.split for video in videos):
        lines = [(v.video, v.label, split[v.video], v.frames, v.seconds) for v in videos]
        _write(_table(lines, ["video", "label", "split", *UNITS]), facts.lists / SPLIT)
        told.append(f"{facts.lists / SPLIT}: the split that was drawn with --seed {seed}")
    say(*told)


def feature_files(folder: Path) -> list[FeatureFile]:
    """The feature files below a folder, by path.

    Raises:
        UserError: there are none, or a list cannot hold the path of one.
    """
    found = []
    for path in map(Path.absolute, files_below(folder, ".npy")):
        text = str(path)
        if text.splitlines() != [text] or text.encode(errors="ignore").decode() != text:
            raise UserError(
                f"the path {text!a} is not UTF-8 text of one line, which lists are made of: rename "
                "it"
            )
        found.append(FeatureFile(path, *video_and_crop(path.stem)))
    if odd := [file.path for file in found if LIKE_A_CROP.search(file.video)]:
        note(
            f"{plural(len(odd), 'feature file')} with more than two digits behind '__', first "
            f"{odd[0]}: taken for videos, not for crops"
        )
    if not found:
        raise UserError(f"{folder} holds no features: expected files <video>.npy in it")
    return sorted(found)


def of_table(
    files: list[FeatureFile], videos: list[TableVideo], facts: Dataset
) -> dict[str, dict[int, Path]]:
    """Feature files by video and crop, of the videos that a table names.

    Raises:
        UserError: a video has no features, or two files of one crop.
    """
    crops: dict[str, dict[int, Path]] = {video.video: {} for video in videos}
    others = []
    for file in files:
        # A name of the table may end as crops do.
        name, crop = (file.path.stem, 0) if file.path.stem in crops else (file.video, file.crop)
        if name not in crops:
            others.append(file.path)
        else:
            add_crop(crops[name], crop, file.path)
    if missing := [video for video in videos if not crops[video.video]]:
        raise UserError(
            f"{missing[0].place}: {missing[0].video} has no features in {facts.features} "
            f"({len(missing)} of {len(videos)} videos): extract them, or take it out of the table"
        )
    if others:
        files = plural(len(others), "feature file")
        note(f"{files} of no video in {facts.videos}, first {others[0]}")
    return crops


def of_folders(
    files: list[FeatureFile], facts: Dataset
) -> tuple[list[TableVideo], dict[str, dict[int, Path]]]:
    """Videos by the folders of their features, and their feature files.

    Raises:
        UserError: a folder is not a class, or a video is in two.
    """
    videos: dict[str, TableVideo] = {}
    crops: dict[str, dict[int, Path]] = {}
    for path, name, crop in files:
        label = path.parent.name
        try:
            facts.indices(label)
        except UserError as error:
            raise UserError(
                f"{path}: there is no table {facts.videos}, so its folder should say its class: "
                f"{error}"
            ) from None
        if name in videos and videos[name].label != label:
            raise UserError(f"{path}: video {name} is in the folder {videos[name].label}, too")
        videos.setdefault(name, TableVideo(name, label, "", "", "", str(path)))
        add_crop(crops.setdefault(name, {}), crop, path)
    return list(videos.values()), crops


def add_crop(crops: dict[int, Path], crop: int, path: Path) -> None:
    """Add a feature file to those of its video.

    Raises:
        UserError: the crop has one.
    """
    if crop in crops:
        raise UserError(f"{path} and {crops[crop]} are features of one video and crop")
    crops[crop] = path


def require_alike(
    crops: dict[str, dict[int, Path]], videos: list[TableVideo], facts: Dataset
) -> None:
    """
    Raises:
        UserError: features are not as wide as the data set says, or their rows do not fit the
            length of their video.
    """
    width = facts.width or WIDTH
    for video in videos:
        length = facts.length_of(video.frames, video.seconds)
        for path in crops[video.video].values():
            rows = len(read_features(path, header_only=True, width=width))
            if length is not None:
                try:
                    facts.row.edges(rows, length)
                except UserError as error:
                    raise UserError(f"{video.place}: video {video.video}: {error}") from None


def split_of(videos: list[TableVideo], facts: Dataset, test_share: float, seed: int) -> dict:
    """`train` or `test` for each video."""
    if all(video.split for video in videos):
        return {video.video: video.split for video in videos}
    chosen: set[int] = set()
    if test_share:
        kinds = [tuple(sorted(facts.indices(video.label))) for video in videos]
        chosen = drawn(kinds, [0 in kind for kind in kinds], test_share, seed)
    return {video.video: SPLITS[i in chosen] for i, video in enumerate(videos)}


def _require_kinds(parts: dict[str, list[TableVideo]], facts: Dataset, with_test: bool) -> None:
    """
    Raises:
        UserError: a part is left without videos, or that to train on without a kind of them.
    """
    counts = {part: len(videos) for part, videos in parts.items()}
    normal = {p: sum(0 in facts.indices(v.label) for v in videos) for p, videos in parts.items()}
    kinds = {"normal": normal["train"], "anomalous": counts["train"] - normal["train"]}
    for kind, count in kinds.items():
        if not count:
            raise UserError(
                f"{facts.title}: the split leaves no {kind} videos to train on, and both kinds are "
                f"needed: see {facts.videos}"
            )
    if with_test and not counts["test"]:
        raise UserError(
            f"{facts.title}: the split leaves no videos to test on: see {facts.videos}, or give "
            "--test-share 0 for no test set"
        )
    if counts["test"] and normal["test"] in (0, counts["test"]):
        note(
            f"all test videos are {'normal' if normal['test'] else 'anomalous'}: figures of whole "
            "videos are then not defined"
        )


def test_crop(crops: dict[int, Path], video: TableVideo, facts: Dataset) -> Path:
    """The feature file to test on: that of the data set's test crop, or the only one.

    Raises:
        UserError: there are several, and not that.
    """
    if len(crops) > 1 and facts.test_crop not in crops:
        raise UserError(
            f"{video.place}: test video {video.video} has the crops {sorted(crops)}, and not "
            f"{facts.test_crop}: name another with 'test-crop'"
        )
    return crops[facts.test_crop if len(crops) > 1 else next(iter(crops))]


def _table(lines: list[tuple], columns: list[str]) -> pd.DataFrame:
    """Lines as a table, without lengths that are not known."""
    table = pd.DataFrame(lines, columns=columns)
    return table.drop(columns=[unit for unit in UNITS if not any(table[unit])])


def _write(table: pd.DataFrame, path: Path) -> None:
    with whole_file(path) as partial:
        table.to_csv(partial, index=False, lineterminator="\n")


def _check_events(videos: list[tuple[Path, TableVideo]], others: set[str], facts: Dataset) -> None:
    """Read the ground truth as a test will. `others` are the videos to train on.

    Raises:
        UserError: it does not fit.
    """
    width = facts.width or WIDTH
    rows = []
    for path, v in videos:
        length = facts.length_of(v.frames, v.seconds)
        rows.append(Row(path, facts.encode(v.label), v.place, width, v.video, length))
    names = (facts.gt, facts.gt_segment, facts.gt_label)
    files = TruthFiles(*(str(facts.lists / (name or "")) for name in names))
    test_list = str(facts.lists / facts.test_list)
    truth = read_ground_truth(files, test_list, rows, facts, lambda: others)
    count = sum(len(s) for s, row in zip(truth.segments, rows, strict=True) if not row.normal)
    share = 100 * truth.abnormal.sum() / truth.durations.sum()
    events = plural(count, "event")
    say(f"{facts.events or facts.gt}: {events} in test videos, {share:.1f} % of their time")


def _counts(videos: list[TableVideo], facts: Dataset) -> str:
    """How many videos of each class."""
    named = [facts.indices(video.label) for video in videos]
    counts = [sum(c in of_video for of_video in named) for c in range(len(facts.classes))]
    return ", ".join(f"{n} {code}" for n, code in zip(counts, facts.classes, strict=True) if n)


def with_places(facts: Dataset, features: Path | None, out: Path | None) -> Dataset:
    """The facts with other folders."""
    return replace(facts, features=features or facts.features, lists=out or facts.lists)
