"""CLIP features of videos, in the form that training and testing read.

    python extract_features.py VIDEOS --out FEATURES                     a folder, files, or a list
    python extract_features.py VIDEOS --out FEATURES --crops 5           one crop, as for testing
    python extract_features.py VIDEOS --out FEATURES --shard 0/4         a quarter of the videos

For each video and crop `<video>__<crop>.npy`, (T, 512), T = frames // 16: row t is the image
feature of CLIP ViT-B/16 for frames 16t … 16t+15, not normalised. A folder's sub-folders come back
under --out. What is there already is left alone, so the same command goes on where it stopped.
"""

import argparse
import hashlib
import os
import sys
from pathlib import Path

from utils.network.backbone import CLIP_NAME, RANDOM
from utils.options.kinds import positive_int
from utils.system import group
from utils.system.command import OneLineParser, command
from utils.system.console import say
from utils.system.errors import UserError
from utils.system.machine import CORES, PRECISIONS
from utils.videos.inputs import CROPS, POOLS, find_videos

DTYPES = ("float16", "float32")


def crop_list(text: str) -> list[int]:
    crops = [int(part) for part in text.split(",")]
    if not all(0 <= c < CROPS for c in crops) or len({*crops}) < len(crops):
        raise ValueError
    return crops


def shard(text: str) -> tuple[int, int]:
    index, _, count = text.partition("/")
    index, count = int(index), int(count)
    if not 0 <= index < count:
        raise ValueError
    return index, count


crop_list.__name__ = f"list of crops, as in 0,5 (0…{CROPS - 1})"
shard.__name__ = "share, as in 0/4"


def read_options(argv: list[str] | None) -> argparse.Namespace:
    """The options of this command."""
    parser = OneLineParser(description="CLIP features of videos.", allow_abbrev=False)
    add = parser.add_argument
    add("inputs", nargs="+", metavar="input", type=Path, help="a video, folder, or .txt list of "
        "videos")  # fmt: skip
    add("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    add("--crops", type=crop_list, default=list(range(CROPS)), metavar="K,…", help="which "
        "(default: all ten)")  # fmt: skip
    add("--pool", choices=POOLS, default="mean", help="a row is the mean over its 16 frames' "
        "features, or that of the middle frame, for a sixteenth of the work (default: "
        "%(default)s)")  # fmt: skip
    add("--dtype", choices=DTYPES, default=DTYPES[0], help="of the files (default: %(default)s)")
    add("--clip-weights", default=CLIP_NAME, metavar="W", help=f"{CLIP_NAME} (the default, "
        f"downloaded once), a file, or {RANDOM} (for tests)")  # fmt: skip
    add("--shard", type=shard, metavar="I/N", help="every N-th video from the I-th on (default: "
        "the share of this process under torchrun, else all)")  # fmt: skip
    add("--batch-size", type=positive_int, default=64, metavar="B", help="pictures the network "
        "sees at once (default: %(default)s)")  # fmt: skip
    add("--decoders", type=positive_int, default=min(4, CORES), metavar="D", help="videos decoded "
        "at once (default here: %(default)s)")  # fmt: skip
    add("--device", default="auto", help="cpu, cuda, cuda:1, …; auto (the default): cuda where "
        "there is one")  # fmt: skip
    add("--precision", choices=PRECISIONS, default="fp32", help="of matrix products (default: "
        "%(default)s)")  # fmt: skip
    return parser.parse_args(argv)


def summary(videos: dict[Path, Path]) -> str:
    """`3 videos (1a2b3c4d)`: their number, and what tells others from them."""
    names = "\n".join(map(str, videos.values())).encode(errors="surrogateescape")
    return f"{len(videos)} videos ({hashlib.sha256(names).hexdigest()[:8]})"


@command
def main(argv=None):
    if "WORLD_SIZE" in os.environ:  # torchrun's processes meet first: one says what is wrong
        from utils.system.meeting import join_processes

        join_processes()
    args = read_options(argv)
    if args.shard and group.processes() > 1:
        raise UserError("--shard is for processes started one by one: under torchrun leave it out")
    videos = find_videos(args.inputs)

    # Here, because PyTorch and PyAV come with these and take seconds, which --help and what is
    # wrong with the options need not wait for.
    from utils.network.clip_visual import VisualTower
    from utils.system import parallel
    from utils.system.device import set_up_device
    from utils.videos.extraction import Extraction

    together = parallel.patient_group()
    made_alike = {name: getattr(args, name) for name in ("crops", "pool", "dtype", "precision")}
    parallel.require_same({**made_alike, "inputs": summary(videos)})
    index, count = args.shard or (group.rank(), group.processes())
    videos = dict(list(videos.items())[index::count])
    extraction = Extraction(videos, args.out, args.crops, args.pool, args.dtype)
    if extraction.waiting:
        device = set_up_device(args.device, args.precision)
        tower = VisualTower(args.clip_weights, device, args.precision)
        extraction.run(tower, args.batch_size, args.decoders)
    for failure in extraction.failures:
        print(f"failed: {failure}", file=sys.stderr)
    # Who ends with an error ends the others with it, so all end together.
    numbers = [extraction.written, extraction.skipped, len(extraction.failures)]
    written, skipped, failed = map(int, parallel.total(numbers, together))
    say(f"{written} videos extracted, {skipped} before, {failed} failed")
    group.leave(int(failed > 0))
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
