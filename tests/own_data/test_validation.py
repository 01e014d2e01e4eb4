"""Videos held out of the training list, on which weights are selected."""

import json
from pathlib import Path

import pytest
import torch

import utils.runs.training
import xd_option
from helpers.own_set import own_set
from helpers.scripts import SCRIPTS, drop_checkpoints, one_error, run
from utils.datasets.lists import Row
from utils.datasets.split import drawn, hold_out
from utils.options.parser import as_arguments
from utils.system.errors import UserError
from utils.system.untrusted import load_tensors


def rows_of(counts: dict[int, int], crops: int = 1) -> list[Row]:
    """Of so many videos of each class, the crops of a video far apart."""
    names = [(c, f"{c}_{n}") for c, count in counts.items() for n in range(count)]
    label = torch.eye(1 + max(counts))
    return [
        Row(Path(f"{name}__{crop}.npy"), label[c]) for crop in range(crops) for c, name in names
    ]


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.9])
def test_all_crops_of_a_video_are_held_out_together(share):
    rows = rows_of({0: 20, 1: 10, 2: 10}, crops=3)
    trained, held = hold_out(rows, share, 1, "list.csv")
    names = {row.video for row in held}
    assert len(names) == len(held) == 20 * share + 20 * share
    assert all(row.path.stem.endswith("__0") for row in held)
    assert not names & {row.video for row in trained}
    assert [row for row in rows if row.video not in names] == trained
    for c, count in ((0, 20), (1, 10), (2, 10)):
        assert sum(bool(row.label[c]) for row in held) == count * share


def test_the_draw_is_seeded():
    rows = rows_of({0: 20, 1: 20})
    held = [{row.video for row in hold_out(rows, 0.3, seed, "")[1]} for seed in (1, 1, 2)]
    assert held[0] == held[1] != held[2]


def test_nothing_is_held_out_unasked():
    rows = rows_of({0: 1, 1: 1})
    assert hold_out(rows, 0, 1, "") == (rows, [])


@pytest.mark.parametrize("seed", range(20))
def test_one_of_every_kind_stays(seed):
    kinds = [(0,)] * 6 + [(1,)] * 9 + [(2,)] * 2 + [(3,)]
    chosen = drawn(kinds, [kind == (0,) for kind in kinds], 0.6, seed)
    assert {kinds[i] for i in range(len(kinds)) if i not in chosen} == {*kinds}
    # Where each is the only one of its kind, some are chosen all the same.
    assert len(drawn([(c,) for c in range(5)], [False] * 5, 0.4, seed)) == 2


def test_videos_of_one_name_and_two_labels_are_not_crops_of_one():
    normal, fall = torch.eye(2)
    rows = [Row(Path(f"{n}/{i}.npy"), label, f"l.csv, line {n}{i}") for n, label in
            (("fall", fall), ("normal", normal)) for i in range(3)]  # fmt: skip
    with pytest.raises(UserError) as error:
        hold_out(rows, 0.5, 1, "l.csv")
    assert str(error.value).startswith(
        "l.csv, line normal0: video 0 has another label in l.csv, line fall0: the crops of a video"
    )


@pytest.mark.parametrize("counts, kind", [({0: 1, 1: 9}, "normal"), ({0: 9, 1: 1}, "anomalous")])
def test_too_few_videos(counts, kind):
    with pytest.raises(UserError) as error:
        hold_out(rows_of(counts, crops=5), 0.1, 1, "list.csv")
    assert str(error.value) == (
        f"--validation 0.1: list.csv has 1 {kind} video, too few to hold out one"
    )


@pytest.mark.parametrize(
    "options, message",
    [
        (["--select-on=validation"], "say with --validation 0.1 which share to hold out"),
        (["--validation=0.1", "--select-by=auc1"], "--select-by auc1 needs events"),
        (["--validation=1"], "argument --validation: 1 is not in [0, 1)"),
        (["--validation=nan"], "argument --validation: nan is not in [0, 1)"),
        (["--validation=0.1", "--select-on=train"], "argument --select-on: invalid choice"),
    ],
)
def test_options_that_cannot_be(options, message, capsys):
    assert message in one_error(xd_option.parser.parse_args, capsys, options)


def test_what_weights_are_selected_by():
    def chosen(*options):
        args = xd_option.parser.parse_args(options)
        return args.select_on, args.select_by

    assert chosen() == ("test", "ap1")
    assert chosen("--validation=0.1") == ("validation", "video_auc")
    assert chosen("--validation=0.1", "--select-by=video_ap") == ("validation", "video_ap")
    assert chosen("--validation=0.1", "--select-on=test") == ("test", "ap1")
    assert chosen("--validation=0.1", "--select=last", "--select-by=auc1")[0] == "validation"


def log_of(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_the_best_on_validation_videos_is_kept_and_tested(tmp_path, monkeypatch, capfd):
    data = own_set(tmp_path / "shop", crops=2)
    options = {**data.options, "validation": 0.25, "max-steps": 3, "eval-every": 1}
    worth, seen, weights = iter([0.5, 0.75, 0.625]), [], []
    evaluate = utils.runs.training.evaluate

    def judged(model, videos):
        metrics, predictions = evaluate(model, videos)
        seen.append(sorted(videos.names))
        weights.append(model.linear.weight.detach().clone())
        return ({**metrics, "video_auc": v} if (v := next(worth, 0)) else metrics), predictions

    with monkeypatch.context() as patch:
        patch.setattr(utils.runs.training, "evaluate", judged)
        run(SCRIPTS["ucf"].train, tmp_path / "run", options)
    drop_checkpoints(tmp_path / "run")
    assert seen[0] == seen[1] == seen[2]
    assert len(seen[0]) == 3
    assert {*seen[0]} <= {*data.videos_of("train")}
    assert seen[3] == sorted(data.videos_of("test"))

    best = json.loads((tmp_path / "run" / "best.json").read_text())
    second = [line["metrics"] for line in log_of(tmp_path / "run") if "metrics" in line][1]
    assert best.pop("validation") == second
    assert (best.pop("epoch"), best.pop("step")) == (1, 2)
    assert second["auc1"] is None
    kept = load_tensors(tmp_path / "run" / "model.pth")["linear.weight"]
    assert torch.equal(kept, weights[1])
    assert not torch.equal(kept, weights[2])
    printed = capfd.readouterr().out
    assert "Weights best on the validation videos, " in printed
    assert "\nvalidation: video AUC: 0.7500  " in printed

    run(SCRIPTS["ucf"].test, tmp_path / "run", data.options)
    tested = json.loads((tmp_path / "run" / "results.json").read_text())
    assert {name: tested[name] for name in best} == best
    assert best["auc1"] is not None


def test_validation_needs_no_test_set(tmp_path, capfd):
    data = own_set(tmp_path / "shop", test=False)
    options = {**data.options, "method": "mil", "validation": 0.25, "max-steps": 4}
    run(SCRIPTS["xd"].train, tmp_path / "run", options)
    best = json.loads((tmp_path / "run" / "best.json").read_text())
    assert {*best} == {"epoch", "step", "validation"}
    assert 0 <= best["validation"]["video_auc"] <= 1
    printed = capfd.readouterr()
    assert "the result is of the validation videos alone" in printed.err
    assert "\nvalidation: video AUC: " in printed.out


def test_the_last_weights_are_evaluated_on_both(tmp_path):
    data = own_set(tmp_path / "shop")
    options = {**data.options, "method": "mil", "validation": 0.25, "select": "last"}
    run(SCRIPTS["xd"].train, tmp_path / "run", {**options, "max-steps": 4, "eval-every": 1})
    best = json.loads((tmp_path / "run" / "best.json").read_text())
    last = [line for line in log_of(tmp_path / "run") if "metrics" in line][-1]
    assert best["step"] == last["step"] == 4
    assert best["validation"] == last["metrics"]
    assert best["auc1"] is not None


def test_a_list_with_too_few_videos_ends_in_one_line(tmp_path, capsys):
    data = own_set(tmp_path / "shop", train_videos=1, crops=3)
    arguments = as_arguments({**data.options, "validation": 0.5})
    error = one_error(SCRIPTS["xd"].train, capsys, [*arguments, f"--output-dir={tmp_path / 'o'}"])
    assert error.endswith("train.csv has 1 normal video, too few to hold out one")
    assert not (tmp_path / "o").exists()


def test_a_test_fits_a_temperature_to_the_videos_that_were_held_out(tmp_path, capsys):
    options = own_set(tmp_path / "shop").options
    more = {"validation": 0.4, "max_epoch": 1}
    run(SCRIPTS["ucf"].train, tmp_path, options, **more)
    capsys.readouterr()
    run(SCRIPTS["ucf"].test, tmp_path, options, validation=0.4, bootstrap=0)
    said = capsys.readouterr()
    results = json.loads((tmp_path / "results.json").read_text())
    assert 0.02 < results["deployment"]["temperature"] < 50
    assert 0 <= results["deployment"]["calibrated_error"] <= 1
    assert results["intervals"] is None
    assert "calibration error with temperature (%)" in said.out
    assert "held out for validation" in said.err
    kept = json.loads((tmp_path / "results.json").read_text())
    others = tmp_path / "others.csv"  # without two videos, so that other ones are drawn
    others.write_text("\n".join((tmp_path / "shop/list/train.csv").read_text().split("\n")[:-3]))
    for more, message in (
        ({}, ""),
        (
            {"validation": 0.4, "train_list": others},
            f"note: {tmp_path / 'model.pth'} does not say that the videos of {others} that "
            "--validation 0.4 --seed 234 draws were held out: no temperature is fitted",
        ),
        ({"validation": 0.4, "seed": 7}, "that --validation 0.4 --seed 7 draws were held out"),
        ({"validation": 0.2}, "that --validation 0.2 --seed 234 draws were held out"),
        ({"validation": 0.4, "train_list": "gone.csv"}, "gone.csv not found"),
    ):
        run(SCRIPTS["ucf"].test, tmp_path, options, bootstrap=0, **more)
        assert message in capsys.readouterr().err
        results = json.loads((tmp_path / "results.json").read_text())
        assert results["deployment"]["calibrated_error"] is None
        assert "--validation" in results["undefined"]["calibrated_error"]
        assert results["auc1"] == kept["auc1"]
