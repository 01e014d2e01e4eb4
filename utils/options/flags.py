"""The options that both data sets share; `ucf_option.py` and `xd_option.py` name the defaults that
differ.

Of every section `--help` shows what most people change, and `--help-all` the rest, too.
"""

from argparse import SUPPRESS

from utils.metric_names import METRICS
from utils.network.backbone import BACKBONES, CLIP_NAME, RANDOM, TEXT_LAYERS
from utils.options.datasets import files_of
from utils.options.kinds import (
    RESAMPLES,
    boolean,
    fraction,
    fraction_below_1,
    nonnegative_int,
    number,
    positive_fraction,
    positive_int,
    resample_count,
    whole,
)
from utils.options.methods import METHODS
from utils.options.parser import OptionParser
from utils.system.machine import CORES, PRECISIONS

# Of these no run has more.
blocks = whole(1, 64)
snippets = whole(1, 2**14)  # 2.4 hours at 30 frames a second
tokens = whole(0, 75)  # CLIP's context has 77, two of which mark its ends
weight = number(0, 1e6)
rate = number(0, 1e6, without_least=True)


def make_parser(
    description: str, name: str, of_methods: dict[str, dict], **defaults
) -> OptionParser:
    """Parser of all options of training and testing.

    Args:
        description: what help says first.
        name: of the data set, in names of files.
        of_methods: by method, its defaults on this data set where they differ, by destination.
        defaults: of the options whose default is the data set's own, by destination.
    """
    parser = OptionParser(
        description,
        {
            method: spec.defaults | files_of(name, method) | of_methods.get(method, {})
            for method, spec in METHODS.items()
        },
    )
    add_data(parser)
    add_model(parser)
    add_training(parser)
    add_testing(parser)
    add_run(parser)
    parser.set_defaults(**files_of(name, "dsanet"), **defaults)
    return parser


def add_data(parser: OptionParser) -> None:
    add, more = parser.add_section("data")
    add("--dataset", metavar="FILE.yml", help="a data set of your own, as this file describes it "
        "(docs/own_data_set.md); the script is then the recipe")  # fmt: skip
    add("--feature-root", metavar="DIR", help="find the features of the lists below this folder, "
        "whatever folder the lists name")  # fmt: skip
    add("--train-list", metavar="FILE", help="CSV path,label of the training features")
    add("--test-list", metavar="FILE", help="CSV path,label of the test features, one crop of "
        "every video")  # fmt: skip
    more("--gt-path", metavar="FILE", help=".npy, 0 or 1 for every test frame, in list order")
    more("--gt-segment-path", metavar="FILE", help="anomalous segments of every test video, .json "
        "or official .npy")  # fmt: skip
    more("--gt-label-path", metavar="FILE", help="classes of these segments, .json or official "
        ".npy")  # fmt: skip
    add("--cache", metavar="DIR", help="pack the training clips into this folder once, and read "
        "them from it; takes 2 KB a snippet, at most 512 KB a clip")  # fmt: skip
    add("--check-data", type=boolean, nargs="?", const=True, default=False, help="first read every "
        "file of the lists and report all that is wrong, as python -m utils.check_data "
        "does")  # fmt: skip
    more("--classes-num", type=positive_int, help=SUPPRESS)  # the data set's


def add_model(parser: OptionParser) -> None:
    add, more = parser.add_section("model")
    add("--method", choices=parser.methods, default="dsanet", help="dsanet, or a baseline with "
        "defaults of its own: vadclip (sets --text-tuning prompt, --DNP-use False, --DCSA-use "
        "False); or one that tells no classes: mil (the ranking of Sultani et al.), rtfm or "
        "clip-tsa")  # fmt: skip
    add("--clip-weights", metavar="FILE", default=CLIP_NAME, help=f"CLIP's weights: {CLIP_NAME} "
        f"(downloaded to ~/.cache/clip once), a file, or {RANDOM} (for the demo and "
        "tests)")  # fmt: skip
    more("--backbone", choices=BACKBONES, default=CLIP_NAME, help="which CLIP; it must be the one "
         "that the features are of")  # fmt: skip
    more("--visual-length", type=snippets, default=256, help="snippets of a clip, N")
    more("--visual-layers", type=blocks, help="temporal encoder: blocks")
    more("--visual-head", type=whole(1, 1024), default=1, help="temporal encoder: attention heads")
    more("--attn-window", type=snippets, help="temporal encoder: attention window, in snippets")
    more("--embed-dim", type=positive_int, default=512, help=SUPPRESS)  # CLIP's
    more("--visual-width", type=positive_int, default=512, help=SUPPRESS)  # CLIP's

    more("--mask-padding", type=boolean, default=False, help="keep the padding behind a video's "
         "end out of graph convolutions, selection and pooling (sets --DCSA-pool video, "
         "--select-normal video); the official code does not")  # fmt: skip

    add("--text-tuning", choices=("adapter", "frozen", "manual", "prompt"), default="adapter",
        help="class texts: adapters in CLIP; CLIP frozen; frozen, with hand-written sentences; or "
        "learnable prompts")  # fmt: skip
    more("--text-adapt-until", type=whole(0, TEXT_LAYERS), help="CLIP text blocks with an adapter")
    more("--t-w", type=fraction, help="share of the adapter's output in such a block")
    more("--texts", metavar="FILE.yml", help="one or several descriptions of every class, instead "
         "of its name; --text-tuning manual: instead of configs/manual_texts.yml")  # fmt: skip
    more("--text-pool", choices=("mean", "max"), default="mean", help="several descriptions of a "
         "class: their average, or to every snippet the one that fits best")  # fmt: skip
    more("--prompt-prefix", type=tokens, default=10, help="--text-tuning prompt: learnable tokens "
         "before a class name")  # fmt: skip
    more("--prompt-postfix", type=tokens, default=10, help="--text-tuning prompt: learnable tokens "
         "after a class name")  # fmt: skip

    add("--DCSA-use", type=boolean, default=True, help="train with DCSA")
    more("--DCSA-pool", choices=("clip", "video"), default="clip", help="DCSA: pool over all N "
         "positions, padding included, as in the official code, or over the video's "
         "own")  # fmt: skip
    more("--background-weights", choices=("own", "complement"), default="own", help="DCSA: a "
         "weighting of its own, as in the official code, or 1 - w_event, as in the "
         "paper")  # fmt: skip
    add("--DNP-use", type=boolean, default=True, help="train with SG-NM")
    more("--num-prototypes", type=snippets, default=16, help="SG-NM: normal prototypes of a "
         "video, K")  # fmt: skip
    more("--normal-selection-ratio", type=positive_fraction, default=0.8, help="SG-NM: share of "
         "the snippets that counts as normal")  # fmt: skip
    more("--select-normal", choices=("clip", "video"), default="clip", help="SG-NM: among all N "
         "positions, padding included, as in the official code, or among the video's own, as in "
         "the paper")  # fmt: skip
    more("--normal-warmup", type=nonnegative_int, default=0, metavar="STEPS", help="SG-NM: "
         "choose normal snippets without the scores in the first STEPS optimizer steps: all of "
         "normal videos, of anomalous ones those that are nearest to these")  # fmt: skip
    more("--decoder-depth", type=blocks, default=8, help="SG-NM: decoder blocks")
    more("--decoder-residual", type=boolean, default=False, help="SG-NM: a residual around the "
         "attention of every decoder block but the first, as in the paper; the official code has "
         "none")  # fmt: skip

    more("--tsa-kappa", type=positive_fraction, help="CLIP-TSA: share of the snippets that its "
         "attention keeps, κ")  # fmt: skip
    more("--tsa-cap", type=nonnegative_int, default=1000, help="CLIP-TSA: most snippets that it "
         "keeps of a test video, as in the official code; 0: no limit")  # fmt: skip
    more("--tsa-estimator", choices=("centred", "standard", "official"), default="centred",
         help="CLIP-TSA: how the gradient of the choice is estimated; all mean the same, centred "
         "is the least noisy")  # fmt: skip


def add_training(parser: OptionParser) -> None:
    add, more = parser.add_section("training")
    add("--seed", type=nonnegative_int, default=234, help="random seed: of the initial weights, "
        "the order of the videos, and which ones --validation holds out")  # fmt: skip
    add("--max-epoch", type=positive_int, default=10, help="epochs")
    add("--max-steps", type=positive_int, metavar="N", help="optimizer steps in all, instead of "
        "--max-epoch")  # fmt: skip
    more("--adapt", type=boolean, help="give a small set epochs of 10 steps or more (rtfm, "
         "clip-tsa: 100), and SG-NM a warm-up of a tenth of the run at most (default: unless "
         "--max-epoch is given)")  # fmt: skip
    add("--batch-size", type=positive_int, help="videos of a step; with ucf_train.py, rtfm and "
        "clip-tsa: this many normal and this many anomalous ones")  # fmt: skip
    more("--leave-out", nargs="+", metavar="CLASS", help="anomaly classes, by code, to keep out of "
         "training; a test then tells seen and unseen classes apart")  # fmt: skip
    more("--crops", type=whole(1, 1000), default=1, help="rtfm and clip-tsa: crops of a video that "
         "a step takes together and averages, so many rows of the list each; 1: every crop is a "
         "training video of its own")  # fmt: skip
    add("--lr", type=rate, help="learning rate")
    more("--scheduler-milestones", type=positive_int, nargs="+", help="VadCLIP: epochs after which "
         "the learning rate falls")  # fmt: skip
    more("--scheduler-rate", type=rate, default=0.1, help="VadCLIP: factor by which it "
         "falls")  # fmt: skip
    more("--loss2-weight", type=weight, help="weight of the align loss; 1 without SG-NM")
    more("--separation-weight", type=weight, default=1.0, help="weight of the "
         "separation loss")  # fmt: skip
    more("--log-every", type=positive_int, default=10, help="optimizer steps between log lines")
    add("--eval-every", type=nonnegative_int, help="optimizer steps between evaluations within "
        "an epoch; 0: at its end only")  # fmt: skip
    more("--eval-from", type=nonnegative_int, default=0, help="optimizer step of the run before "
         "which nothing is evaluated within an epoch; the best weights from before it are replaced "
         "at the next evaluation")  # fmt: skip
    add("--select", choices=("best", "last"), default="best", help="weights to keep: the best, by "
        "--select-by on --select-on, or those of the last step")  # fmt: skip
    add("--validation", type=fraction_below_1, default=0.0, help="share of the training videos "
        "to hold out; weights are then chosen by video_auc on these, and not on the test "
        "set")  # fmt: skip
    more("--select-on", choices=("test", "validation"), help="videos that say which weights are "
         "best (default: validation where there is some, else test)")  # fmt: skip
    selectable = [name for name, metric in METRICS.items() if metric.selectable]
    more("--select-by", choices=selectable, help="metric that says which weights are best")
    add("--checkpoint-path", metavar="FILE", help="state of the run, to resume it from")
    more("--checkpoint-every", type=nonnegative_int, default=50, help="optimizer steps between "
         "checkpoints within an epoch; 0: at its end only")  # fmt: skip
    add("--use-checkpoint", "--resume", type=boolean, nargs="?", const=True, default=False,
        help="go on from --checkpoint-path")  # fmt: skip


def add_testing(parser: OptionParser) -> None:
    add, more = parser.add_section("testing")
    more("--eval-batch", type=positive_int, default=32, help="chunks of N snippets scored at "
         "once; more need more memory (rtfm and clip-tsa score a video at once)")  # fmt: skip
    add("--temp", type=number(1e-3, 1e3), help="temperature β of the class probabilities")
    more("--score-residual", type=fraction, default=0.0, metavar="W", help="SG-NM in tests, too: "
         "the score is (1 - W) times the detection score and W times the reconstruction error; "
         "class probabilities stay")  # fmt: skip
    add("--predictions", metavar="FILE.npz", help="write the scores of every test snippet to this "
        "file")  # fmt: skip
    add("--bootstrap", type=resample_count, default=RESAMPLES, metavar="N", help="resamples of "
        "the test videos for the 95 %% intervals of a test; 0: none")  # fmt: skip


def add_run(parser: OptionParser) -> None:
    add, more = parser.add_section("run")
    add("--model-path", metavar="FILE", help="weights: training writes them, testing reads them")
    add("--output-dir", metavar="DIR", help="folder of options.yml, log.jsonl and results.json")
    add("--device", default="auto", help="cpu, cuda, cuda:1, …; auto: cuda if there is one")
    add("--precision", choices=PRECISIONS, default="fp32", help="of matrix products; with bf16 "
        "logits, softmaxes and losses stay float32")  # fmt: skip
    add("--num-workers", type=whole(0, 128), default=min(4, CORES), help="processes that read "
        "features, or threads that read those of test videos")  # fmt: skip
    more("--compile", type=boolean, default=False, help="fuse operators with torch.compile: the "
         "first step takes minutes, the others less")  # fmt: skip
    more("--deterministic", type=boolean, nargs="?", const=True, default=False, help="on a GPU: "
         "equal options give equal weights, somewhat slower; on the CPU they always "
         "do")  # fmt: skip
