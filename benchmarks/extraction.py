"""Extracting features, beside a plain loop that takes one picture after another.

    python -m benchmarks.extraction [--device cuda] [--precision bf16]

Both make the same features of one video with CLIP's visual tower (random weights) and must agree.
"""

import tempfile
import time
from pathlib import Path

import av
import numpy as np
import torch

from utils.datasets.features import SNIPPET_FRAMES
from utils.network.backbone import RANDOM
from utils.network.clip_visual import VisualTower
from utils.options.kinds import positive_int
from utils.system.command import OneLineParser, command
from utils.system.device import set_up_device
from utils.system.machine import PRECISIONS
from utils.videos.extraction import Extraction
from utils.videos.frames import Video, crop, resize
from utils.videos.records import Recipe

SIZE = (852, 480)  # width and height of the video
PAIR = (0, 5)
TOLERANCE = {"fp32": 1e-3, "tf32": 1e-2, "bf16": 5e-2}  # relative to the largest value


def make_video(path: Path, frames: int) -> None:
    """Coarse noise that moves, so that decoding has something to do."""
    noise = np.random.default_rng(0).integers(0, 256, (30, 54, 3), dtype=np.uint8)
    picture = noise.repeat(16, axis=0).repeat(16, axis=1)[: SIZE[1], : SIZE[0]]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for i in range(frames):
            frame = av.VideoFrame.from_ndarray(np.roll(picture, 4 * i, axis=1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def plain(path: Path, tower: VisualTower) -> np.ndarray:
    """(K, T, 512), frame by frame and crop by crop."""
    rows = [[tower(crop(resize(f), k)[None])[0].cpu() for k in PAIR] for f in Video(path).frames()]
    features = torch.stack([torch.stack(row) for row in rows])  # [F, K, 512]
    return features.unflatten(0, (-1, SNIPPET_FRAMES)).mean(dim=1).transpose(0, 1).numpy()


class Timed:
    """The tower, and the seconds spent in it."""

    def __init__(self, tower: VisualTower):
        self.tower = tower
        self.width = tower.width
        self.seconds = 0.0

    def __call__(self, pictures: torch.Tensor) -> torch.Tensor:
        begun = time.perf_counter()
        features = self.tower(pictures).cpu()
        self.seconds += time.perf_counter() - begun
        return features


@command
def main(argv=None):
    parser = OneLineParser(description="extracting features beside a plain loop")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32")
    parser.add_argument("--snippets", type=positive_int, default=4, help="of the video")
    parser.add_argument("--batch-size", type=positive_int, default=64)
    args = parser.parse_args(argv)
    tower = VisualTower(RANDOM, set_up_device(args.device, args.precision), args.precision)
    frames = args.snippets * SNIPPET_FRAMES
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "v.mp4")
        make_video(path, frames)
        tower(torch.zeros(args.batch_size, 3, 224, 224, dtype=torch.uint8))  # warm up

        begun = time.perf_counter()
        expected = plain(path, tower)
        before = time.perf_counter() - begun

        timed = Timed(tower)
        recipe = Recipe(RANDOM, "mean", args.precision, "float32")
        extraction = Extraction({path: Path("v")}, Path(folder), list(PAIR), recipe)
        begun = time.perf_counter()
        extraction.run(timed, args.batch_size, decoders=1)
        after = time.perf_counter() - begun
        found = np.stack([np.load(Path(folder, f"v__{k}.npy")) for k in PAIR])
    error = np.abs(found - expected).max() / np.abs(expected).max()
    assert error <= TOLERANCE[args.precision], f"features differ by {error:.1e}"
    print(
        f"{frames} frames of {SIZE[0]} by {SIZE[1]}, {len(PAIR)} crops, {args.precision}: plain "
        f"{frames / before:.2f} frames/s, ours {frames / after:.2f} ({before / after:.2f}x), "
        f"{100 * timed.seconds / after:.0f} % of it in CLIP's forward pass"
    )


if __name__ == "__main__":
    main()
