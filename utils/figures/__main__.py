"""Figures of a test run, as PNG, SVG and PDF.

    python -m utils.figures scores ucf --methods DSANet=a.npz VadCLIP=b.npz
    python -m utils.figures all xd --model-path model/model_xd.pth \\
        --predictions p.npz

scores      detection scores over the annotated frames, of named or chosen
            videos
roc         ROC and precision-recall curves
alarms      events found, over false alarms per hour
delay       events that have had an alarm, over the time since they began
reliability share of abnormal frames, over the score
classes     average precision of every class
training    losses and metrics over the steps of a training run
prototypes  distances to the nearest normal prototype, normal against anomalous
            snippets
confusion   events and backgrounds against the class texts
tsne        snippets by class, before and after the network

Those down to classes need scores that a test script, or python -m
utils.evaluate, wrote (--predictions, or --methods to lay several over each
other); bands are 95 % intervals over resamples of the videos. training needs
log.jsonl in --output-dir; the others need weights (--model-path). All other
options are those of the test script.
"""

from pathlib import Path

from utils.both_datasets import arguments_of, with_recipe
from utils.system.command import OneLineParser, command, module_parser
from utils.system.console import say
from utils.system.errors import UserError
from utils.system.files import require_writable

KINDS = (
    "scores", "roc", "alarms", "delay", "reliability", "classes", "training", "prototypes",
    "confusion", "tsne",
)  # fmt: skip


def make_parser() -> OneLineParser:
    parser = module_parser("figures", __doc__)
    add = parser.add_argument
    add(
        "figure",
        choices=(*KINDS, "all"),
        metavar="figure",
        help="one of those above, or all",
    )
    add("dataset", metavar="{ucf,xd,FILE.yml}", help="that was tested on")
    add("--out", type=Path, metavar="DIR", help="folder (default: figures in --output-dir)")
    add("--videos", nargs="+", metavar="NAME", help="to draw scores of (default: some chosen)")
    add("--methods", nargs="+", metavar="NAME=FILE.npz", help="predictions to compare")
    return parser


@command
def main(argv=None):
    own, options = make_parser().parse_known_args(with_recipe(argv, before=(*KINDS, "all")))
    args, facts = arguments_of(own.dataset, options)
    folder = own.out or Path(args.output_dir) / "figures"
    kinds = KINDS if own.figure == "all" else (own.figure,)
    require_writable(*(folder / f"{kind}.png" for kind in kinds))

    # Here, because PyTorch and Matplotlib come with these and take seconds, which --help and what
    # is wrong with the options need not wait for.
    from utils.figures.source import Source
    from utils.figures.style import save_formats

    source = Source(args, facts, own.methods, own.videos)
    drawn = 0
    for kind in kinds:
        try:
            figure, shown = getattr(source, kind)()
        except UserError as error:
            if own.figure != "all":
                raise
            say(f"left out: {kind}: {error}")
            continue
        png = save_formats(figure, folder, kind)
        drawn += 1
        say(f"{png}, .svg, .pdf" + (f": {shown}" if shown else ""))
    if not drawn:
        raise UserError("nothing could be drawn, see above")


if __name__ == "__main__":
    main()
