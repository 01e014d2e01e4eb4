"""The options that both data sets share; `ucf_option.py` and `xd_option.py` name the defaults that
differ."""

from utils.metric_names import METRICS
from utils.network.backbone import CLIP_NAME, RANDOM
from utils.options.kinds import (
    boolean,
    clip_block_count,
    count,
    head_count,
    nonnegative_float,
    positive_float,
    positive_int,
    ratio,
    share,
)
from utils.options.parser import VADCLIP, OptionParser
from utils.system.machine import CORES, PRECISIONS

METHODS = ("dsanet", "vadclip", "mil")


def files_of(name: str) -> dict[str, str]:
    """Where a run writes unless it is told to write elsewhere."""
    return {
        "model_path": f"model/model_{name}.pth",
        "checkpoint_path": f"model/checkpoint_{name}.pth",
        "output_dir": f"runs/{name}",
    }


def make_parser(description: str, vadclip: dict, mil: dict, **defaults) -> OptionParser:
    """Parser of all options of training and testing.

    Args:
        description: what `--help` says first.
        vadclip, mil: defaults of the baselines where they differ, by destination.
        defaults: of the options whose default is the data set's own, by destination.
    """
    parser = OptionParser(
        description, {"dsanet": {}, "vadclip": {**VADCLIP, **vadclip}, "mil": mil}
    )

    add = parser.add_argument_group("data").add_argument
    add("--train-list", help="CSV path,label of the training features")
    add("--test-list", help="CSV path,label of the test features, one crop per video")
    add("--cache", metavar="DIR", help="pack the training clips there, once, and read them "
        "from it: 2 KB a snippet, at most 512 KB a clip")  # fmt: skip
    add("--feature-root", help="folder to find the lists' features in, wherever they say they are")
    add("--gt-path", help=".npy, a 0 or 1 for every test frame in list order")
    add("--gt-segment-path", help="anomalous segments per test video, .json or official .npy")
    add("--gt-label-path", help="classes of these segments, .json or official .npy")
    add("--classes-num", type=positive_int, help="number of classes; must be the data set's")

    add = parser.add_argument_group("model").add_argument
    add("--method", choices=METHODS, default="dsanet", help="dsanet; or a baseline, with its own "
        "defaults: vadclip, which sets --text-tuning prompt, --DNP_use and --DCSA_use False, or "
        "mil, the ranking of Sultani et al., which tells no classes")  # fmt: skip
    add("--embed-dim", type=positive_int, default=512, help="width of text features")
    add("--visual-length", type=positive_int, default=256, help="snippets of a clip, N")
    add("--visual-width", type=positive_int, default=512, help="width of CLIP features")
    add("--visual-head", type=head_count, default=1, help="heads of the temporal encoder")
    add("--visual-layers", type=positive_int, help="blocks of the temporal encoder")
    add("--attn-window", type=positive_int, help="attention window, in snippets")
    add("--text-tuning", choices=("adapter", "frozen", "manual", "prompt"), default="adapter",
        help="of the class texts: adapters in CLIP; CLIP frozen; frozen, with hand-written "
        "sentences; or learnable prompts")  # fmt: skip
    add("--texts", metavar="FILE.yml", help="the sentences of --text-tuning manual, if not those "
        "of configs/manual_texts.yml")  # fmt: skip
    add("--prompt-prefix", type=count, default=10, help="learnable tokens before a class name, "
        "with --text-tuning prompt")  # fmt: skip
    add("--prompt-postfix", type=count, default=10, help="learnable tokens after it")
    add("--text_adapt_until", type=clip_block_count, help="CLIP text blocks with an adapter")
    add("--t_w", type=share, help="share of the adapter's output in such a block")
    add("--DCSA_use", type=boolean, default=True, help="train with DCSA (True, False)")
    add("--background-weights", choices=("own", "complement"), default="own", help="DCSA: a "
        "weighting of its own, as in the official code, or 1 - w_event, as in the "
        "paper")  # fmt: skip
    add("--DCSA_pool", choices=("clip", "video"), default="clip", help="DCSA: over all N "
        "positions, padding included, as in the official code, or the video's own")  # fmt: skip
    add("--DNP_use", type=boolean, default=True, help="train with SG-NM (True, False)")
    add("--decoder_depth", type=positive_int, default=8, help="SG-NM: decoder blocks")
    add("--decoder-residual", type=boolean, default=False, help="SG-NM: a residual around the "
        "attention of every decoder block but the first, as in the paper; the official code has "
        "none (True, False)")  # fmt: skip
    add("--normal_selection_ratio", type=ratio, default=0.8,
        help="SG-NM: share of the snippets that counts as normal")  # fmt: skip
    add("--select-normal", choices=("clip", "video"), default="clip", help="SG-NM: among all N "
        "positions, padding included, as in the official code, or the video's own, as in the "
        "paper")  # fmt: skip
    add("--num_prototypes", type=positive_int, default=16, help="SG-NM: prototypes per video, K")
    add("--clip-weights", default=CLIP_NAME, help=f"{CLIP_NAME} (downloaded once to ~/.cache/clip),"
        f" a file, or {RANDOM} (for the demo and tests)")  # fmt: skip

    add = parser.add_argument_group("training").add_argument
    add("--seed", type=count, default=234, help="of the weights and of the order of the videos")
    add("--max-epoch", type=positive_int, default=10, help="epochs")
    add("--batch-size", type=positive_int, help="videos per loader and step")
    add("--lr", type=positive_float, help="learning rate, of the SG-NM branch and of the rest")
    add("--scheduler-milestones", type=positive_int, nargs="+", help="VadCLIP: epochs after which "
        "the learning rate falls")  # fmt: skip
    add("--scheduler-rate", type=positive_float, default=0.1, help="VadCLIP: by this factor")
    add("--loss2_weight", type=nonnegative_float, help="weight of the align loss; 1 without SG-NM")
    add("--separation-weight", type=nonnegative_float, default=1.0, help="weight of the separation "
        "loss")  # fmt: skip
    add("--log-every", type=positive_int, default=10, help="optimizer steps between log lines")
    add("--eval-every", type=count, help="optimizer steps between evaluations within an epoch; "
        "0: at the end of the epoch only")  # fmt: skip
    add("--select", choices=("best", "last"), default="best", help="weights to keep: best on the "
        "test set, as the official code does, or those of the last step")  # fmt: skip
    add(
        "--select-by",
        choices=[name for name, metric in METRICS.items() if metric.selectable],
        help="metric that says which are best",
    )
    add("--checkpoint-path", help="where an interrupted run is resumed from")
    add("--checkpoint-every", type=count, default=50, metavar="STEPS", help="optimizer steps "
        "between checkpoints within an epoch; 0: at the end of the epoch only")  # fmt: skip
    add("--use-checkpoint", "--resume", type=boolean, nargs="?", const=True, default=False,
        metavar="BOOL", help="resume from it (True, False)")  # fmt: skip

    add = parser.add_argument_group("testing").add_argument
    add("--eval-batch", type=positive_int, default=32,
        help="segments of N snippets scored at once; more need more memory")  # fmt: skip
    add("--temp", type=positive_float, help="temperature β of the class probabilities")
    add("--predictions", metavar="FILE.npz", help="keep what was scored, per snippet")

    add = parser.add_argument_group("run").add_argument
    add("--model-path", help="weights: training writes them, testing reads them")
    add("--output-dir", help="folder of options.yml, log.jsonl and results.json")
    add("--num-workers", type=count, default=min(4, CORES),
        help="processes that read features")  # fmt: skip
    add("--precision", choices=PRECISIONS, default="fp32",
        help="of matrix products; with bf16 logits, softmaxes and losses stay float32")  # fmt: skip
    add("--compile", type=boolean, default=False, help="fuse operators with torch.compile (True, "
        "False): the first step takes minutes, the others less")  # fmt: skip
    add("--device", default="auto", help="cpu, cuda, cuda:1, …; auto: cuda where there is one")
    add("--deterministic", type=boolean, nargs="?", const=True, default=False, metavar="BOOL",
        help="on a GPU: the same weights from every run of the same options, somewhat slower; "
        "on the CPU they are anyway")  # fmt: skip
    add("--check-data", type=boolean, nargs="?", const=True, default=False, metavar="BOOL",
        help="first read every file of the lists and report all that is wrong (as 'python -m "
        "utils.check_data')")  # fmt: skip

    parser.set_defaults(**defaults)
    return parser
