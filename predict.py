"""When something abnormal happens in videos, and what.

    python predict.py ucf VIDEO ... --model-path model/model_ucf.pth --out predictions

Takes videos, and feature files (`.npy`, (T, 512)) as extract_features.py makes them; further
options are those of the test scripts. For each input:

<out>/<name>.json   events, and score and class probabilities of every snippet
<out>/<name>.csv    the same of every snippet, a line each
<out>/<name>.png    score and likeliest classes over time, the events marked
<out>/features/     the centre crop's features of videos, read again the next time
"""

import sys
from pathlib import Path

import torch

from utils.clip_visual import VisualTower
from utils.console import say
from utils.datasets import read_features
from utils.device import set_up_device
from utils.either import DATASETS
from utils.engine import Videos, score
from utils.errors import OneLineParser, UserError, command
from utils.events import Timeline, find_events, write_prediction
from utils.extraction import POOLS, Extraction
from utils.figures.events import event_figure
from utils.figures.style import save_as
from utils.options import nonnegative_float, positive_float, share
from utils.testing import load_for_test
from utils.video import frame_times

CENTRE = 0  # the crop that is scored
DECODERS = 1
PICTURES = 64  # that the visual tower sees at once


def features_of(inputs: list[Path], own, args, device) -> tuple[dict[str, Path], list[str]]:
    """Feature files by name, extracted where the input is a video; and what failed and why."""
    names = [path.stem for path in inputs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"two inputs are called {twice[0]}: give them to one --out each")
    if missing := [path for path in inputs if not path.is_file()]:
        raise UserError(f"{missing[0]} not found")
    files = {path.stem: path for path in inputs if path.suffix == ".npy"}
    videos = {path: Path(path.stem) for path in inputs if path.suffix != ".npy"}
    folder = own.out / "features"
    extraction = Extraction(videos, folder, [CENTRE], own.pool, "float32")
    if extraction.waiting:
        extraction.run(VisualTower(args.clip_weights, device, args.precision), PICTURES, DECODERS)
    extracted = {p.stem: folder / f"{p.stem}__{CENTRE}.npy" for p in videos}
    return files | {n: f for n, f in extracted.items() if f.is_file()}, extraction.failures


@command
def main(argv=None):
    parser = OneLineParser(
        description="when something abnormal happens in videos, and what", allow_abbrev=False,
        epilog="Further options are those of ucf_test.py and xd_test.py.",
    )  # fmt: skip
    add = parser.add_argument
    add("dataset", choices=DATASETS, help="whose classes the weights tell")
    add("inputs", nargs="+", type=Path, help="videos or feature files; before all options")
    add("--out", type=Path, required=True, help="folder to write to")
    add("--pool", choices=POOLS, default="mean", help="see extract_features.py")
    add("--fps", type=positive_float, default=30.0, help="frames a second, of feature files")
    add("--min-confidence", type=share, default=0.5, help="of an event: its highest score")
    add("--min-seconds", type=nonnegative_float, default=0.0, help="of an event")
    own, options = parser.parse_known_args(argv)
    options_parser, facts = DATASETS[own.dataset]
    args = options_parser.parse_args(options)

    device = set_up_device(args)
    clip_weights = args.clip_weights
    model = load_for_test(args, facts, device)  # before hours of work on videos
    args.clip_weights = clip_weights  # which it needs no more, but the visual tower does
    files, failures = features_of(own.inputs, own, args, device)
    features = [torch.from_numpy(read_features(path)) for path in files.values()]
    predictions = score(model, Videos(args, list(files), features)) if files else []

    sources = {path.stem: path for path in own.inputs}
    for name, prediction in zip(files, predictions, strict=True):
        source = sources[name]
        times = None if source.suffix == ".npy" else frame_times(source)
        timeline = Timeline(len(prediction.score), own.fps, times)
        events = find_events(prediction, facts, timeline, own.min_confidence, own.min_seconds)
        about = {"source": str(source), "weights": args.model_path, "method": args.method}
        write_prediction(own.out / name, about, prediction, events, timeline, facts)
        save_as(event_figure(name, prediction, events, timeline, facts), own.out / f"{name}.png")
        say(f"{source}: {len(events)} events, {own.out / name}.json, .csv, .png")
        for event in events:
            say(f"  {event.start:8.1f} to {event.end:.1f} s  {event.name}  {event.confidence:.2f}")
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    if failures:
        sys.exit(1)


if __name__ == "__main__":
    main()
