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
from utils.datasets.clip_cache import training_batches
from utils.datasets.lists import read_list
from utils.datasets.order import Order, Shuffled, set_seed
from utils.engine import EvaluationSet, train_one_epoch
from utils.labels import XD_VIOLENCE
from utils.optimization import make_optimization
from utils.runs.training import Run
from utils.system import parallel
from utils.system.device import set_up_device
from utils.system.errors import command


@command
def main(argv=None):
    parallel.start()
    args = parser.parse_args(argv)
    if args.check_data:
        require_sound_data(args, XD_VIOLENCE)
    set_seed(args.seed)
    device = set_up_device(args)

    rows = read_list(args.train_list, XD_VIOLENCE, args.feature_root)
    generator = torch.Generator()
    order = Order(Shuffled(range(len(rows)), args.batch_size, generator), generator, args.seed)
    test = EvaluationSet(args, XD_VIOLENCE)
    batches = training_batches(rows, parallel.Parts(order, args), args)

    model = build_model(args, XD_VIOLENCE, device)
    optimization = make_optimization(model, args, planned_steps=args.max_epoch * len(order))
    with Run(args, model, optimization, rows, order, test) as run:
        wrapped = parallel.wrap(model)
        for epoch in range(run.epoch, args.max_epoch):
            order.begin(epoch, run.step)
            for losses in train_one_epoch(wrapped, batches, optimization, args, run.step):
                run.after_step(losses)
            run.end_epoch()
        run.finish()


if __name__ == "__main__":
    main()
