"""Train DSANet on UCF-Crime.

    python ucf_train.py --feature-root /data/UCFClipFeatures

A step takes one batch of normal and one of anomalous videos (paper: 64 each); the shorter of the
two loaders makes the epoch. The options are in ucf_option.py.
"""

import torch

from model import build_model
from ucf_option import parser
from utils.datasets import epoch_seed, read_list, training_batches
from utils.device import set_up_device
from utils.engine import EvaluationSet, Optimization, set_seed, train_one_epoch
from utils.errors import command
from utils.labels import UCF_CRIME
from utils.run import Run


def paired(normal, anomalous):
    """One batch of each, normal first."""
    for pair in zip(normal, anomalous, strict=False):
        yield [torch.cat(parts) for parts in zip(*pair, strict=True)]


@command
def main(argv=None):
    args = parser.parse_args(argv)
    set_seed(args.seed)
    device = set_up_device(args)

    rows = read_list(args.train_list, UCF_CRIME, args.feature_root)
    normal = training_batches([r for r in rows if r.normal], args, drop_last=True, what="normal")
    anomalous = training_batches(
        [r for r in rows if not r.normal], args, drop_last=True, what="anomalous"
    )
    steps = min(len(normal), len(anomalous))
    test = EvaluationSet(args, UCF_CRIME)

    model = build_model(args, UCF_CRIME, device)
    # The official schedule of SG-NM is planned for both loaders' steps, twice what is walked.
    planned_steps = args.max_epoch * (len(normal) + len(anomalous))
    optimization = Optimization(
        model, lr=args.lr, epochs=args.max_epoch, planned_steps=planned_steps
    )
    run = Run(args, model, optimization, test)
    for epoch in range(run.first_epoch, args.max_epoch):
        for loader in (normal, anomalous):
            loader.generator.manual_seed(epoch_seed(args.seed, epoch))
        batches = paired(normal, anomalous)
        for step, losses in train_one_epoch(model, batches, steps, optimization, args):
            run.after_step(epoch, step, losses)
        run.end_epoch(epoch, steps)
    run.finish()


if __name__ == "__main__":
    main()
