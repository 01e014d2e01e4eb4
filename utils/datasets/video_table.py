"""The table of a data set's videos: `video,label`, and where they are known `split`, `frames` or
`seconds`."""

from pathlib import Path
from typing import NamedTuple

from utils.datasets.csv_table import read_table
from utils.datasets.features import video_name
from utils.datasets.lists import list_lines
from utils.labels import Dataset
from utils.row_time import UNITS
from utils.system.errors import UserError

COLUMNS = ("video", "label")
SPLITS = ("train", "test")


class TableVideo(NamedTuple):
    """A line of the table.

    Attributes:
        video: its name.
        label: as the lists have it.
        split: `train`, `test`, or nothing where the table does not say.
        frames, seconds: its length, as text; nothing where it is not known.
        place: file and line, for errors.
    """

    video: str
    label: str
    split: str
    frames: str
    seconds: str
    place: str


def read_video_table(path: Path | str, facts: Dataset) -> list[TableVideo]:
    """The lines of a table of videos.

    Raises:
        UserError: it cannot be read, a video appears twice, or what is said of it cannot be.
    """
    videos, lines = [], {}
    for line, texts in read_table(path, COLUMNS, ("split", *UNITS), "table of videos"):
        place = f"{path}, line {line}"
        video = TableVideo(*texts, place)
        try:
            _check(video, facts)
        except UserError as error:
            raise UserError(f"{place}: {error}") from None
        if video.video in lines:
            raise UserError(f"{place}: video {video.video} is in line {lines[video.video]} already")
        lines[video.video] = line
        videos.append(video)
    if not videos:
        raise UserError(f"{path} names no video")
    if len({bool(video.split) for video in videos}) > 1:
        odd = next(video for video in videos if not video.split)
        raise UserError(f"{odd.place}: split is empty, but other lines have one")
    return videos


def _check(video: TableVideo, facts: Dataset) -> None:
    if not video.video:
        raise UserError("the video is empty")
    if video.split not in (*SPLITS, ""):
        raise UserError(f"split is '{video.split}': expected {' or '.join(SPLITS)}")
    facts.indices(video.label)
    facts.length_of(video.frames, video.seconds)


def known_lengths(facts: Dataset) -> dict[str, float]:
    """Lengths of videos by name, in the unit of the data set's rows, as its table has them."""
    if not facts.has_video_table:
        return {}
    videos = read_video_table(facts.videos, facts)
    lengths = {v.video: facts.length_of(v.frames, v.seconds) for v in videos}
    return {name: length for name, length in lengths.items() if length is not None}


def known_videos(facts: Dataset, train_list: str = "") -> set[str]:
    """Names of the videos in the data set's table and lists and in another training list, as far as
    these are there."""
    names = set()
    if facts.has_video_table:
        names |= {video.video for video in read_video_table(facts.videos, facts)}
    for path in (facts.lists / facts.train_list, facts.lists / facts.test_list, Path(train_list)):
        if path.is_file():
            names |= {name or video_name(Path(file)) for _, (file, _, name, *_) in list_lines(path)}
    return names
