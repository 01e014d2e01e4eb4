"""Train DSANet, or a baseline (--method), on UCF-Crime.

    python ucf_train.py --feature-root /data/UCFClipFeatures
    torchrun --nproc_per_node=4 ucf_train.py --feature-root /data/UCFClipFeatures    on four GPUs

A step takes one batch of normal and one of anomalous videos (paper: 64 each); the shorter of the
two loaders makes the epoch. The options are in ucf_option.py.
"""

from ucf_option import parser

if __name__ == "__main__":
    parser.answer_help()  # before PyTorch is imported, which takes seconds

import torch

from model import build_model
from utils.check_data import require_sound_data
from utils.datasets.batches import training_batches, training_clips
from utils.datasets.lists import Row, read_list
from utils.datasets.order import Order, Parts, Shuffled
from utils.engine import EvaluationSet, train_one_epoch
from utils.labels import UCF_CRIME
from utils.optim import make_optimization
from utils.runs.training import Run
from utils.system.command import command
from utils.system.device import set_up_device
from utils.system.errors import UserError
from utils.system.meeting import join_processes
from utils.system.parallel import share_gradients
from utils.system.seeds import set_seed


class Paired:
    """Batches of as many normal as anomalous videos, normal first, as long as both last."""

    def __init__(self, rows: list[Row], args, generator: torch.Generator):
        self.parts = []
        for kind, normal in (("normal", True), ("anomalous", False)):
            indices = [i for i, row in enumerate(rows) if row.normal == normal]
            if len(indices) < args.batch_size:
                raise UserError(
                    f"{args.train_list} has {len(indices)} {kind} rows, fewer than one batch of "
                    f"{args.batch_size}: no step could be trained; choose a smaller --batch-size"
                )
            self.parts.append(Shuffled(indices, args.batch_size, generator, drop_last=True))
        self.smallest = args.batch_size  # videos of a kind

    def __len__(self) -> int:
        return min(map(len, self.parts))

    def __iter__(self):
        for normal, anomalous in zip(*self.parts, strict=False):
            yield normal + anomalous


@command
def main(argv=None):
    join_processes()
    args = parser.parse_args(argv)
    if args.check_data:
        require_sound_data(args, UCF_CRIME)
    set_seed(args.seed)
    device = set_up_device(args.device, args.precision, args.deterministic)

    rows = read_list(args.train_list, UCF_CRIME, args.feature_root)
    generator = torch.Generator()
    pairs = Paired(rows, args, generator)
    order = Order(pairs, generator, args.seed)
    test = EvaluationSet(args, UCF_CRIME)
    workers = args.num_workers
    clips = training_clips(rows, args.visual_length, args.train_list, args.cache, workers)
    batches = training_batches(clips, Parts(order, args.batch_size, kinds=2), workers, device)

    model = build_model(args, UCF_CRIME, device)
    # The official schedule of SG-NM is planned for the steps of both kinds, twice what is walked.
    planned_steps = args.max_epoch * sum(map(len, pairs.parts))
    optimization = make_optimization(model, args, planned_steps)
    with Run(args, model, optimization, rows, order, test) as run:
        wrapped = share_gradients(model)
        for epoch in range(run.epoch, args.max_epoch):
            order.begin(epoch, run.step)
            for losses in train_one_epoch(wrapped, batches, optimization, args, run.step):
                run.after_step(losses)
            run.end_epoch()
        run.finish()


if __name__ == "__main__":
    main()
