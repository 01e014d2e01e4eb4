import os
import subprocess
import sys

import numpy as np
import pytest

from utils.system.errors import UserError
from utils.system.files import (
    remove_left_behind,
    require_different,
    require_writable,
    whole_file,
)
from utils.system.untrusted import load_object_array


def test_a_file_comes_whole_or_not_at_all(tmp_path):
    path = tmp_path / "folder" / "a.txt"
    with whole_file(path) as partial:
        partial.write_text("first")
    with pytest.raises(RuntimeError), whole_file(path) as partial:
        partial.write_text("sec")
        raise RuntimeError
    assert path.read_text() == "first"
    assert os.listdir(path.parent) == ["a.txt"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"), whole_file(tmp_path / "file" / "a"):
        pass


def test_object_arrays_of_plain_values(tmp_path):
    array = np.empty(2, dtype=object)
    array[:] = [[["165", "240"]], [[0, 2016], [np.int64(3), 4]]]
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    assert load_object_array(tmp_path / "a.npy") == array.tolist()


@pytest.mark.parametrize("content", [b"", b"junk", None])
def test_damaged_object_arrays(tmp_path, content):
    path = tmp_path / "a.npy"
    np.save(path, np.array([[1, 2]], dtype=object), allow_pickle=True)
    path.write_bytes(path.read_bytes()[:-10] if content is None else content)
    with pytest.raises(UserError, match="refused"):
        load_object_array(path)
    np.save(path, np.ones(3))
    with pytest.raises(UserError, match="refused"):
        load_object_array(path)


def test_what_a_killed_process_left_is_removed_and_what_one_writes_is_not(tmp_path):
    running = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    left, written = tmp_path / ".a.999999999.npy", tmp_path / f".a.{running.pid}.npy"
    for path in (left, written):
        path.write_text("half")
    remove_left_behind(tmp_path / "a.npy")
    assert os.listdir(tmp_path) == [written.name]
    running.communicate(b"\n")
    remove_left_behind(tmp_path / "a.npy")
    assert not os.listdir(tmp_path)


def test_results_must_be_different_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    require_different(model_path="a", predictions=None, checkpoint_path="b")
    with pytest.raises(UserError, match="--model-path and --predictions are one file, a"):
        require_different(model_path=tmp_path / "a", checkpoint_path="b", predictions="a")


def test_the_root_is_no_file():
    with pytest.raises(UserError, match="'/' cannot be written"):
        require_writable("/")
