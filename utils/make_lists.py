"""Build the lists and the ground truth of a data set from its features and annotations.

    python -m utils.make_lists ucf --features DIR --annotations Temporal_Anomaly_Annotation.txt
    python -m utils.make_lists xd --features TRAIN_DIR --test-features TEST_DIR \\
        --annotations annotations.txt annotations_multiclasses.txt
    python -m utils.make_lists --dataset FILE.yml                       a data set of your own

The order of the first two is that of the official lists: anomalous videos by name, then normal ones
by name. A training list has all crops of a video, a test list one.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from utils.datasets.annotations import (
    UCF_NORMAL_FOLDERS,
    Annotation,
    read_ucf_annotations,
    read_xd_annotations,
)
from utils.datasets.features import SNIPPET_FRAMES, read_features, video_name
from utils.datasets.ground_truth import rasterize
from utils.datasets.lists import COLUMNS
from utils.datasets.own_lists import add_crop, build_own, with_places
from utils.labels import UCF_CRIME, XD_VIOLENCE, Dataset, read_dataset
from utils.options.kinds import fraction_below_1, nonnegative_int
from utils.system.command import command, module_parser
from utils.system.console import plural, say
from utils.system.errors import UserError
from utils.system.files import files_below, whole_file, write_json
from utils.videos.inputs import CROPS

TEST_SHARE = 0.3


class VideoCrops(NamedTuple):
    """A video that has features."""

    name: str
    label: str  # as the lists have it
    crops: dict[int, Path]  # feature file by crop


def scan(folder: Path, facts: Dataset) -> list[VideoCrops]:
    """The videos under a feature folder: anomalous ones by name, then normal ones by name.

    Raises:
        UserError: the folder has no features, a file is not named `<video>__<crop>.npy`, its label
            (UCF: class folder, XD: in the file name) is unknown, or two are of one video and crop.
    """
    crops: dict[tuple[str, str], dict[int, Path]] = {}
    paths = files_below(folder, ".npy")
    for path in tqdm(paths, desc=str(folder), unit="file", disable=None):
        crop = path.stem.rpartition("__")[2]
        if not crop.isdecimal():
            raise UserError(f"{path} is not named <video>__<crop>.npy, as a feature file must be")
        name = video_name(path)
        label = ucf_label(path) if facts is UCF_CRIME else xd_label(name, path)
        try:
            facts.indices(label)
        except UserError as error:
            raise UserError(f"{path}: {error}; move it out of the feature folder") from None
        add_crop(crops.setdefault((name, label), {}), int(crop), path.absolute())
    if not crops:
        raise UserError(f"{folder} holds no features: expected files <video>__<crop>.npy in it")
    videos = [VideoCrops(name, label, files) for (name, label), files in crops.items()]
    return sorted(videos, key=lambda video: (video.label == facts.normal, video.name))


def ucf_label(path: Path) -> str:
    folder = path.parent.name
    return UCF_CRIME.normal if folder in UCF_NORMAL_FOLDERS else folder


def xd_label(name: str, path: Path) -> str:
    _, marker, label = name.rpartition("_label_")
    if not marker:
        raise UserError(f"{path} has no label in its name: expected <video>_label_<codes>__<crop>")
    return label


def write_training_list(videos: list[VideoCrops], out: Path, facts: Dataset) -> None:
    """All crops of each video, crop by crop."""
    fewer = [video.name for video in videos if len(video.crops) < CROPS]
    if fewer:
        count = plural(len(fewer), "training video")
        say(f"note: {count} with fewer than {CROPS} crops, first {fewer[0]}")
    rows = [(v.crops[crop], v.label) for v in videos for crop in sorted(v.crops)]
    write_list(rows, out / facts.train_list)
    count_videos(videos, out / facts.train_list, facts)


def write_test_side(
    videos: list[VideoCrops],
    annotations: dict[str, Annotation],
    out: Path,
    facts: Dataset,
    crop: int,
) -> None:
    """Test list, frame ground truth, segments and labels."""
    for name in (facts.gt_segment, facts.gt_label):
        if (other := out / f"{name}.npy").exists():
            raise UserError(f"{other} exists and would stand beside {name}.json: move it away")
    rows, frames, segments, labels = [], [], {}, {}
    for video in tqdm(videos, desc="ground truth", unit="video", disable=None):
        if crop not in video.crops:
            raise UserError(
                f"test video {video.name} has no crop {crop}, only {sorted(video.crops)}: extract "
                "it, or choose another with --test-crop"
            )
        path = video.crops[crop]
        count = len(read_features(path, header_only=True))
        normal = Annotation([], [(0, SNIPPET_FRAMES * count)], [facts.ground_truth_normal])
        annotation = normal if video.label == facts.normal else annotations[video.name]
        rows.append((path, video.label))
        frames.append(rasterize(annotation.frames, SNIPPET_FRAMES * count))
        segments[video.name] = annotation.segments
        labels[video.name] = annotation.labels
    write_list(rows, out / facts.test_list)
    with whole_file(out / facts.gt) as partial:
        np.save(partial, np.concatenate(frames))
    write_json(out / f"{facts.gt_segment}.json", segments)
    write_json(out / f"{facts.gt_label}.json", labels)
    count_videos(videos, out / facts.test_list, facts)
    say(f"{out / facts.gt}: {sum(map(len, frames))} frames")


def write_list(rows: list[tuple[Path, str]], path: Path) -> None:
    with whole_file(path) as partial:
        pd.DataFrame(rows, columns=COLUMNS).to_csv(partial, index=False, lineterminator="\n")


def count_videos(videos: list[VideoCrops], path: Path, facts: Dataset) -> None:
    normal = sum(video.label == facts.normal for video in videos)
    say(f"{path}: {len(videos) - normal} anomalous and {normal} normal videos")


def build_ucf(
    features: Path, annotations: Path, out: Path, test_crop: int = UCF_CRIME.test_crop
) -> None:
    """Lists and ground truth of UCF-Crime.

    Args:
        features: folder of class folders, training and test videos together.
        annotations: `Temporal_Anomaly_Annotation.txt`; its videos are the test set.
        out: folder to write to.
        test_crop: the crop in the test list.

    Raises:
        UserError: features and annotations do not fit each other; nothing is written then.
    """
    annotated = read_ucf_annotations(annotations)
    videos = scan(features, UCF_CRIME)
    test = [video for video in videos if video.name in annotated]
    require_all(annotated, test, features, annotations)
    for video in test:
        if video.label != annotated[video.name][0]:
            raise UserError(
                f"{video.name} is {annotated[video.name][0]} in {annotations}, but its features "
                f"lie in the folder of {video.label}"
            )
    by_name = {name: annotation for name, (_, annotation) in annotated.items()}
    write_test_side(test, by_name, out, UCF_CRIME, test_crop)
    training = [video for video in videos if video.name not in annotated]
    if training:
        write_training_list(training, out, UCF_CRIME)


def build_xd(
    features: Path | None,
    test_features: Path,
    annotations: Path,
    annotations_multiclasses: Path,
    out: Path,
    test_crop: int = XD_VIOLENCE.test_crop,
) -> None:
    """Lists and ground truth of XD-Violence.

    Args:
        features: folder of the training videos; None to build the test side alone.
        test_features: folder of the test videos.
        annotations, annotations_multiclasses: of the anomalous test videos.
        out, test_crop: as for `build_ucf`.

    Raises:
        UserError: features and annotations do not fit each other; nothing is written then.
    """
    annotated = read_xd_annotations(annotations, annotations_multiclasses)
    test = scan(test_features, XD_VIOLENCE)
    anomalous = [video for video in test if video.label != XD_VIOLENCE.normal]
    require_all(annotated, anomalous, test_features, annotations)
    for video in anomalous:
        if video.name not in annotated:
            raise UserError(f"{video.name} is anomalous, but {annotations} does not have it")
    training = scan(features, XD_VIOLENCE) if features else []
    if both := sorted({v.name for v in training} & {v.name for v in test}):
        raise UserError(
            f"{plural(len(both), 'test video')} in {features}, first {both[0]}: --features names "
            "the folder of the training videos alone"
        )
    write_test_side(test, annotated, out, XD_VIOLENCE, test_crop)
    if training:
        write_training_list(training, out, XD_VIOLENCE)


def require_all(annotated, videos: list[VideoCrops], features: Path, annotations: Path) -> None:
    if missing := sorted(annotated.keys() - {video.name for video in videos}):
        raise UserError(
            f"{len(missing)} of the {len(annotated)} videos of {annotations} have no features in "
            f"{features}, first {missing[0]}: extract them; without them results compare to none"
        )


@command
def main(argv=None) -> None:
    parser = module_parser("make_lists", __doc__.splitlines()[0])
    add = parser.add_argument
    add("dataset", nargs="?", choices=("ucf", "xd"), help="or --dataset")
    add("--dataset", dest="file", metavar="FILE.yml", help="a data set of your own, as this file "
        "describes it")  # fmt: skip
    add("--features", type=Path, metavar="DIR", help="feature folder (XD: of the training videos; "
        "--dataset: the file's)")  # fmt: skip
    add("--test-features", type=Path, metavar="DIR", help="XD: feature folder of the test videos")
    add("--annotations", type=Path, nargs="+", metavar="FILE", help="one file for ucf; "
        "annotations.txt annotations_multiclasses.txt for xd")  # fmt: skip
    add("--out", type=Path, metavar="DIR", help="folder to write to (default: list; --dataset: the "
        "file's)")  # fmt: skip
    add(
        "--test-crop", type=nonnegative_int, metavar="K", help="crop in the test list (ucf 5, xd 0)"
    )
    add("--test-share", type=fraction_below_1, metavar="X", help="--dataset: share of the videos "
        "to test on where the table of videos has no split; 0: none "
        f"(default: {TEST_SHARE})")  # fmt: skip
    add("--seed", type=nonnegative_int, metavar="N", help="--dataset: of that split (default: 0)")
    args = parser.parse_args(argv)
    if (args.dataset is None) == (args.file is None):
        raise UserError("name one data set: ucf, xd, or --dataset FILE.yml")
    if args.file:
        if args.annotations or args.test_features or args.test_crop is not None:
            raise UserError(
                "--annotations, --test-features and --test-crop are for ucf and xd: the file of "
                "--dataset says where its events are"
            )
        facts = with_places(read_dataset(args.file), args.features, args.out)
        share = TEST_SHARE if args.test_share is None else args.test_share
        build_own(facts, share, args.seed or 0)
    elif args.test_share is not None or args.seed is not None:
        raise UserError("--test-share and --seed are for --dataset: ucf and xd have a test set")
    else:
        build_published(args)


def build_published(args) -> None:
    """Lists of UCF-Crime or XD-Violence."""
    ucf = args.dataset == "ucf"
    if not args.annotations or len(args.annotations) != (1 if ucf else 2):
        raise UserError(f"--annotations: {args.dataset} has {'one file' if ucf else 'two files'}")
    if ucf and (args.features is None or args.test_features is not None):
        raise UserError("ucf takes --features, with training and test videos together")
    if not ucf and args.test_features is None:
        raise UserError("xd takes --test-features (and --features for the training list)")
    crop = {} if args.test_crop is None else {"test_crop": args.test_crop}
    out = args.out or Path("list")
    if ucf:
        build_ucf(args.features, *args.annotations, out, **crop)
    else:
        build_xd(args.features, args.test_features, *args.annotations, out, **crop)


if __name__ == "__main__":
    main()
