"""The end of a demo: what training changed, side by side, and where everything is.

python -m utils.demo_report ucf --config configs/demo_ucf.yml --predictions FILE.npz
"""

from pathlib import Path

from model import build_model
from utils.both_datasets import parse
from utils.engine import EvaluationSet, evaluate
from utils.events.annotated import Segment
from utils.events.find import FPS, MIN_CONFIDENCE, Answer, Timeline, find_events
from utils.events.page import write_index, write_page
from utils.figures.scores import choose_videos, score_curves
from utils.figures.style import save_png_and_svg
from utils.metrics import Prediction, compute_metrics, load_predictions_of
from utils.system.command import command
from utils.system.device import set_up_device
from utils.system.errors import UserError
from utils.system.seeds import set_seed

LEARNED_AUC, LEARNED_GAIN = 0.85, 3  # less means that something is broken
SHOWN = {
    "AUC1": "auc1",
    "AP1": "ap1",
    "Ano-AUC": "ano_auc",
    "average mAP (%)": "average_map",
    "average mAP, anomalies (%)": "average_anomaly_map",
}


def write_pages(
    test: EvaluationSet, predictions: list[Prediction], indices: list[int], args, folder: Path
) -> Path:
    """A page for each of these videos, as predict.py writes them, and the one that lists them."""
    about = {"weights": args.model_path, "method": args.method}
    about |= {"min_confidence": MIN_CONFIDENCE, "zero_shot": None}
    names = dict(zip(test.facts.classes, test.facts.names, strict=True))
    index = folder / "index.html"
    answers = []
    for i in indices:
        row, prediction, truth = test.rows[i], predictions[i], []
        timeline = Timeline(len(prediction.score), FPS, None)
        events = find_events(prediction, test.facts, timeline, MIN_CONFIDENCE, 0)
        if not row.normal:
            for pair, label in zip(test.truth.segments[i], test.truth.labels[i], strict=True):
                truth.append(Segment(*timeline.seconds(pair).tolist(), names[label]))
        answers.append(
            Answer(row.video, row.path, test.facts, prediction, timeline, events, about, truth)
        )
        write_page(answers[-1], folder / row.video, index)
    write_index(answers, [], index)
    return index


def _shown(value: float | None) -> str:
    return f"{'n/a':>10}" if value is None else f"{value:10.3f}"


@command
def main(argv=None) -> tuple[dict, dict]:
    """Print and draw; returns the metrics of the untrained and of the trained model."""
    args, facts = parse(argv, "what training changed on the demo data, side by side")
    folder = Path(args.output_dir)
    test = EvaluationSet(args, facts)
    set_seed(args.seed)
    untrained, _ = evaluate(
        build_model(args, facts, set_up_device(args.device, args.precision)), test
    )
    predictions = load_predictions_of(args.predictions, test.rows, test.lengths)
    trained = compute_metrics(predictions, test.truth, test.rows, facts)
    chosen = choose_videos(test.rows)
    curves = score_curves({"score": predictions}, test.truth, test.rows, facts, chosen)
    figure, _ = save_png_and_svg(curves, folder, "scores")
    pages = write_pages(test, predictions, chosen, args, folder / "pages")

    print(f"\n{'':28}{'untrained':>10}{'trained':>10}")
    for title, key in SHOWN.items():
        print(f"{title:28}{_shown(untrained[key])}{_shown(trained[key])}")
    print()
    for title, path in (
        ("weights", args.model_path),
        ("metrics", folder / "results.json"),
        ("training log", folder / "log.jsonl"),
        ("options", folder / "options.yml"),
        ("scores per snippet", args.predictions),
        ("score curves", figure),
        ("pages to look at", pages),
    ):
        print(f"{title:20}{path}")
    gained = trained["average_map"] is None or (
        trained["average_map"] >= LEARNED_GAIN * untrained["average_map"]
    )
    if trained["auc1"] < LEARNED_AUC or not gained:
        raise UserError(
            f"the demo did not learn: expected AUC1 ≥ {LEARNED_AUC} and {LEARNED_GAIN} times the "
            "untrained average mAP"
        )
    return untrained, trained


if __name__ == "__main__":
    main()
