"""Train DSANet on XD-Violence.

    python xd_train.py --feature-root /data/XD

One loader with all videos (paper: 96 a batch), the partial last batch included. The options are in
xd_option.py.
"""

from model import build_model
from utils.datasets import epoch_seed, read_list, training_batches
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
    batches = training_batches(rows, args, drop_last=False, what="training")
    steps = len(batches)
    test = EvaluationSet(args, XD_VIOLENCE)

    model = build_model(args, XD_VIOLENCE, device)
    optimization = Optimization(
        model, lr=args.lr, epochs=args.max_epoch, planned_steps=args.max_epoch * steps
    )
    run = Run(args, model, optimization, test)
    for epoch in range(run.first_epoch, args.max_epoch):
        batches.generator.manual_seed(epoch_seed(args.seed, epoch))
        for step, losses in train_one_epoch(model, batches, steps, optimization, args):
            run.after_step(epoch, step, losses)
        run.end_epoch(epoch, steps)
    run.finish()


if __name__ == "__main__":
    main()
