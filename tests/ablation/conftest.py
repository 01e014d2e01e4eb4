import pytest

# A training script that counts how often it was begun, and does what the file `do` says.
STAND_IN = """
import json, signal, sys, time
from pathlib import Path
options = dict(a.lstrip("-").split("=", 1) for a in sys.argv[1:] if "=" in a)
folder = Path(options["output-dir"])
with (folder / "begun").open("a") as file:
    file.write(("resumed" if "--resume" in sys.argv else "begun") + "\\n")
do = Path(sys.argv[0]).with_name("do").read_text()
if do == "fail" and options["seed"] == "2":
    print("error: no such thing")
    sys.exit(2)
if do == "share":  # leaves when it ran
    begun = time.time()
    time.sleep(0.5)
    (folder / "ran").write_text(json.dumps([begun, time.time()]))
if do == "wait":
    def stopped(number, _):
        (folder / "signals").write_text((folder / "signals").read_text() + str(number))
        sys.exit(128 + number)
    (folder / "signals").write_text("")
    for number in (2, 15):
        signal.signal(number, stopped)
    Path(options["checkpoint-path"]).write_text("")
    time.sleep(60)
(folder / "model.pth").write_text("")
(folder / "best.json").write_text(json.dumps({"auc1": 0.9, "average_map": None}))
"""


@pytest.fixture
def stand_in(tmp_path):
    (tmp_path / "script.py").write_text(STAND_IN)
    (tmp_path / "do").write_text("finish")
    return tmp_path / "script.py"


LISTS = ("train-list", "test-list", "gt-path", "gt-segment-path", "gt-label-path")


@pytest.fixture
def lists(small_ucf):
    return [f"--{name}={small_ucf[name]}" for name in LISTS]
