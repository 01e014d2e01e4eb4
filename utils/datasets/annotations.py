"""The data sets' annotation files: which frames of a test video are abnormal, and how."""

from pathlib import Path
from typing import NamedTuple

from utils.labels import XD_VIOLENCE
from utils.system.errors import UserError

UCF_NORMAL_FOLDERS = ("Training_Normal_Videos_Anomaly", "Testing_Normal_Videos_Anomaly")


class Annotation(NamedTuple):
    """What the annotation files say of an anomalous test video."""

    frames: list[tuple[int, int]]  # [start, end) of what is abnormal
    segments: list[tuple[int, int]]  # the same by class
    labels: list[str]  # class of each segment


def annotation_lines(path: Path):
    """Place, video name and further words of each line of an annotation file."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"annotations {path} cannot be read: {error}") from None
    if not any(map(str.split, lines)):
        raise UserError(f"annotations {path} name no video: is this the right file?")
    places: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if words := line.split():
            place, name = f"{path}, line {number}", words[0].removesuffix(".mp4")
            if name in places:
                raise UserError(f"{place}: {name} appears twice, see {places[name]}")
            places[name] = place
            yield place, name, words[1:]


def frame_pairs(words: list[str], place: str) -> list[tuple[int, int]]:
    """Start and end frames in turn -> pairs; −1 stands for no segment."""
    try:
        numbers = [int(word) for word in words]
        pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
    except ValueError:
        raise UserError(
            f"{place}: expected frames start end …, found '{' '.join(words)}'"
        ) from None
    pairs = [pair for pair in pairs if pair != (-1, -1)]
    if any(not 0 <= start < end for start, end in pairs):
        raise UserError(f"{place}: a segment must have 0 ≤ start < end, found {pairs}")
    return pairs


def read_ucf_annotations(path: Path) -> dict[str, tuple[str, Annotation]]:
    """`Temporal_Anomaly_Annotation.txt`, lines `video label start end start end` -> by video, its
    label and annotation."""
    videos = {}
    for place, name, words in annotation_lines(path):
        if not words:
            raise UserError(f"{place}: expected 'video label start end start end'")
        label, segments = words[0], frame_pairs(words[1:], place)
        videos[name] = label, Annotation(segments, segments, [label] * len(segments))
    return videos


def read_xd_annotations(frames_path: Path, classes_path: Path) -> dict[str, Annotation]:
    """`annotations.txt`, lines `video start end …`, and `annotations_multiclasses.txt`, lines
    `video class start end …` -> by video."""
    frames = {
        name: frame_pairs(words, place) for place, name, words in annotation_lines(frames_path)
    }
    videos = {}
    for place, name, segments, labels in xd_class_lines(classes_path):
        if name not in frames:
            raise UserError(f"{place}: {name} is missing in {frames_path}")
        videos[name] = Annotation(frames[name], segments, labels)
    return videos


def has_xd_codes(path: Path) -> bool:
    """Whether an annotation file is XD-Violence's, by the classes that it names."""
    return any(words[0] in XD_VIOLENCE.classes for _, _, words in annotation_lines(path) if words)


def xd_class_lines(path: Path):
    """Place, video name, segments and their classes of each line of
    `annotations_multiclasses.txt`."""
    for place, name, words in annotation_lines(path):
        labels, rest = words[::3], [w for i, w in enumerate(words) if i % 3]
        if unknown := set(labels).difference(XD_VIOLENCE.classes):
            raise UserError(f"{place}: unknown class {sorted(unknown)[0]}")
        segments = frame_pairs(rest, place)
        if len(segments) != len(labels):
            raise UserError(
                f"{place}: expected class start end … with frames for each class, found "
                f"'{' '.join(words)}'"
            )
        yield place, name, segments, labels
