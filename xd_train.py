"""Train DSANet on XD-Violence.

    python xd_train.py --feature-root /data/XD

One loader with all videos (paper: 96 a batch), the partial last batch included. The options are in
xd_option.py.
"""

import torch

from model import build_model
from utils.clips import Shuffled, epoch_seed, training_batches
from utils.datasets import read_list
from utils.device import set_up_device
from utils.engine import EvaluationSet, Optimization, set_seed, train_one_epoch
from utils.errors import command
from utils.labels import XD_VIOLENCE
from utils.run import Run
from xd_option import parser


@command
def main(argv=None):
    args = parser.parse_args(argv)
    set_seed(args.seed)
    device = set_up_device(args)

    rows = read_list(args.train_list, XD_VIOLENCE, args.feature_root)
    order = torch.Generator()
    every_row = Shuffled(range(len(rows)), args.batch_size, order)
    test = EvaluationSet(args, XD_VIOLENCE)
    batches = training_batches(rows, every_row, args)

    model = build_model(args, XD_VIOLENCE, device)
    optimization = Optimization(
        model, lr=args.lr, epochs=args.max_epoch, planned_steps=args.max_epoch * len(batches)
    )
    run = Run(args, model, optimization, test)
    for epoch in range(run.first_epoch, args.max_epoch):
        order.manual_seed(epoch_seed(args.seed, epoch))
        for step, losses in train_one_epoch(model, batches, optimization, args):
            run.after_step(epoch, step, losses)
        run.end_epoch(epoch, step)
    run.finish()


if __name__ == "__main__":
    main()
