"""Train DSANet, or a baseline (--method), on XD-Violence.

    python xd_train.py --feature-root /data/XD
    torchrun --nproc_per_node=4 xd_train.py --feature-root /data/XD    on four GPUs

One loader with all videos (paper: 96 a batch), the partial last batch included. The options are in
xd_option.py.
"""

from xd_option import parser

if __name__ == "__main__":
    parser.answer_help()  # before PyTorch is imported, which takes seconds

import torch

from model import build_model
from utils.check_data import require_sound_data
from utils.datasets.batches import training_batches, training_clips
from utils.datasets.lists import read_list
from utils.datasets.order import Order, Parts, Shuffled
from utils.engine import EvaluationSet, train_one_epoch
from utils.labels import XD_VIOLENCE
from utils.optim import make_optimization
from utils.runs.training import Run
from utils.system.command import command
from utils.system.device import set_up_device
from utils.system.meeting import join_processes
from utils.system.parallel import share_gradients
from utils.system.seeds import set_seed


@command
def main(argv=None):
    join_processes()
    args = parser.parse_args(argv)
    if args.check_data:
        require_sound_data(args, XD_VIOLENCE)
    set_seed(args.seed)
    device = set_up_device(args.device, args.precision, args.deterministic)

    rows = read_list(args.train_list, XD_VIOLENCE, args.feature_root)
    generator = torch.Generator()
    order = Order(Shuffled(range(len(rows)), args.batch_size, generator), generator, args.seed)
    test = EvaluationSet(args, XD_VIOLENCE)
    workers = args.num_workers
    clips = training_clips(rows, args.visual_length, args.train_list, args.cache, workers)
    batches = training_batches(clips, Parts(order, args.batch_size), workers, device)

    model = build_model(args, XD_VIOLENCE, device)
    optimization = make_optimization(model, args, planned_steps=args.max_epoch * len(order))
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
