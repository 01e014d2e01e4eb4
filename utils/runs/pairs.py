"""Steps of as many normal as anomalous videos: the recipe of UCF-Crime, and of methods that compare
the two on any data set."""

import torch

from utils.datasets.lists import Row, crops_of_videos
from utils.datasets.order import Shuffled
from utils.plan import batch_size_for
from utils.system.errors import UserError


class Paired:
    """Batches of as many normal as anomalous videos, normal first, as long as both last.

    Args:
        rows: of the training list.
        args: options.
        generator: draws the order.

    Attributes:
        batch_size: videos of a kind in a batch.
        smallest: the same, every batch is full.
        kinds: of videos that follow one another in a batch.

    Raises:
        UserError: there are too few videos, or a video has not the crops that stay together.
    """

    kinds = 2

    def __init__(self, rows: list[Row], args, generator: torch.Generator):
        videos = crops_together(rows, args.crops, args.train_list)
        kinds = {
            name: [crops for crops in videos if rows[crops[0]].normal == normal]
            for name, normal in (("normal", True), ("anomalous", False))
        }
        what = "rows" if args.crops == 1 else "videos"
        fewer = min(kinds, key=lambda name: len(kinds[name]))
        self.batch_size = batch_size_for(args, len(kinds[fewer]), f"{fewer} {what}")
        self.smallest = self.batch_size
        self.parts = [
            Shuffled(of_kind, self.batch_size, generator, drop_last=True)
            for of_kind in kinds.values()
        ]

    def __len__(self) -> int:
        return min(map(len, self.parts))

    def __iter__(self):
        for normal, anomalous in zip(*self.parts, strict=False):
            yield [row for crops in normal + anomalous for row in crops]


def crops_together(rows: list[Row], together: int, path: str) -> list[list[int]]:
    """The indices of the rows that are a video to a step.

    Args:
        rows: of the training list.
        together: crops of a video that stay together; 1 makes a video of each.
        path: of the list, for errors.

    Raises:
        UserError: a video has another number of crops.
    """
    if together == 1:
        return [[i] for i in range(len(rows))]
    videos = crops_of_videos(rows)
    for crops in videos:
        if len(crops) != together:
            raise UserError(
                f"--crops {together}: {path} has {len(crops)} rows of video "
                f"{rows[crops[0]].video}; expected {together} of each video: list them, or leave "
                "--crops out"
            )
    return videos
