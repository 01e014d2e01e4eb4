"""When something abnormal happens in videos, and what.

    python predict.py ucf VIDEO ... --model-path model/model_ucf.pth --out predictions
    python predict.py ucf rtsp://camera/stream --model-path model/model_ucf.pth      a live source

Takes videos, folders and .txt lists of them, and feature files (`.npy`, (T, 512)) as
extract_features.py makes them; further options are those of the test scripts. For each input:

<out>/<name>.html   a page: the video, score and classes under it, the events as a list
<out>/<name>.json   events, and score and class probabilities of every snippet
<out>/<name>.csv    the same of every snippet, a line each
<out>/<name>.png    score and likeliest classes over time, the events marked
<out>/index.html    the list of all, where there are several
<out>/features/     the centre crop's features of videos, read again the next time

A live source is a URL, the number of a camera, or - for standard input. Its events are printed when
they start and when they end (utils/events/tracker.py), and with --out added to <out>/events.jsonl.
"""

import sys
from pathlib import Path

import torch

from utils.both_datasets import DATASETS
from utils.datasets.class_texts import custom_classes
from utils.datasets.features import read_features
from utils.datasets.lists import video_name
from utils.engine import Scoring, Videos, score
from utils.events.annotated import KnownEvents
from utils.events.figure import event_figure
from utils.events.find import (
    FPS,
    MIN_CONFIDENCE,
    Answer,
    Timeline,
    event_line,
    find_events,
    write_answer,
)
from utils.events.page import write_index, write_page
from utils.events.tracker import EventTracker
from utils.events.watch import Window, begin_log, watch
from utils.figures.style import save_figure
from utils.labels import Dataset
from utils.network.clip_visual import VisualTower
from utils.options.flags import nonnegative_float, positive_float, share
from utils.runs.testing import load_for_test
from utils.system.command import EXIT_BAD_INPUT, OneLineParser, command
from utils.system.console import say
from utils.system.device import set_up_device
from utils.system.errors import UserError
from utils.system.files import require_writable
from utils.videos.feature_cache import extract
from utils.videos.frames import frame_times
from utils.videos.inputs import POOLS, find_videos, is_live, shown
from utils.videos.live import Live

INDEX = "index"
SUFFIXES = (".html", ".json", ".csv", ".png")  # of what is written


def find_inputs(inputs: list[Path]) -> tuple[dict[Path, str], dict[Path, str]]:
    """Videos and feature files with the names of what is written about them."""
    features = {path: path.stem for path in inputs if path.suffix == ".npy"}
    if missing := [path for path in features if not path.is_file()]:
        raise UserError(f"{missing[0]} not found")
    videos = find_videos([path for path in inputs if path not in features])
    videos = {path: place.as_posix() for path, place in videos.items()}
    names = [*videos.values(), *features.values()]
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise UserError(f"the name {name!a} is no UTF-8: rename the file") from None
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"two inputs are called {twice[0]}: give them to one --out each")
    if INDEX in names and len(names) > 1:
        raise UserError(f"an input is called {INDEX}, as the page that lists all: rename it")
    return videos, features


def require_apart(own, names) -> None:
    """See that what will be written can be, and overwrites no input."""
    written = {own.out / f"{name}{suffix}" for name in names for suffix in SUFFIXES}
    if own.truth and own.truth.resolve() in {path.resolve() for path in written}:
        raise UserError(f"--truth {own.truth} would be written over: choose another --out")
    require_writable(own.out / f"{INDEX}.html", *written)


def watch_live(source: str, own, args, model, facts: Dataset, device) -> None:
    """Print the events of a live source as they start and end, and add them to the log."""
    tower = VisualTower(args.clip_weights, device, args.precision)
    window = Window(model, tower, Scoring.of(args))
    tracker = EventTracker(facts, own.min_confidence, own.min_seconds)
    log = own.out and begin_log(own.out)
    live = Live(source, own.pool)
    say(f"watching {live.name}; Ctrl-C ends it")
    watch(live, window, tracker, log)


def answer_all(own, args, model, facts: Dataset, known: KnownEvents | None, device):
    """Write what there is to say of each input; returns the answers, and what failed and why."""
    videos, features = find_inputs([Path(text) for text in own.inputs])
    sources = {name: path for path, name in (videos | features).items()}
    require_apart(own, sources)
    given = {name: read_features(path) for path, name in features.items()}
    files, failures = extract(videos, own.out / "features", own.pool, args, device)
    given = {name: read_features(path) for name, path in files.items()} | given
    values = [torch.from_numpy(of_video) for of_video in given.values()]
    predictions = score(model, Videos(Scoring.of(args), list(given), values)) if given else []
    about = {"weights": args.model_path, "method": args.method}
    about |= {"min_confidence": own.min_confidence, "zero_shot": own.classes}
    answers = []
    for name, prediction in zip(given, predictions, strict=True):
        source = sources[name]
        times = None if source in features else frame_times(source)
        timeline = Timeline(len(prediction.score), own.fps, times)
        events = find_events(prediction, facts, timeline, own.min_confidence, own.min_seconds)
        video = video_name(source) if source in features else source.stem
        truth = known and known.of(video, timeline)
        answers.append(Answer(name, source, facts, prediction, timeline, events, about, truth))

    index = own.out / f"{INDEX}.html" if len(sources) > 1 else None
    for answer in answers:
        place = own.out / answer.name
        write_answer(answer, place)
        save_figure(event_figure(answer), Path(f"{place}.png"))
        write_page(answer, place, index)
        count = len(answer.events)
        events = "1 event" if count == 1 else f"{count} events"
        say(f"{answer.source}: {events}, {place}.html, .json, .csv, .png")
        for event in answer.events:
            say(f"  {event.start:8.1f} to {event.end:.1f} s  {event_line(event)}")
    if known and answers and not any(answer.truth is not None for answer in answers):
        print(f"note: {own.truth} names none of these videos", file=sys.stderr)
    if index:
        write_index(answers, failures, index)
        say(f"{index} lists all")
    return answers, failures


@command
def main(argv=None):
    parser = OneLineParser(
        description="when something abnormal happens in videos, and what", allow_abbrev=False,
        epilog="Further options are those of ucf_test.py and xd_test.py: --model-path, --config, "
        "--method, --clip-weights, --device, ….",
    )  # fmt: skip
    add = parser.add_argument
    add("dataset", choices=DATASETS, help="whose classes the weights tell")
    add("inputs", nargs="+", help="videos, folders, .txt lists, feature files; or a live source, "
        "a URL, the number of a camera, or -; before all options")  # fmt: skip
    add("--out", type=Path, help="folder to write to; of a live source the events, to "
        "events.jsonl")  # fmt: skip
    add("--classes", metavar="FILE.yml", help="other classes to tell, with texts that event_line "
        "them; zero-shot and unmeasured")  # fmt: skip
    add("--truth", type=Path, metavar="FILE", help="what is known to happen, shown beside: .csv "
        "with video,start,end,class in seconds, or the data set's annotations")  # fmt: skip
    add("--pool", choices=POOLS, default="mean", help="see extract_features.py "
        "(default: %(default)s)")  # fmt: skip
    add("--fps", type=positive_float, default=FPS, help="frames a second, of feature files "
        "(default: %(default)s)")  # fmt: skip
    add("--min-confidence", type=share, default=MIN_CONFIDENCE, help="of an event: its highest "
        "score (default: %(default)s)")  # fmt: skip
    add("--min-seconds", type=nonnegative_float, default=0.0, help="of an event")
    own, options = parser.parse_known_args(argv)
    options_parser, facts = DATASETS[own.dataset]
    args = options_parser.parse_args(options)

    live = [text for text in own.inputs if is_live(text)]
    if live and (len(own.inputs) > 1 or own.truth):
        raise UserError(f"{shown(live[0])} is a live source: give it alone, and no --truth")
    if not live and not own.out:
        raise UserError("--out is missing: name a folder to write to")
    known = own.truth and KnownEvents(own.truth, facts)
    if own.classes:
        facts = use_classes(own.classes, facts, args)
    device = set_up_device(args.device, args.precision, args.deterministic)
    model = load_for_test(args, facts, device)  # before hours of work on videos
    if live:
        return watch_live(live[0], own, args, model, facts, device)
    answers, failures = answer_all(own, args, model, facts, known, device)
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    if failures:
        sys.exit(1 if answers else EXIT_BAD_INPUT)


def use_classes(path: str, facts: Dataset, args) -> Dataset:
    """Tell these classes instead of the data set's."""
    if args.method == "mil":
        raise UserError("--classes: MIL ranking tells no classes; choose another --method")
    facts = custom_classes(path, facts)
    args.classes_num = len(facts.classes)
    if args.text_tuning == "manual":
        args.text_tuning = "frozen"  # the same, but with these texts
    print(f"note: the classes of {path} are zero-shot and unmeasured", file=sys.stderr)
    return facts


if __name__ == "__main__":
    main()
