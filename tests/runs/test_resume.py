"""Runs that are killed, stopped or damaged, and resumed. `make soak` kills 20 instead of 2."""

import os
import random
import re
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

import utils.runs.training
from helpers.processes import finish, start, wait_until
from helpers.runs import assert_same_run, stop_at
from helpers.scripts import SCRIPTS, drop_checkpoints, exit_code, make_data, one_error, run
from utils.system.files import previous
from utils.system.untrusted import load_tensors

KILLS = int(os.environ.get("KILLS", 2))
BATCH = {"ucf": 2, "xd": 6}  # so that an epoch has
STEPS = 5
RUNS = {"ucf": ("ucf", {}), "xd": ("xd", {}), "mil": ("ucf", {"method": "mil"})}
CUT = {"log-every": 2, "eval-every": 2, "checkpoint-every": 3}


@pytest.fixture(autouse=True)
def ctrl_c():
    """SIGINT acts as on a terminal, also where a shell's background ignores it."""
    outside = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, outside)


def kill_at(process: subprocess.Popen, folder: Path, writing: int, delay: float) -> None:
    """SIGKILL `delay` seconds from now or, if n > 0, into the n-th checkpoint from now on."""
    partial = folder / f".checkpoint.{process.pid}.pth"
    for n in range(writing):
        if n:
            wait_until(lambda: not partial.exists(), process)
        wait_until(partial.exists, process)
    time.sleep(delay)
    process.kill()
    process.communicate()


@pytest.fixture(scope="module")
def whole_runs(tmp_path_factory):
    """By name, made when asked for: options, the folder of a run that nothing stopped, and the
    seconds that it took from its first step."""
    runs = {}

    def whole(name):
        if name not in runs:
            recipe, more = RUNS[name]
            folder = tmp_path_factory.mktemp(name)
            options = make_data(folder, recipe, train_videos=3, test_videos=6)
            options |= {**CUT, "batch-size": BATCH[recipe], **more}
            begun = time.monotonic()
            run(SCRIPTS[recipe].train, folder / "run", options)
            drop_checkpoints(folder / "run")
            runs[name] = options, folder / "run", time.monotonic() - begun
        return runs[name]

    return whole


@pytest.mark.slow
@pytest.mark.parametrize("point", range(KILLS))
def test_a_killed_run_ends_like_one_that_never_stopped(point, whole_runs, tmp_path):
    chance = random.Random(point)
    name = list(SCRIPTS)[point // 2 % 2]
    options, whole, seconds = whole_runs(name)
    # Every other kill falls into the writing of a checkpoint, which takes some tenths of a second.
    writing = chance.randint(1, 4) if point % 2 == 0 else 0
    delay = chance.uniform(0, 0.3 if writing else seconds)
    process = start(name, tmp_path, options)
    wait_until((tmp_path / "log.jsonl").exists, process)  # the first step is done
    kill_at(process, tmp_path, writing, delay)

    log = (tmp_path / "log.jsonl").read_text()
    logged = re.findall(r'"epoch": (\d), "step": (\d), "losses"', log)
    done = max((STEPS * (int(epoch) - 1) + int(step) for epoch, step in logged), default=0)
    unfinished = [file.name for file in tmp_path.glob(".*.pth")]
    checkpoint = tmp_path / "checkpoint.pth"
    paths = [path for path in (checkpoint, previous(checkpoint)) if path.is_file()]
    kept = 0
    if paths:
        state = load_tensors(paths[0])
        kept = STEPS * state["epoch"] + state["step"]
    if not (tmp_path / "best.json").exists():  # else it had ended before
        finish(start(name, tmp_path, {**options, "use-checkpoint": bool(paths)}))
    assert_same_run(whole, tmp_path)
    assert not list(tmp_path.glob(".*"))
    moment = f"{delay:.2f} s into checkpoint {writing}" if writing else f"after {delay:.1f} s"
    print(
        f"| {point + 1} | {name} | {moment} | {done} | {kept} | {max(0, done - kept)} | "
        f"{', '.join(unfinished) or 'none'} | equal |"
    )


@pytest.mark.parametrize(
    "name", ["mil", *(pytest.param(name, marks=pytest.mark.slow) for name in SCRIPTS)]
)
def test_a_stopped_run_ends_like_one_that_never_stopped(name, whole_runs, tmp_path, capfd):
    """Neither the cache nor the processes that read features make a difference."""
    options, whole, _ = whole_runs(name)
    options = {**options, "checkpoint-every": 0}
    other = {**options, "cache": tmp_path / "cache"}
    train, cut = SCRIPTS[RUNS[name][0]].train, tmp_path / "cut"
    outside = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    assert stop_at((0, 2), signal.SIGTERM, train, cut, {**options, "num-workers": 2}) == 143
    printed = capfd.readouterr()
    assert "stopping after this step; once more: at once" in printed.err
    assert "stopped after 0 epochs and 3 steps, saved" in printed.out
    assert load_tensors(cut / "checkpoint.pth")["step"] == 3

    with (cut / "log.jsonl").open("a") as log:
        log.write('{"epoch": 1, "st')  # as if cut off in the middle of a line
    # In the last step of an epoch, so that nothing is left of it to walk.
    assert stop_at((1, 4), signal.SIGINT, train, cut, {**other, "use-checkpoint": True}) == 130
    run(train, cut, {**options, "use-checkpoint": True})
    assert_same_run(whole, cut)
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == outside
    parts = re.findall(r"^after .*:$", (cut / "provenance.yml").read_text(), re.MULTILINE)
    assert parts[0] == "after 0 epochs and 0 steps:"
    assert parts[1] == "after 0 epochs and 3 steps:"


@pytest.mark.slow
def test_a_signal_to_the_whole_process_group(stopped, tmp_path):
    """As Ctrl-C is, which ends `| tee`, too: nobody reads what is printed."""
    options = {**stopped[0], "use-checkpoint": False, "num-workers": 2, "max-epoch": 50}
    process = start("ucf", tmp_path, options, start_new_session=True, stdout=subprocess.PIPE)
    process.stdout.close()
    wait_until((tmp_path / "log.jsonl").exists, process)
    os.killpg(process.pid, signal.SIGTERM)
    errors = process.stderr.read()
    assert process.wait(timeout=60) == 143
    assert "Error" not in errors
    assert (tmp_path / "checkpoint.pth").is_file()


def test_a_second_signal_acts_at_once(stopped, tmp_path):
    options = {**stopped[0], "use-checkpoint": False}

    def twice(self, losses):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("not reached")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils.runs.training.Run, "after_step", twice)
        assert exit_code(run, SCRIPTS["ucf"].train, tmp_path, options) == 130
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """Options of a UCF run that was stopped after a checkpoint and a step more, and its folder."""
    folder = tmp_path_factory.mktemp("stopped")
    options = make_data(folder, "ucf", train_videos=3, test_videos=6)
    options |= {"batch-size": 2, "checkpoint-every": 1}
    assert stop_at((0, 1), signal.SIGTERM, SCRIPTS["ucf"].train, folder / "run", options) == 143
    return {**options, "use-checkpoint": True}, folder / "run"


@pytest.fixture
def copied(stopped, tmp_path):
    """The same to play with. Files are linked: to be replaced, not written into."""
    options, folder = stopped
    for file in folder.iterdir():
        os.link(file, tmp_path / file.name)
    return options, tmp_path


def error_of(options, folder, capfd) -> str:
    return one_error(run, capfd, SCRIPTS["ucf"].train, folder, options, notes=False)


def damage(path: Path, change) -> None:
    content = bytearray(path.read_bytes())
    path.unlink()
    path.write_bytes(change(content))


def flip_a_bit(content: bytearray) -> bytes:
    content[len(content) // 2] ^= 1
    return content


@pytest.mark.parametrize(
    "change", [lambda content: b"", lambda content: content[:-1000], flip_a_bit],
    ids=["empty", "cut", "a bit"],
)  # fmt: skip
def test_a_damaged_checkpoint_is_refused_and_the_one_before_offered(change, copied, capfd):
    options, folder = copied
    path = folder / "checkpoint.pth"
    damage(path, change)
    error = error_of(options, folder, capfd)
    assert f"{path} is damaged" in error
    assert "the one before, after 0 epochs and 1 steps, is whole" in error
    assert error.endswith(f"to go on from there, mv {previous(path)} {path}")


def test_what_a_damaged_checkpoint_offers(copied, capfd):
    options, folder = copied
    path = folder / "checkpoint.pth"
    damage(path, flip_a_bit)
    command = error_of(options, folder, capfd).rpartition("to go on from there, ")[2]
    subprocess.run(command.split(), check=True)
    assert stop_at((0, 1), signal.SIGINT, SCRIPTS["ucf"].train, folder, options) == 130
    damage(path, flip_a_bit)
    damage(previous(path), flip_a_bit)
    assert "to go on from there" not in error_of(options, folder, capfd)


def test_a_run_killed_between_two_renamings_goes_on(copied, capfd):
    options, folder = copied
    path = folder / "checkpoint.pth"
    path.unlink()
    assert stop_at((0, 1), signal.SIGINT, SCRIPTS["ucf"].train, folder, options) == 130
    assert f"resuming {previous(path)}, after 0 epochs and 1 step" in capfd.readouterr().out
    assert load_tensors(path)["step"] == 2


def test_a_full_disk_leaves_the_last_checkpoint(copied, capfd):
    options, folder = copied
    path = folder / "checkpoint.pth"
    before = path.stat().st_ino
    smaller = path.stat().st_size - 1_000_000
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (smaller, limits[1]))
    try:
        error = error_of(options, folder, capfd)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert error == f"error: {path} cannot be written: File too large"
    assert path.stat().st_ino == before
    assert load_tensors(path)["step"] == 2
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"lr": 1e-3}, "was written with lr 7e-05, now it is 0.001"),
        ({"t_w": 0.5}, "was written with t_w 0.1, now it is 0.5"),
        ({"eval-every": 3}, "was written with eval_every 10, now it is 3"),
    ],
)
def test_a_resumed_run_keeps_its_options(change, message, copied, capfd):
    options, folder = copied
    assert message in error_of({**options, **change}, folder, capfd)


def test_a_resumed_run_keeps_its_lists(copied, tmp_path, capfd):
    options, folder = copied
    lines = Path(options["train-list"]).read_text().splitlines()
    shorter = tmp_path / "shorter.csv"
    shorter.write_text("\n".join(lines[:-1]) + "\n")
    error = error_of({**options, "train-list": shorter}, folder, capfd)
    assert "was written with train_list " in error


def test_a_list_that_changes_meanwhile(stopped, tmp_path, capfd):
    train_list = tmp_path / "train.csv"
    text = Path(stopped[0]["train-list"]).read_text()
    train_list.write_text(text)
    options = {**stopped[0], "use-checkpoint": False, "train-list": train_list}
    after_step = utils.runs.training.Run.after_step

    def change(self, losses):
        train_list.write_text(text + "\n")
        after_step(self, losses)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils.runs.training.Run, "after_step", change)
        assert stop_at((0, 0), signal.SIGTERM, SCRIPTS["ucf"].train, tmp_path, options) == 143
    error = error_of({**options, "use-checkpoint": True}, tmp_path, capfd)
    assert "was written with train_list " in error


def test_a_run_begun_anew_sets_an_older_one_aside(copied, capfd):
    options, folder = copied
    (folder / "best.json").write_text("{}")
    options = {**options, "use-checkpoint": False, "checkpoint-every": 0}
    assert stop_at((0, 0), signal.SIGTERM, SCRIPTS["ucf"].train, folder, options) == 143
    older = folder / "checkpoint.older.pth"
    assert f"the checkpoint of an older run is now {older}" in capfd.readouterr().out
    assert load_tensors(folder / "checkpoint.pth")["step"] == 1
    assert not previous(folder / "checkpoint.pth").exists()
    assert load_tensors(older)["step"] == 2
    assert (folder / "log.older.jsonl").is_file()
    assert (folder / "best.older.json").is_file()
    assert not (folder / "best.json").exists()
