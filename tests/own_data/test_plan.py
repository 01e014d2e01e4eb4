"""What small data sets get by themselves: batches, passes, warm-up, exact numbers of steps."""

import json
from itertools import chain
from pathlib import Path

import pytest
import torch

import ucf_option
import xd_option
from helpers.own_set import own_set
from helpers.scripts import SCRIPTS, run
from ucf_train import Paired
from utils import plan as plan_module
from utils.datasets.lists import Row
from utils.datasets.order import Order, Shuffled
from utils.plan import Plan, batch_size_for
from utils.runs.record import Record
from utils.system import console, group
from utils.system.errors import UserError
from utils.system.group import Group


def options(*arguments, module=ucf_option):
    return module.parser.parse_args([*arguments])


def test_nothing_adapts_to_the_published_sets(capsys):
    """800 normal and 810 anomalous videos, ten crops each; 3954 videos."""
    args, generator = options(), torch.Generator()
    assert batch_size_for(args, 8000, "normal") == args.batch_size == 64
    parts = [Shuffled(range(n), 64, generator, drop_last=True) for n in (8000, 8100)]
    plan = Plan.of(args, min(map(len, parts)), sum(map(len, parts)))
    assert plan == Plan(passes=1, epochs=10, sgnm_steps=10 * (125 + 126), warmup=100,
                        most_steps=None)  # fmt: skip
    args = options(module=xd_option)
    assert batch_size_for(args, 39540, "training") == args.batch_size == 96
    steps = len(Shuffled(range(39540), 96, generator))
    assert steps == 412
    assert Plan.of(args, steps, steps) == Plan(1, 10, 4120, 100, None)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "steps, passes", [(1, 10), (2, 5), (3, 4), (4, 3), (9, 2), (10, 1), (11, 1), (400, 1)]
)
def test_an_epoch_has_at_least_ten_steps(steps, passes, capsys):
    plan = Plan.of(options(), steps, 2 * steps)
    assert plan.passes == passes
    assert plan.sgnm_steps == 10 * passes * 2 * steps
    said = f"{console.plural(steps, 'step')}: an epoch makes {passes} passes"
    assert (said in capsys.readouterr().err) == (passes > 1)


@pytest.mark.parametrize(
    "given", [["--max-steps=99"], ["--max-epoch=3"], ["--max-epoch=3", "--max-steps=99"]]
)
def test_the_options_that_a_run_leaves_make_the_same_plan(given, tmp_path):
    args = options("--adapt=False", *given)
    args.output_dir = str(tmp_path)
    Record(args, torch.device("cpu")).begin("anew", {}, None)
    again = ucf_option.parser.parse_args([f"--config={tmp_path / 'options.yml'}"])
    assert Plan.of(again, 2, 4) == Plan.of(args, 2, 4)


def test_who_gives_epochs_gets_them_as_they_are(capsys):
    assert Plan.of(options("--max-epoch=10"), 2, 4) == Plan(1, 10, 40, 100, None)
    assert Plan.of(options("--max-epoch=3", "--max-steps=5"), 2, 4) == Plan(1, 3, 10, 100, 5)
    assert Plan.of(options("--max-epoch=3", "--max-steps=99"), 2, 4) == Plan(1, 3, 12, 100, 99)
    assert Plan.of(options("--adapt=False", "--max-steps=99"), 2, 4).epochs == 50
    assert capsys.readouterr().err == ""


def test_epochs_that_end_a_run_before_its_steps_do(capsys):
    """Steps that nobody gave: those that the method has by itself."""
    plan = Plan.of(options("--method=rtfm", "--max-epoch=3"), 2, 4)
    assert (plan.epochs, plan.most_steps) == (3, 15_000)
    told = "note: --max-epoch 3 ends the run after 6 of 15000 steps\n"
    assert capsys.readouterr().err == told
    adapted = Plan.of(options("--method=rtfm", "--max-epoch=3", "--adapt=True"), 2, 4)
    assert adapted.epochs == 3
    told = f"--max-epoch 3 ends the run after {3 * 2 * adapted.passes} of 15000 steps\n"
    assert capsys.readouterr().err.endswith(told)
    for more in (["--max-epoch=7500"], ["--max-epoch=3", "--max-steps=15000"]):
        Plan.of(options("--method=rtfm", *more), 2, 4)
        assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "steps, sgnm, warmup", [(10, 10, 10), (10, 20, 20), (99, 99, 99), (100, 100, 100)]
)
def test_the_warm_up_is_a_tenth_of_a_short_run(steps, sgnm, warmup, capsys):
    assert Plan.of(options(), steps, sgnm).warmup == warmup
    said = f"the run is short: SG-NM warms up over its first {warmup} steps"
    assert (said in capsys.readouterr().err) == (warmup < 100)


def test_baselines_have_no_warm_up(capsys):
    for method in ("mil", "vadclip"):
        assert Plan.of(options(f"--method={method}"), 10, 20).warmup == 100
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("given", [(), ("--max-epoch=5",)])
@pytest.mark.parametrize("rows", [3, 10, 41])
@pytest.mark.parametrize("most", [1, 2, 9, 10, 11, 25, 60])
def test_a_run_has_so_many_steps(most, rows, given):
    args, generator = options(*given, f"--max-steps={most}"), torch.Generator()
    shuffled = Shuffled(range(rows), 3, generator)
    plan = Plan.of(args, len(shuffled), len(shuffled))
    order = Order(shuffled, generator, 1, plan.passes, plan.most_steps)
    walked = []
    for epoch in range(plan.epochs):
        order.begin(epoch)
        batches = list(order)
        assert 0 < len(batches) == len(order)
        walked.append(batches)
    most_given = 5 * len(shuffled) if given else most
    assert sum(map(len, walked)) == min(most, most_given)
    # Every pass but the last one has every row once.
    for first in range(0, len(walked[0]) - len(shuffled) + 1, len(shuffled)):
        of_pass = chain.from_iterable(walked[0][first : first + len(shuffled)])
        assert sorted(of_pass) == list(range(rows))
    # And an epoch goes on as it would have gone.
    last = len(walked) - 1
    for done in range(len(walked[last]) + 1):
        order.begin(last, done)
        assert list(order) == walked[last][done:]


def test_pairs_of_a_small_set(capsys):
    class Video:
        def __init__(self, normal):
            self.normal = normal

    args = options("--batch-size=4")
    pairs = Paired([Video(n < 3) for n in range(13)], args, torch.Generator())
    assert pairs.smallest == 3
    assert len(pairs) == 1
    (batch,) = pairs
    assert sorted(batch[:3]) == [0, 1, 2]
    assert min(batch[3:]) > 2
    assert f"has 3 normal rows: --batch-size is 3 instead of {args.batch_size}" in (
        capsys.readouterr().err
    )
    rows = [Row(Path(f"{n // 2}__{n % 2}.npy"), torch.eye(2)[n // 2 % 2]) for n in range(12)]
    Paired(rows, options("--batch-size=4", "--method=rtfm", "--crops=2"), torch.Generator())
    assert "has 3 normal videos: --batch-size is 3 instead of 4" in capsys.readouterr().err


@pytest.mark.parametrize("count, rows, size", [(2, 7, 6), (4, 7, 4), (3, 63, 63), (2, 64, 64)])
def test_every_process_gets_as_much_of_a_batch(count, rows, size, monkeypatch):
    monkeypatch.setattr(plan_module, "processes", lambda: count)
    assert batch_size_for(options(), rows, "normal rows") == size


def test_fewer_videos_than_processes(monkeypatch):
    monkeypatch.setattr(plan_module, "processes", lambda: 4)
    with pytest.raises(UserError, match="has 3 normal rows for 4 processes"):
        batch_size_for(options(), 3, "normal rows")


def test_one_process_says_what_is_adapted(monkeypatch, capsys):
    for rank in (0, 1):
        monkeypatch.setattr(group, "_group", Group(rank=rank, count=2))
        console.note("so it is")
    assert capsys.readouterr().err == "note: so it is\n"


@pytest.mark.parametrize("recipe", SCRIPTS)
def test_a_training_run_has_so_many_steps(recipe, tmp_path):
    data = own_set(tmp_path / "shop", train_videos=2, events=False)
    options = {**data.options, "method": "mil", "log-every": 1}
    for number, epochs in ((7, 1), (25, 3)):
        folder = tmp_path / str(number)
        run(SCRIPTS[recipe].train, folder, {**options, "max-steps": number})
        log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        assert sum("losses" in line for line in log) == number
        assert log[-1]["epoch"] == epochs
