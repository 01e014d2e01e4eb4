"""The end of a demo: what training changed, side by side, and where everything is.

python -m utils.demo_report ucf --config configs/demo_ucf.yml --predictions FILE.npz
"""

from pathlib import Path

from utils.both_datasets import parse
from utils.metric_names import METRICS
from utils.system.command import command
from utils.system.console import say
from utils.system.errors import UserError
from utils.system.files import sha256

LEARNED_AUC, LEARNED_GAIN = 0.85, 3  # less means that something is broken
SHOWN = ("auc1", "ap1", "ano_auc", "average_map", "average_anomaly_map")


@command
def main(argv=None) -> tuple[dict, dict]:
    """Print and draw; returns the metrics of the untrained and of the trained model."""
    description = "What training changed on the demo data, side by side."
    args, facts = parse(argv, "demo_report", description)
    folder = Path(args.output_dir)

    # Here, because PyTorch comes with these and takes seconds, which --help and what is wrong with
    # the options need not wait for.
    from model import build_model
    from utils.engine import EvaluationSet, evaluate
    from utils.evaluation.metrics import Evaluation
    from utils.evaluation.predictions import load_predictions_of
    from utils.system.device import set_up_device
    from utils.system.seeds import set_seed

    test = EvaluationSet(args, facts)
    set_seed(args.seed)
    device = set_up_device(args.device, args.precision, args.deterministic)
    untrained, _ = evaluate(build_model(args, facts, device), test)
    predictions = load_predictions_of(args.predictions, test.rows, test.lengths)
    trained = Evaluation(test.scored(predictions)).metrics()
    figure, pages = draw(test, predictions, args, folder)

    say(f"\n{'':28}{'untrained':>10}{'trained':>10}")
    for name in SHOWN:
        metric = METRICS[name]
        title = metric.title if metric.fraction else metric.heading
        say(f"{title:28}{_shown(untrained[name])}{_shown(trained[name])}")
    say("")
    for title, path in (
        ("weights", args.model_path),
        ("metrics", folder / "results.json"),
        ("training log", folder / "log.jsonl"),
        ("options", folder / "options.yml"),
        ("scores per snippet", args.predictions),
        ("score curves", figure),
        ("pages to look at", pages),
    ):
        say(f"{title:20}{path}")
    require_learned(untrained, trained)
    return untrained, trained


def _shown(value: float | None) -> str:
    return f"{'n/a':>10}" if value is None else f"{value:10.3f}"


def draw(test, predictions: list, args, folder: Path) -> tuple[Path, Path]:
    """Score curves of some test videos, and a page for each as predict.py writes them.

    Args:
        test: the EvaluationSet.
        predictions: of its videos.
        args: options.
        folder: to write to.

    Returns:
        the picture, and the page that lists all.
    """
    from utils.events.annotated import KnownEvents
    from utils.events.answer import About, answer_for
    from utils.events.files import write_answer
    from utils.events.page import write_index, write_page
    from utils.figures.scores import choose_videos, score_curves
    from utils.figures.style import save_formats
    from utils.runs.weights import Weights
    from utils.system.provenance import git_state

    chosen = choose_videos(test.rows)
    curves = score_curves({"score": test.scored(predictions)}, chosen)
    figure = save_formats(curves, folder, "scores")

    about = About(
        args.model_path, args.method, version=git_state(),
        random_clip=Weights.read(args.model_path).random_clip,
        sha256={"model_path": sha256(args.model_path)},
        temperature=test.scoring.temperature,
    )  # fmt: skip
    known = KnownEvents.of_test_list(test.rows, test.truth, test.facts)
    index = folder / "pages" / "index.html"
    answers = []
    for i in chosen:
        row = test.rows[i]
        found = row.path, predictions[i], test.facts
        answer = answer_for(row.video, *found, about, known, length=row.length)
        write_answer(answer, index.with_name(row.video))
        write_page(answer, index.with_name(row.video), index)
        answers.append(answer)
    write_index(answers, [], index, whole=True)
    return figure, index


def require_learned(untrained: dict, trained: dict) -> None:
    """
    Raises:
        UserError: training made too little of a difference.
    """
    gained = trained["average_map"] is None or (
        trained["average_map"] >= LEARNED_GAIN * untrained["average_map"]
    )
    if trained["auc1"] < LEARNED_AUC or not gained:
        raise UserError(
            f"the demo did not learn: expected AUC1 ≥ {LEARNED_AUC} and {LEARNED_GAIN} times the "
            "untrained average mAP"
        )


if __name__ == "__main__":
    main()
