"""The end of a demo: what training changed, side by side, and where everything is.

python -m utils.demo_report ucf --config configs/demo_ucf.yml --predictions FILE.npz
"""

import json
import sys
from pathlib import Path

import ucf_option
import xd_option
from model import build_model
from utils.engine import EvaluationSet, evaluate, pick_device, set_seed
from utils.errors import command
from utils.figures import score_curves
from utils.labels import UCF_CRIME, XD_VIOLENCE
from utils.metrics import load_predictions

DATASETS = {"ucf": (ucf_option.parser, UCF_CRIME), "xd": (xd_option.parser, XD_VIOLENCE)}
SHOWN = {
    "AUC1": "auc1",
    "AP1": "ap1",
    "Ano-AUC": "ano_auc",
    "average mAP (%)": "average_map",
    "average mAP, anomalies (%)": "average_anomaly_map",
}


@command
def main(argv=None) -> tuple[dict, dict]:
    """Print and draw; returns the metrics of the untrained and of the trained model."""
    name, *rest = sys.argv[1:] if argv is None else argv
    parser, facts = DATASETS[name]
    args = parser.parse_args(rest)
    folder = Path(args.output_dir)
    test = EvaluationSet(args, facts)
    set_seed(args.seed)
    untrained, _ = evaluate(build_model(args, facts, pick_device(args.device)), test)
    trained = json.loads((folder / "results.json").read_text())
    _, predictions, _ = load_predictions(args.predictions)
    figure = folder / "scores.png"
    score_curves(figure, predictions, test.truth, test.rows, facts)

    print(f"\n{'':28}{'untrained':>10}{'trained':>10}")
    for title, key in SHOWN.items():
        print(f"{title:28}{untrained[key]:10.3f}{trained[key]:10.3f}")
    print()
    for title, path in (
        ("weights", args.model_path),
        ("metrics", folder / "results.json"),
        ("training log", folder / "log.jsonl"),
        ("options", folder / "options.yml"),
        ("scores per snippet", args.predictions),
        ("score curves", figure),
    ):
        print(f"{title:20}{path}")
    return untrained, trained


if __name__ == "__main__":
    main()
