"""What several GPUs would gain, and what an archive of videos would cost: a calculation, from
counted operations and bytes and from assumed speeds. Nothing in it is timed.

    python -m benchmarks.scaling [--tflops 100] [--videos 10000000] [--minutes 4]

A step of K processes computes the texts, and B/K videos, on each GPU; and it sums the gradients of
all, 2(K − 1)/K times their bytes over each link of a ring. Communication is counted as if nothing
of it were hidden behind the backward pass, which DistributedDataParallel does. Left out is what
every GPU does alike (metrics, optimizers, launches), and decoding of videos.
"""

import torch

from benchmarks import workload
from benchmarks.measure import gflop
from losses import dsanet_losses
from model import build_model
from utils.datasets.features import SNIPPET_FRAMES
from utils.network.backbone import PICTURE_SIZE, RANDOM
from utils.network.batch import Filled
from utils.network.clip_visual import VisualTower
from utils.options.kinds import positive_float
from utils.system.command import OneLineParser, command

CPU = torch.device("cpu")
LINKS = {"NVLink": 300, "PCIe 4.0": 25, "100 Gbit Ethernet": 12.5, "10 Gbit Ethernet": 1.25}  # GB/s
VIDEOS = {"ucf": 128, "xd": 96}  # of a step
COUNTS = (2, 4, 8, 16, 32)
FLOAT16 = 2  # bytes


class Cost:
    """Of a step: bytes of the gradients, GFLOP of the texts and of a video of 256 snippets."""

    def __init__(self, dataset: str):
        args = workload.options(dataset)
        model = build_model(args, workload.FACTS[dataset]).train()
        trained = [p for p in model.parameters() if p.requires_grad]
        self.parameters = sum(p.numel() for p in trained)
        self.bytes = sum(p.numel() * p.element_size() for p in trained)
        self.texts = gflop(lambda: model.encode_text().sum().backward())
        text, labels = model.encode_text().detach(), torch.eye(args.classes_num)[:1]
        n = args.visual_length
        clip, lengths = torch.randn(1, n, 512), torch.tensor([n])
        filled = Filled.of(lengths, n, args.attn_window)

        def step():
            outputs = model(clip, lengths, text, filled)
            dsanet_losses(outputs, labels, lengths, args.loss2_weight)["total"].backward()

        self.video = gflop(step)
        with torch.inference_mode():
            self.chunk = gflop(lambda: model.eval()(clip, lengths, text, filled))

    def seconds(self, videos: float, tflops: float) -> float:
        """Computing a step of so many videos."""
        return (self.texts + videos * self.video) / 1e3 / tflops

    def exchange(self, processes: int, gigabytes: float) -> float:
        """Seconds of summing the gradients."""
        return 2 * (processes - 1) / processes * self.bytes / 1e9 / gigabytes


def step_table(cost: Cost, videos: int, tflops: float) -> None:
    print(f"\n{'link':20}" + "".join(f"{f'{k} GPUs':>10}" for k in COUNTS) + "   dominates from")
    for link, speed in LINKS.items():
        alone = cost.seconds(videos, tflops)
        shared = [(k, cost.seconds(videos / k, tflops), cost.exchange(k, speed)) for k in COUNTS]
        gains = [f"{alone / (own + talk):9.1f}x" for _, own, talk in shared]
        first = next((f"{k} GPUs" for k, own, talk in shared if talk > own), f"> {COUNTS[-1]} GPUs")
        # As many videos for each GPU however many there are: the batch at which both are equal.
        batch = (cost.exchange(COUNTS[-1], speed) * 1e3 * tflops - cost.texts) / cost.video
        print(f"{link:20}{''.join(gains)}   {first}; below {max(batch, 0):.0f} videos a GPU")


def archive_table(cost: Cost, tower: float, settings) -> None:
    """GPU hours and bytes of extracting and scoring all videos, one crop."""
    frames = settings.videos * settings.minutes * 60 * settings.fps
    snippets = frames / SNIPPET_FRAMES
    chunks = settings.videos * -(-settings.minutes * 60 * settings.fps // (SNIPPET_FRAMES * 256))
    rate = settings.tflops * 1e3 * 3600  # GFLOP an hour
    hours = {
        "extraction, mean of 16 frames": frames * tower / rate,
        "extraction, middle frame": snippets * tower / rate,
        "scoring, UCF-Crime's network": chunks * cost.chunk / rate,
    }
    print(
        f"\n{settings.videos:.3g} videos of {settings.minutes:g} minutes, {settings.fps:g} frames "
        f"a second: {frames:.3g} frames, {snippets * 512 * FLOAT16 / 1e12:.1f} TB of features"
    )
    for name, value in hours.items():
        print(f"{name:32}{value:12,.1f} GPU hours")


@command
def main(argv=None):
    parser = OneLineParser(description="what several GPUs would gain: a calculation")
    add = parser.add_argument
    add("--tflops", type=positive_float, default=100.0, help="that a GPU reaches (default: 100)")
    add("--videos", type=positive_float, default=1e7, help="of the archive (default: ten million)")
    add("--minutes", type=positive_float, default=4.0, help="of a video (default: 4)")
    add("--fps", type=positive_float, default=30.0, help="frames a second (default: 30)")
    settings = parser.parse_args(argv)
    costs = {dataset: Cost(dataset) for dataset in VIDEOS}
    for dataset, cost in costs.items():
        videos = VIDEOS[dataset]
        print(
            f"\n{workload.FACTS[dataset].title}: {cost.parameters / 1e6:.1f} million trained "
            f"parameters, {cost.bytes / 1e6:.0f} MB of gradients; a step of {videos} videos: "
            f"{cost.texts:.1f} + {videos} x {cost.video:.1f} GFLOP, "
            f"{1e3 * cost.seconds(videos, settings.tflops):.0f} ms at {settings.tflops:g} TFLOP/s"
        )
        step_table(cost, videos, settings.tflops)
    pictures = torch.zeros(1, 3, PICTURE_SIZE, PICTURE_SIZE, dtype=torch.uint8)
    tower = VisualTower(RANDOM, CPU, "fp32")
    archive_table(costs["ucf"], gflop(lambda: tower(pictures)), settings)


if __name__ == "__main__":
    main()
