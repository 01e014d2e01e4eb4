"""When something abnormal happens in videos, and what.

    python predict.py ucf VIDEO ... --model-path model/model_ucf.pth --out predictions
    python predict.py ucf rtsp://camera/stream --model-path model/model_ucf.pth      a live source

Takes videos, folders and .txt lists of them, and feature files (`.npy`, (T, 512)) as
extract_features.py makes them; further options are those of the test scripts. For each input:

<out>/<name>.html   a page: the video, score and classes under it, the events as a list
<out>/<name>.json   events, and score and class probabilities of every snippet
<out>/<name>.csv    the same of every snippet, a line each
<out>/<name>.png    score and likeliest classes over time, the events marked
<out>/<name>.proxy.mp4   with --proxy: a copy of the video that every browser plays
<out>/index.html    the list of all, where there are several
<out>/features/     the centre crop's features of videos, read again the next time

A live source is a URL, the number of a camera, or - for standard input. Its events are printed when
they start and when they end (utils/events/tracker.py), and with --out added to <out>/events.jsonl.
"""

import argparse
import sys
from contextlib import closing
from pathlib import Path

from utils.both_datasets import DATASETS, arguments_of
from utils.event_defaults import FPS, MIN_CONFIDENCE, MIN_SECONDS
from utils.events.sources import find_sources, require_apart
from utils.labels import Dataset
from utils.options.kinds import fraction, nonnegative_float, positive_float
from utils.options.methods import METHODS
from utils.row_time import FRAMES
from utils.system.command import EXIT_BAD_INPUT, OneLineParser, command
from utils.system.console import note, printable
from utils.system.errors import UserError
from utils.system.files import sha256
from utils.videos.inputs import POOLS, is_features, is_live, shown


def read_options(argv: list[str] | None) -> tuple[argparse.Namespace, argparse.Namespace, Dataset]:
    """The options of this command, those of the test scripts, and the facts of the data set."""
    parser = OneLineParser(
        description="When something abnormal happens in videos, and what.", allow_abbrev=False,
        epilog="Further options are those of ucf_test.py and xd_test.py: --model-path, --config, "
        "--method, --clip-weights, --device, ….",
    )  # fmt: skip
    add = parser.add_argument
    add("recipe", metavar="{ucf,xd}", help="whose classes are told, unless the weights know "
        "theirs")  # fmt: skip
    add("inputs", nargs="*", metavar="input", help="a video, folder, .txt list or feature file; or "
        "a live source: a URL, the number of a camera, or -; before all options")  # fmt: skip
    add("--out", type=Path, metavar="DIR", help="folder to write to; of a live source the events, "
        "to events.jsonl")  # fmt: skip
    add("--classes", metavar="FILE.yml", help="other classes to tell, with texts that describe "
        "them; zero-shot and unmeasured")  # fmt: skip
    add("--truth", type=Path, metavar="FILE", help="what is known to happen, shown beside: .csv "
        "with video,start,end,class in seconds (of a data set of your own, in its event-unit), or "
        "the annotation file of UCF-Crime or XD-Violence")  # fmt: skip
    add("--pool", choices=POOLS, default="mean", help="see extract_features.py "
        "(default: %(default)s)")  # fmt: skip
    add("--proxy", action="store_true", help="write a copy of each video that every browser plays, "
        "for its page: H.264, at most 480 lines")  # fmt: skip
    add("--fps", type=positive_float, metavar="F", help="frames a second, of feature files "
        f"(default: the data set's, or {FPS:g})")  # fmt: skip
    add("--min-confidence", type=fraction, default=MIN_CONFIDENCE, metavar="C", help="events whose "
        "highest score is lower are left out (default: %(default)s)")  # fmt: skip
    add("--min-seconds", type=nonnegative_float, default=MIN_SECONDS, metavar="S", help="events "
        "that are shorter are left out (default: %(default)s)")  # fmt: skip
    own, options = parser.parse_known_args(argv)
    if own.recipe not in DATASETS:
        raise UserError(
            f"'{own.recipe}' stands where ucf or xd is expected: predict.py ucf VIDEO … --out DIR, "
            "and then the options of the test scripts"
        )
    if not own.inputs:
        raise UserError(
            f"name a video, a folder or a feature file: predict.py {own.recipe} VIDEO …"
        )
    args, facts = arguments_of(own.recipe, options)

    live = [text for text in own.inputs if is_live(text)]
    if live and (len(own.inputs) > 1 or own.truth):
        raise UserError(f"{shown(live[0])} is a live source: give it alone, and no --truth")
    if not live and not own.out:
        raise UserError("--out is missing: name a folder to write to")
    if own.classes:
        require_classes(args.method)
        if args.texts:
            raise UserError("--classes and --texts both say what classes are: leave one out")
    return own, args, facts


def require_classes(method: str) -> None:
    """
    Raises:
        UserError: the method, as `--method` names it, tells none.
    """
    if not METHODS[method].tells_classes:
        raise UserError(
            f"--classes: {METHODS[method].title} tells no classes; choose another --method"
        )


@command
def main(argv=None):
    own, args, facts = read_options(argv)
    live = is_live(own.inputs[0])
    if not live:
        sources = find_sources([Path(text) for text in own.inputs])
        require_apart(own.out, sources, own.truth, own.proxy)

    # PyTorch, PyAV and Matplotlib come with these and take seconds. They are imported here, so that
    # --help and what is wrong with the options need not wait for them.
    from detector import Detector
    from utils.checkpoint import method_shown
    from utils.datasets.class_texts import custom_classes
    from utils.datasets.features import SNIPPET_FRAMES
    from utils.events.annotated import KnownEvents
    from utils.runs.weights import Weights
    from utils.system.device import set_up_device

    device = set_up_device(args.device, args.precision, args.deterministic)
    weights = Weights.read(args.model_path)  # before hours of work on videos
    if weights.dataset and not args.dataset:
        facts = weights.dataset
    known = own.truth and KnownEvents.read(own.truth, facts)
    if own.classes:
        require_classes(method_shown(weights.state))
        facts = custom_classes(own.classes, facts)
        note(f"the classes of {own.classes} are zero-shot and unmeasured")
    detector = Detector.of(args, facts, device, weights)
    size = SNIPPET_FRAMES
    if live or not all(map(is_features, sources.values())):
        size = detector.frames_per_row()
        weights.tell_other_clip(detector.args)
    if live:
        return watch(own, detector, device, size)
    answer_all(sources, own, detector, weights, known, device, size)


def watch(own, detector, device, size: int) -> None:
    """Tell the events of a live source until it ends."""
    from utils.events.tracker import EventTracker
    from utils.events.watch import Window, watch_live
    from utils.network.clip_visual import VisualTower

    args, temperature = detector.args, detector.scoring.temperature
    tower = VisualTower(args.clip_weights, device, args.precision, args.backbone)
    tracker = EventTracker(detector.facts, own.min_confidence, own.min_seconds, temperature)
    window = Window(detector.predict, tower, detector.scoring.visual_length)
    watch_live(own.inputs[0], own.pool, window, tracker, own.out, size)


def answer_all(sources, own, detector, weights, known, device, size: int) -> None:
    """Write what is to say of each video, and leave with an exit code if some cannot be read."""
    from utils.events.answer import About
    from utils.events.files import write_files
    from utils.system.provenance import git_state
    from utils.videos.feature_cache import features_of
    from utils.videos.proxy import require_encoder

    args = detector.args
    if own.proxy:
        require_encoder()
    about = About(
        weights=args.model_path,
        method=args.method,
        min_confidence=own.min_confidence,
        zero_shot=own.classes,
        random_clip=detector.random_clip,
        version=git_state(),
        sha256=hashes_of(weights),
        temperature=detector.scoring.temperature,
    )
    failures: list[str] = []
    features = features_of(
        sources,
        own.out / "features",
        own.pool,
        clip_weights=args.clip_weights,
        precision=args.precision,
        device=device,
        backbone=args.backbone,
        size=size,
        width=detector.width,
        failures=failures,
        advice=quicker(own.pool, args.precision, device.type),
    )
    with closing(answers_of(features, sources, own, detector, about, known, failures)) as found:
        answers = write_files(found, failures, own.out, len(sources) > 1, own.proxy)

    if known and answers and all(answer.truth is None for answer in answers):
        note(f"{own.truth} names none of these videos")
    for failure in failures:
        print(printable(f"failed: {failure}"), file=sys.stderr)
    if failures:
        sys.exit(1 if answers else EXIT_BAD_INPUT)


def answers_of(features, sources: dict[str, Path], own, detector, about, known, failures):
    """The Answer for each video, as soon as its Features are there; why there is none goes to
    `failures`."""
    from utils.datasets.features import video_name
    from utils.datasets.video_table import known_lengths
    from utils.events.answer import answer_for

    facts = detector.facts
    lengths = known_lengths(facts)
    in_frames = facts.row.unit == FRAMES and any(map(is_features, sources.values()))
    if in_frames and facts.is_own and not (own.fps or facts.fps):
        note(f"{facts.title} does not say its frame rate: {FPS:g} is assumed (--fps)")
    with closing(features):
        for name, rows, clip in features:
            video = sources[name]
            try:
                (prediction,) = detector.predict([name], [rows])
                answer = answer_for(
                    name,
                    video,
                    prediction,
                    facts,
                    about.on_features_of(clip),
                    known=known,
                    fps=own.fps,
                    min_seconds=own.min_seconds,
                    length=lengths.get(video.stem) or lengths.get(video_name(video)),
                )
            except UserError as error:
                failures.append(str(error))
                continue
            yield answer


def hashes_of(weights) -> dict[str, str]:
    """sha256 of the weights, and of CLIP's file where they say with which they were trained."""
    known = weights.clip is not None and not weights.random_clip
    clip = {"clip_text": weights.clip} if known else {}
    return {"model_path": sha256(weights.path), **clip}


def quicker(pool: str, precision: str, device: str) -> str | None:
    """Of these options of the extraction, what would make it much quicker; None if nothing does."""
    options = [] if pool == "middle" else ["--pool middle"]
    options += [] if precision == "bf16" else ["--precision bf16"]
    if not options:
        return None
    gain = "some thirty times faster" if len(options) == 2 and device == "cpu" else "faster"
    return f"{' '.join(options)} is {gain}, with scores that differ a little"


if __name__ == "__main__":
    main()
