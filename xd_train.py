"""Train DSANet, or a baseline (--method), on XD-Violence.

    python xd_train.py --feature-root /data/XD
    torchrun --nproc_per_node=4 xd_train.py --feature-root /data/XD    on four GPUs

One loader with all videos (paper: 96 a batch), the partial last batch included; RTFM and CLIP-TSA
take as many normal as anomalous ones. The options are in xd_option.py. --dataset FILE.yml trains on
a data set of your own in the same way.
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
from utils.datasets.split import hold_out, leave_out
from utils.engine import train_one_epoch
from utils.labels import XD_VIOLENCE, dataset_of
from utils.optim import make_optimization
from utils.options.methods import METHODS
from utils.plan import Plan, batch_size_for
from utils.runs.evaluation_sets import EvaluationSets
from utils.runs.pairs import Paired
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
    facts = dataset_of(args, XD_VIOLENCE)
    if args.check_data:
        require_sound_data(args, facts)
    set_seed(args.seed)
    device = set_up_device(args.device, args.precision, args.deterministic)

    rows = read_list(args.train_list, facts, args.feature_root)
    rows, held_out = hold_out(rows, args.validation, args.seed, args.train_list)
    rows, held_out = leave_out(rows, held_out, facts, args.leave_out)
    generator = torch.Generator()
    if METHODS[args.method].pairs_videos:
        steps = Paired(rows, args, generator)
    else:
        batch_size = batch_size_for(args, len(rows), "training rows")
        steps = Shuffled(range(len(rows)), batch_size, generator)
    plan = Plan.of(args, steps=len(steps), sgnm_steps=len(steps))
    order = Order(steps, generator, args.seed, plan.passes, plan.most_steps)
    sets = EvaluationSets.of(args, facts, held_out)
    workers = args.num_workers
    clips = training_clips(rows, args.visual_length, args.train_list, args.cache, workers)
    batches = training_batches(clips, Parts(order), workers, device)

    model = build_model(args, facts, device)
    optimization = make_optimization(
        model, args, planned_steps=plan.sgnm_steps, epochs=plan.epochs, warmup_steps=plan.warmup
    )
    with Run(args, model, optimization, rows, order, plan, sets) as run:
        wrapped = share_gradients(model)
        for epoch in range(run.epoch, plan.epochs):
            order.begin(epoch, run.step)
            for losses in train_one_epoch(wrapped, batches, optimization, args):
                run.after_step(losses)
            run.end_epoch()
        run.finish()


if __name__ == "__main__":
    main()
