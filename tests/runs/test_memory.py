"""What would not fit into the memory, or never end, is refused before it is begun."""

import pytest
import torch

from helpers.scripts import SCRIPTS, one_error, options_of
from ucf_option import parser
from utils.runs.memory import least_memory
from utils.system import machine
from utils.system.command import command
from utils.system.device import memory_of, pick_device
from utils.system.errors import UserError


@pytest.mark.parametrize("script", ["train", "test"])
def test_a_run_that_cannot_fit_is_refused_with_both_figures(
    script, bases, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(machine, "memory", lambda: 10**8)
    options = options_of(tmp_path, bases["ucf"].options)
    if script == "test":
        options.append(f"--model-path={bases['ucf'].weights}")
    error = one_error(getattr(SCRIPTS["ucf"], script), capsys, options)
    clips = {"train": "8 clips", "test": "6 chunks"}[script]
    assert f"{script}ing with {clips} of --visual-length 32 at once needs 0." in error
    assert "GB of memory at least, and this machine has 0.1 GB: give a smaller" in error
    assert not (tmp_path / "log.jsonl").exists()


def test_what_is_counted_is_less_than_what_a_step_keeps(ucf_model, batch):
    visual, lengths = batch
    ucf_model.train()
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes(), tensor  # alive, so that no other lies there
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        ucf_model(visual, lengths)
    for p in ucf_model.parameters():
        kept.pop(p.untyped_storage().data_ptr(), None)
    args = parser.parse_args([f"--visual-length={visual.shape[1]}"])
    more = [least_memory(args, ucf_model, clips, training=True) for clips in (0, len(visual))]
    assert 0 < more[1] - more[0] < sum(size for size, _ in kept.values())


@pytest.mark.parametrize(
    "option",
    [
        "visual-length=1000000", "num_prototypes=2147483647", "visual-layers=2147483647",
        "decoder_depth=2147483647", "num-workers=500", "lr=1e300", "temp=1e-300",
        "prompt-prefix=1000", "attn-window=10000000", "loss2-weight=1e300", "crops=100000",
    ],
)  # fmt: skip
def test_options_out_of_all_bounds(option, capsys):
    with pytest.raises(SystemExit) as end:
        parser.parse_args([f"--{option}"])
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"argument --{option.partition('=')[0].replace('_', '-')}" in line
    assert " is not in " in line


@pytest.mark.parametrize("name", ["hpu", "cpu:5", "privateuseone", "meta", "cuda:1000000", ""])
def test_devices_that_are_none(name):
    with pytest.raises(UserError, match=f"--device {name} is none of auto, cpu, cuda"):
        pick_device(name)


@pytest.mark.parametrize(
    "take",
    [lambda: torch.empty(2**60), lambda: bytearray(2**62), lambda: (_ for _ in ()).throw(
        torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2.00 GiB"))],
)  # fmt: skip
def test_memory_that_cannot_be_had_is_one_line(take, capsys):
    with pytest.raises(SystemExit) as end:
        command(take)()
    assert end.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: there is not enough memory: lower --batch-size, --eval-batch")


def test_processes_on_one_machine_share_its_memory(monkeypatch):
    monkeypatch.setattr(machine, "memory", lambda: 1000)
    assert memory_of(torch.device("cpu")) == 1000
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert memory_of(torch.device("cpu")) == 250
    monkeypatch.undo()
    monkeypatch.delattr("os.sysconf")  # as on Windows
    assert memory_of(torch.device("cpu")) is None


def test_the_memory_of_a_container_counts(monkeypatch, tmp_path):
    whole = machine.memory()
    assert 2**28 < whole < 2**50
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(machine, "LIMIT", limit)
    for text, expected in (("12345\n", 12345), ("max\n", None), (f"{2**60}\n", None)):
        limit.write_text(text)
        found = machine.memory()
        assert found == expected if expected else found >= whole
