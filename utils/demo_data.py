"""A small synthetic data set in the real file formats, for `make demo` and the tests.

    python -m utils.demo_data ucf --out demo/ucf    (or xd)

Nothing here comes from a video: it shows that the code runs and learns, not how good the method
is. What the videos look like: `utils/demo_videos.py`.
"""

import json
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from utils.demo_videos import (
    FULL_SIZE,
    TEST_VIDEOS,
    TRAIN_VIDEOS,
    make_crop,
    make_split,
    make_world,
)
from utils.labels import UCF_CRIME, XD_VIOLENCE, Dataset
from utils.make_lists import build_ucf, build_xd
from utils.options.kinds import nonnegative_int, positive_int
from utils.system.command import command, module_parser
from utils.system.errors import UserError
from utils.system.files import require_writable, write_json
from utils.videos.inputs import CROPS

UCF_EVENTS = 2  # in a line of annotation


def ucf_annotations(videos):
    """{file: lines `name  class  start  stop  start  stop  `}, -1 for events that are not there."""
    text = ""
    for video in sorted(videos, key=lambda video: video.name):
        label = video.events[0].codes[0] if video.events else UCF_CRIME.normal
        frames = [frame for event in video.events for frame in (event.start, event.stop)]
        frames += [-1] * (2 * UCF_EVENTS - len(frames))
        text += "  ".join(map(str, [video.name, label, *frames])) + "  \n"
    return {"Temporal_Anomaly_Annotation.txt": text}


def xd_annotations(videos):
    """{file: lines `name start stop ...`, with or without a class before each start}."""
    plain = classes = ""
    for name, events in [(video.name, video.events) for video in videos if video.events]:
        plain += " ".join([name, *(f"{e.start} {e.stop}" for e in events)]) + "\n"
        shown = (f"{code} {e.start} {e.stop}" for e in events for code in e.codes)
        classes += " ".join([name, *shown]) + "\n"
    return {"annotations.txt": plain, "annotations_multiclasses.txt": classes}


@threadpool_limits.wrap(limits=1)  # for products this small, threads cost more than they give
def generate(
    facts: Dataset,
    out,
    train_videos=None,
    test_videos=None,
    seed=0,
    long_events=False,
    full_size=False,
):
    """Writes features, annotations, lists and ground truth to the folder `out`. With `long_events`
    half of the anomalous videos are abnormal for most of their time. With `full_size` videos are
    as long as real ones, and as many where no number is given.

    Raises:
        UserError: `out` holds other features, which would get into the lists.
    """
    out, ucf, world = Path(out), facts is UCF_CRIME, make_world(facts, seed, long_events, full_size)
    of_split = FULL_SIZE[facts.name]
    train_videos = train_videos or (of_split["train"][0] if full_size else TRAIN_VIDEOS)
    test_videos = test_videos or (of_split["test"][0] if full_size else TEST_VIDEOS)
    folders = [out / n for n in (["features"] if ucf else ["train_features", "test_features"])]
    note = out / f"demo_{facts.name}.json"
    made = {"train_videos": train_videos, "test_videos": test_videos, "seed": seed}
    made |= {"long_events": True} if long_events else {}
    made |= {"full_size": True} if full_size else {}
    again = note.exists() and json.loads(note.read_text()) == made
    if not again and any(folder.exists() for folder in folders):
        raise UserError(f"{out} holds other features: remove it or name another folder (--out)")
    require_writable(note)
    write_json(note, made)
    train, test = make_split(world, "train", train_videos), make_split(world, "test", test_videos)
    for i, video in enumerate(tqdm(train + test, unit="video", disable=None)):
        folder = out / video.folder
        folder.mkdir(parents=True, exist_ok=True)
        for k in range(CROPS) if i < len(train) else [facts.test_crop]:
            np.save(folder / f"{video.name}__{k}.npy", make_crop(world, video, k))
    texts = ucf_annotations(test) if ucf else xd_annotations(test)
    for name in texts:
        (out / name).write_text(texts[name])
    (build_ucf if ucf else build_xd)(*folders, *(out / name for name in texts), out / "list")


@command
def main(argv=None) -> None:
    parser = module_parser("demo_data", __doc__.splitlines()[0])
    parser.add_argument("dataset", choices=("ucf", "xd"), help="whose classes and file formats")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--train-videos", type=positive_int, help=f"how many ({TRAIN_VIDEOS})")
    parser.add_argument("--test-videos", type=positive_int, help=f"how many ({TEST_VIDEOS})")
    parser.add_argument("--seed", type=nonnegative_int, default=0, help="same seed, same files")
    parser.add_argument("--long-events", action="store_true", help="half of the anomalous videos "
        "are abnormal for most of their time")  # fmt: skip
    parser.add_argument("--full-size", action="store_true", help="as many videos as the data set "
        "has, and as long: gigabytes")  # fmt: skip
    args = parser.parse_args(argv)
    facts = UCF_CRIME if args.dataset == "ucf" else XD_VIOLENCE
    generate(
        facts, args.out, args.train_videos, args.test_videos, args.seed, args.long_events,
        args.full_size,
    )  # fmt: skip


if __name__ == "__main__":
    main()
