"""CLIP features of videos, in the form that training and testing read.

    python extract_features.py VIDEOS --out FEATURES                     a folder, files, or a list
    python extract_features.py VIDEOS --out FEATURES --crops 5           one crop, as for testing
    python extract_features.py VIDEOS --out FEATURES --shard 0/4         a quarter of the videos

For each video and crop `<video>__<crop>.npy`, (T, 512), T = frames // 16: row t is the image
feature of CLIP ViT-B/16 for frames 16t … 16t+15, not normalised. --backbone ViT-L/14 makes rows of
768. A folder's sub-folders come back under --out. What is there already is left alone, so the same
command goes on where it stopped. `<video>__features.json` says how they were made: nothing is added
to what was made otherwise.
"""

import argparse
import hashlib
import os
import sys
from pathlib import Path

from utils.datasets.features import SNIPPET_FRAMES
from utils.network.backbone import BACKBONES, CLIP_NAME, RANDOM
from utils.network.clip_file import weights_identity
from utils.options.clip import clip_options
from utils.options.kinds import called, positive_int
from utils.system import group
from utils.system.command import OneLineParser, command
from utils.system.console import plural, printable, say
from utils.system.errors import UserError
from utils.system.files import require_writable
from utils.system.machine import CORES, PRECISIONS
from utils.videos.inputs import CROPS, POOLS, find_videos
from utils.videos.records import Recipe, record_file, require_made_alike

DTYPES = ("float16", "float32")


@called(f"list of crops, as in 0,5 (0…{CROPS - 1})", "K,…")
def crop_list(text: str) -> list[int]:
    crops = [int(part) for part in text.split(",")]
    if not all(0 <= c < CROPS for c in crops) or len({*crops}) < len(crops):
        raise ValueError
    return crops


@called("share, as in 0/4", "I/N")
def shard(text: str) -> tuple[int, int]:
    index, _, count = text.partition("/")
    index, count = int(index), int(count)
    if not 0 <= index < count:
        raise ValueError
    return index, count


def read_options(argv: list[str] | None) -> argparse.Namespace:
    """The options of this command."""
    parser = OneLineParser(description="CLIP features of videos.", allow_abbrev=False)
    add = parser.add_argument
    add("inputs", nargs="+", metavar="input", type=Path, help="a video, folder, or .txt list of "
        "videos")  # fmt: skip
    add("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    add("--crops", type=crop_list, default=list(range(CROPS)), metavar="K,…", help="crops to "
        "make, 0 to 9, as in 0,5 (default: all ten)")  # fmt: skip
    add("--pool", choices=POOLS, default="mean", help="a row is the mean over its frames' "
        "features, or that of the middle frame, for 1/N of the work (default: "
        "%(default)s)")  # fmt: skip
    add("--snippet-frames", type=positive_int, default=SNIPPET_FRAMES, metavar="N", help="frames "
        "that a row stands for (default: %(default)s)")  # fmt: skip
    add("--dtype", choices=DTYPES, default=DTYPES[0], help="of the files (default: %(default)s)")
    add("--backbone", choices=BACKBONES, help=f"which CLIP (default: {CLIP_NAME})")
    add("--clip-weights", metavar="W", help="its weights: its name (the default, downloaded once), "
        f"a file, or {RANDOM} (for tests)")  # fmt: skip
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
    args = parser.parse_args(argv)
    return argparse.Namespace(**vars(args) | clip_options(vars(args)))


def summary(videos: dict[Path, Path]) -> str:
    """`3 videos (1a2b3c4d)`: their number, and what tells others from them."""
    names = "\n".join(map(str, videos.values())).encode(errors="surrogateescape")
    return f"{plural(len(videos), 'video')} ({hashlib.sha256(names).hexdigest()[:8]})"


@command
def main(argv=None):
    if "WORLD_SIZE" in os.environ:  # torchrun's processes meet first: one says what is wrong
        from utils.system.meeting import join_processes

        join_processes()
    args = read_options(argv)
    if args.shard and group.processes() > 1:
        raise UserError("--shard is for processes started one by one: under torchrun leave it out")
    videos = find_videos(args.inputs)
    longest = max(videos.values(), key=lambda place: len(os.fsencode(place.name)))
    require_writable(args.out / record_file(longest))

    # Here, because PyTorch and PyAV come with these and take seconds, which --help and what is
    # wrong with the options need not wait for.
    from utils.network.clip_visual import VisualTower
    from utils.system import parallel
    from utils.system.device import set_up_device
    from utils.videos.extraction import Extraction

    together = parallel.patient_group()
    clip = weights_identity(args.clip_weights, args.backbone)
    recipe = Recipe(clip, args.pool, args.precision, args.dtype, args.snippet_frames)
    same = {"crops": args.crops, **recipe._asdict(), "inputs": summary(videos)}
    parallel.require_equal_settings(same)
    unrecorded = parallel.from_main(
        lambda: require_made_alike(videos, args.out, args.crops, recipe)
    )
    if unrecorded:
        say(
            f"note: {unrecorded} feature files in {args.out} have no record of how they were made; "
            "they are taken as they are"
        )
    index, count = args.shard or (group.rank(), group.processes())
    videos = dict(list(videos.items())[index::count])
    extraction = Extraction(videos, args.out, args.crops, recipe)
    if extraction.waiting:
        device = set_up_device(args.device, args.precision)
        tower = VisualTower(args.clip_weights, device, args.precision, args.backbone)
        extraction.run(tower, args.batch_size, args.decoders)
    for failure in extraction.failures:
        print(printable(f"failed: {failure}"), file=sys.stderr)
    # Who ends with an error ends the others with it, so all end together.
    numbers = [extraction.written, extraction.skipped, len(extraction.failures)]
    written, skipped, failed = map(int, parallel.total(numbers, together))
    say(f"{plural(written, 'video')} extracted, {skipped} before, {failed} failed")
    group.leave(int(failed > 0))
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
