"""Files from strangers that would create a file when they are opened carelessly: they do not, and
the error says why they are refused."""

import pickle
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from helpers.scripts import one_error
from helpers.spoiling import COMMANDS
from utils import PROJECT
from utils.datasets.lists import Row
from utils.datasets.official_truth import TruthFiles
from utils.datasets.truth_of_list import read_ground_truth
from utils.evaluation.predictions import read_arrays
from utils.labels import UCF_CRIME
from utils.system.errors import UserError
from utils.system.untrusted import load_object_array, load_tensors
from utils.system.yaml_files import read_yaml


class Acting:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


class ActingArchive(torch.nn.Module):
    """Creates a file when its TorchScript archive is loaded."""

    def __init__(self, path: str):
        super().__init__()
        self.path = path
        self.data = torch.zeros(8)

    def forward(self, x: torch.Tensor):
        return x

    @torch.jit.export
    def __getstate__(self):
        return self.path, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]):
        self.path = state[0]
        self.training = state[1]
        self.data = torch.from_file(self.path, True, 8)


def pth(path, planted):
    torch.save({"weight": torch.ones(1), "x": Acting(planted)}, path)


def old_pth(path, planted):
    """As PyTorch wrote files before 1.6, and pickles in general."""
    torch.save({"x": Acting(planted)}, path, _use_new_zipfile_serialization=False)


def bare_pickle(path, planted):
    path.write_bytes(pickle.dumps({"x": Acting(planted)}))


def archive(path, planted):
    torch.jit.script(ActingArchive(str(planted))).save(path)


def npy(path, planted):
    array = np.empty(1, dtype=object)
    array[0] = [Acting(planted)]
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=True)


def npz(path, planted):
    array = np.empty(1, dtype=object)
    array[0] = Acting(planted)
    with path.open("wb") as file:
        np.savez(file, videos=array, lengths=array, scores=array, probabilities=array)


def yml(path, planted):
    path.write_text(f"lr: !!python/object/apply:builtins.open ['{planted}', 'w']\n")


# What a careless program would open each with.
CARELESS = {
    pth: lambda path: torch.load(path, weights_only=False),
    old_pth: lambda path: torch.load(path, weights_only=False),
    bare_pickle: lambda path: pickle.loads(path.read_bytes()),
    archive: torch.jit.load,
    npy: lambda path: np.load(path, allow_pickle=True),
    npz: lambda path: np.load(path, allow_pickle=True)["videos"],
    yml: lambda path: yaml.unsafe_load(path.read_text()),
}

WEIGHTS = [  # the file, as an option names it, and what the error says
    (pth, "refused, it asks for"),
    (old_pth, "refused, it asks for"),
    (bare_pickle, "is damaged or no PyTorch weight file"),
    (archive, "is a TorchScript archive, which can run code, and is refused"),
]
CASES = [
    *(("ucf_test", "model-path", make, say) for make, say in WEIGHTS),
    *(("ucf_train", "clip-weights", make, say) for make, say in WEIGHTS),
    *(("xd_train", "checkpoint-path", make, say) for make, say in WEIGHTS),
    ("ucf_test", "gt-segment-path", npy, "is refused as an array of lists (it asks for "),
    ("xd_test", "gt-label-path", npy, "is refused as an array of lists (it asks for "),
    ("ucf_test", "gt-path", npy, "Object arrays cannot be loaded"),
    ("xd_train", "feature", npy, "Python objects in dtype"),
    ("make_lists ucf", "feature", npy, "Python objects in dtype"),
    ("demo_report ucf", "predictions", npz, "Object arrays cannot be loaded"),
    ("ucf_train", "config", yml, "could not determine a constructor for the tag"),
]


@pytest.mark.parametrize(
    "world, option, make, say",
    CASES,
    indirect=["world"],
    ids=[f"{command}: {option}, {make.__name__}" for command, option, make, _ in CASES],
)
@pytest.mark.filterwarnings("error:Detected pickle", "ignore:.*torch.jit:DeprecationWarning")
def test_nothing_in_a_file_is_executed(world, option, make, say, request, tmp_path, capfd):
    planted = tmp_path / "planted"
    if option == "feature":
        path, more = world.feature(), {}
    else:
        path = tmp_path / f"stranger{'.npy' if make is npy else '.file'}"
        more = {option: path, "use-checkpoint": option == "checkpoint-path"}
    make(path, planted)
    command = COMMANDS[request.node.callspec.params["world"]]
    error = one_error(command, capfd, world, more, notes=False)
    assert str(path) in error
    assert say in error
    assert not planted.exists()

    opened = CARELESS[make](path)  # it would have worked
    assert planted.exists()
    del opened


HEADER = b"\x93NUMPY\x01\x00\x3b\x00" + (  # of an array of one object
    b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(58) + b"\n"
)


class ForgedDtype:
    """Objects that claim not to be any, so that bytes are taken for their addresses."""

    def __reduce__(self):
        return np.dtype, ("O8", False, True), (3, "|", None, None, None, 8, 8, 0)


class ForgedArray:
    """Asks for nothing but NumPy's own functions."""

    def __reduce__(self):
        make = np._core.multiarray._reconstruct
        return make, (np.ndarray, (0,), b"b"), (1, (1,), ForgedDtype(), False, b"A" * 8)


class ForgedScalar:
    def __reduce__(self):
        return np._core.multiarray.scalar, (ForgedDtype(), b"A" * 8)


def test_numpy_is_not_asked_to_build_what_a_file_describes(tmp_path):
    (tmp_path / "a.npy").write_bytes(HEADER + pickle.dumps(ForgedArray()))
    with pytest.raises(UserError, match="it holds values of type 'O8'"):
        load_object_array(tmp_path / "a.npy")
    careless = "import sys, numpy; print(numpy.load(sys.argv[1], allow_pickle=True)[0])"
    run = [sys.executable, "-c", careless, str(tmp_path / "a.npy")]
    assert subprocess.run(run, capture_output=True).returncode != 0  # crashes: wrong addresses

    torch.save({"a": torch.ones(1), "ap": ForgedScalar()}, tmp_path / "a.pth")
    with pytest.raises(UserError, match=r"a\.pth is damaged"):
        load_tensors(tmp_path / "a.pth")


def test_a_pickle_takes_no_more_memory_than_it_has(tmp_path):
    """The place 2^31 of its memo is asked for; Python's faster unpickler makes all of them."""
    (tmp_path / "a.npy").write_bytes(HEADER + b"\x80\x04]r\xff\xff\xff\x7f.")
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30)); "
        "from utils.system.untrusted import load_object_array as load; print(load(sys.argv[1]))"
    )
    run = [sys.executable, "-c", limited, str(tmp_path / "a.npy")]
    done = subprocess.run(run, capture_output=True, text=True, cwd=PROJECT)
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.parametrize("dtype", [object, None])
@pytest.mark.parametrize(
    "lists",
    [
        [[[1, 2]], [[3, 4]]], [[[1, 2], [5, 6], [7, 8]], [[3, 4], [8, 9], [1, 3]]],
        [["Abuse"], ["A"]], [[["1", "2"]], [["3", "4"]]],
    ],
)  # fmt: skip
def test_lists_that_are_equally_long_make_an_array_of_more_dimensions(lists, dtype, tmp_path):
    np.save(tmp_path / "gt.npy", np.array(lists, dtype=dtype))
    assert load_object_array(tmp_path / "gt.npy") == lists


@pytest.mark.parametrize(
    "array",
    [
        np.arange(4), np.zeros((2, 2)), np.empty((9, 0), dtype=object),
        np.asfortranarray(np.array([[1, 2], [3, 4]], dtype=object)),
    ],
)  # fmt: skip
def test_arrays_that_are_no_lists_per_video_are_refused(array, tmp_path):
    np.save(tmp_path / "gt.npy", array)
    with pytest.raises(UserError, match="refused as an array of lists"):
        load_object_array(tmp_path / "gt.npy")


def overlapping(path: Path) -> None:
    """A small archive whose entries are all the same bytes: 200 times 200 MB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(20_000_000))
    data = path.read_bytes()
    directory = data.rindex(b"PK\x01\x02")
    entry, end = data[directory : data.rindex(b"PK\x05\x06")], data[data.rindex(b"PK\x05\x06") :]
    entries = b"".join(entry.replace(b"data/0", b"data/%c" % (65 + i)) for i in range(50))
    sizes = struct.pack("<HHLL", 50, 50, len(entries), directory)
    path.write_bytes(data[:directory] + entries + end[:8] + sizes + end[20:])


def test_entries_that_lie_over_one_another_are_not_unfolded(tmp_path):
    overlapping(tmp_path / "w.pth")
    assert (tmp_path / "w.pth").stat().st_size < 50_000
    for load in (load_tensors, read_arrays):
        begun = time.monotonic()
        with pytest.raises(UserError, match="would unfold to 1,000,000,000"):
            load(tmp_path / "w.pth")
        assert time.monotonic() - begun < 5


def test_labels_that_hold_one_another_end_in_a_line(tmp_path):
    """Sixty lists, each twice the one before: written out they would never end."""
    nested = ["Abuse"]
    for _ in range(60):
        nested = [nested, nested]
    labels = np.empty(1, dtype=object)
    labels[0] = nested
    segments = np.empty(1, dtype=object)
    segments[0] = [(0, 8), (8, 16)]
    np.save(tmp_path / "l.npy", labels)
    np.save(tmp_path / "s.npy", segments)
    np.save(tmp_path / "v.npy", np.zeros((1, 512), np.float32))
    np.save(tmp_path / "gt.npy", np.ones(16, np.float32))
    files = TruthFiles(*(str(tmp_path / f"{name}.npy") for name in ("gt", "s", "l")))
    rows = [Row(tmp_path / "v.npy", UCF_CRIME.encode("Abuse"))]
    with pytest.raises(UserError, match="labels that are not texts"):
        read_ground_truth(files, "list.csv", rows, UCF_CRIME)


@pytest.mark.parametrize(
    "text, message",
    [
        ("a: &a [1]\nb: *a\n", r"the alias \*a is refused: write it out"),
        ("".join(f"k{i}: {i}\n" for i in range(60_000)), None),
        ("a: 1\n" * 250_000, "has 1,250,000 bytes, more than the 1,048,576"),
        ("a: 1\na: 2\n", "'a' appears twice"),
    ],
)
def test_yaml_that_would_not_end(text, message, tmp_path):
    path = tmp_path / "x.yml"
    path.write_text(text)
    if message is None:  # many keys take a time that grows with them, and not with their square
        assert len(read_yaml(path, "file")) == 60_000
        return
    with pytest.raises(UserError, match=message):
        read_yaml(path, "file")
