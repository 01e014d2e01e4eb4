"""What tests and checks read of a data set that a file describes."""

import json

import numpy as np
import pytest
import torch

import predict
import ucf_option
import ucf_test
from helpers.own import describe, features, table
from helpers.scripts import SMALL, exit_code, one_error
from model import build_model
from utils import check_data, make_lists
from utils.engine import EvaluationSet
from utils.labels import UCF_CRIME, dataset_of, read_dataset
from utils.system.errors import UserError

VIDEOS = {"a": 4, "b": 3, "n": 4, "k": 3, "c__1": 2, "m": 2}
TABLE = (
    "a,fire,train,60", "b,fire,test,44", "n,normal,train,64", "k,normal,test,50",
    "c__1,hit-and-run,test,32", "m,normal,train,32",
)  # fmt: skip
EVENTS = ("b,8,40,fire", "c__1,0,16,hit-and-run")


@pytest.fixture
def own(tmp_path):
    """Its folder, with lists."""
    table(tmp_path / "videos.csv", "video,label,split,frames", *TABLE)
    table(tmp_path / "events.csv", "video,start,end,class", *EVENTS)
    features(tmp_path / "features", VIDEOS)
    make_lists.main(["--dataset", str(describe(tmp_path))])
    return tmp_path


def options(folder, *more):
    return [f"--dataset={folder}/own.yml", "--num-workers=0", *more]


def evaluation_set(folder, *more):
    args = ucf_option.parser.parse_args(options(folder, *more))
    return EvaluationSet(args, dataset_of(args, UCF_CRIME))


def check(folder, capsys, *more):
    """Exit code and lines of check_data."""
    capsys.readouterr()
    try:
        check_data.main(["ucf", *options(folder, *more)])
        code = 0
    except SystemExit as end:
        code = end.code
    return code, capsys.readouterr().out.splitlines()


def test_a_test_set(own):
    test = evaluation_set(own)
    assert test.names == ["b", "k", "c__1"]
    assert test.lengths == [3, 3, 2]
    assert test.batches[0][0].shape[1] == 4  # as wide as the data set is
    assert [edges.tolist() for edges in test.truth.edges] == [[0, 16, 32, 44], [0, 16, 32, 48],
                                                             [0, 16, 32]]  # fmt: skip
    assert test.truth.segments == [[(8, 40)], [(0, 48)], [(0, 16)]]
    assert test.truth.labels == [["fire"], ["normal"], ["hit-and-run"]]


def test_a_test_set_of_seconds(own):
    describe(own, row="0.5 seconds", event_unit="frames", fps=32)
    test = evaluation_set(own)
    assert [edges.tolist() for edges in test.truth.edges] == [[0, 0.5, 1, 1.375], [0, 0.5, 1, 1.5],
                                                             [0, 0.5, 1]]  # fmt: skip
    assert test.truth.segments[0] == [(0.25, 1.25)]


def test_a_test_list_has_one_row_per_video_even_without_events(own):
    (own / "events.csv").unlink()
    path = own / "list" / "test.csv"
    path.write_text(path.read_text() + path.read_text().splitlines()[-1] + "\n")
    with pytest.raises(UserError, match=r"line 5: video c__1 is there already, see .*line 4"):
        evaluation_set(own)


def test_a_table_that_is_named_must_be_there(own, capsys):
    before = (own / "list" / "train.csv").read_bytes()
    for name in ("labels.csv", "tabels/videos.csv"):
        describe(own, videos=name)
        with pytest.raises(SystemExit, match=r"^2$"):
            make_lists.main(["--dataset", str(own / "own.yml")])
        assert f"names the table of videos {own}/{name}: not found" in capsys.readouterr().err
    assert (own / "list" / "train.csv").read_bytes() == before


def test_a_test_set_without_events(own):
    (own / "events.csv").unlink()
    test = evaluation_set(own)
    assert test.truth is None
    assert test.names == ["b", "k", "c__1"]


def test_sound_data(own, capsys):
    assert check(own, capsys) == (0, ["6 files read, no problems"])
    (own / "list" / "test.csv").unlink()
    assert check(own, capsys, "--select=last") == (0, ["3 files read, no problems"])


def test_every_problem_is_in_the_table(own, capsys):
    features(own / "features", {"a": 9, "n": 4, "m": 2})
    np.save(own / "features" / "n.npy", np.ones((4, 5)))
    lists = own / "list"
    table(lists / "train.csv", *(lists / "train.csv").read_text().splitlines(),
          f"{own}/features/m.npy,fier,m2,32", f"{own}/features/b.npy,fire,b,44",
          f"{own}/features/k.npy,normal,k2,ten")  # fmt: skip
    code, lines = check(own, capsys)
    assert code == 1
    expected = [
        ("train.csv, line 2 ", f"feature file {own}/features/a.npy: it has 9 rows of 16 frames"),
        ("train.csv, line 3 ", "n.npy has shape (4, 5); expected (T, 4)"),
        ("train.csv, line 5 ", "unknown own label 'fier' (did you mean fire?)"),
        ("train.csv, line 7 ", "frames is 'ten'"),
        ("test.csv, line 2 ", "video b is also in"),
    ]
    assert len(lines) == len(expected) + 1
    for line, (place, what) in zip(lines, expected, strict=False):
        assert place in line and what in line
    assert lines[-1] == "7 files read, 5 problems"


def test_events_that_do_not_fit(own, capsys):
    table(own / "events.csv", "video,start,end,class", "b,8,99,fire")
    code, lines = check(own, capsys)
    assert code == 1
    assert "events.csv, line 2: the event is from 8 to 99, but b has 44 frames" in lines[0]
    assert lines[1:] == ["6 files read, 1 problem"]


@pytest.mark.parametrize(
    "said, more, message",
    [
        ({}, ("--test-list=none.csv",), "list none.csv not found: make it"),
        ({"classes": {"normal": "a", "fire": "b"}}, (), "unknown own label 'hit-and-run'"),
        ({"width": 5}, (), "shape (3, 4); expected (T, 5)"),
        ({"row": "8 frames"}, (), "video b: it has 3 rows of 8 frames, which stand for 24 frames"),
        ({"event-unit": "seconds"}, (), "events.csv, line 2: its times are in seconds"),
        ({"events": "none.csv"}, (), "table of events"),
    ],
)
def test_bad_input_of_a_test(own, said, more, message):
    describe(own, **said)
    with pytest.raises(UserError) as error:
        evaluation_set(own, *more)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there(own, capsys):
    given = ["--dataset=none.yml", "--num-workers=0"]
    for main, arguments in (
        (ucf_test.main, given),
        (check_data.main, ["ucf", *given]),
        (predict.main, ["ucf", f"{own}/features/b.npy", f"--out={own}/out", *given]),
    ):
        error = one_error(main, capsys, arguments)
        assert "data set none.yml cannot be read: No such file" in error


def test_check_data_without_a_test_set_and_without_lists(own, capsys):
    (own / "list" / "test.csv").unlink()
    check_data.main(options(own))  # by either recipe
    assert "test.csv: the training list alone is checked" in capsys.readouterr().err
    (own / "list" / "train.csv").unlink()
    assert exit_code(check_data.main, ["ucf", *options(own)]) == 2
    assert "train.csv not found: make it with" in capsys.readouterr().err


def test_an_event_of_another_class_than_its_video_is_said(own, capsys):
    table = (own / "events.csv").read_text().splitlines()
    video, start, end, label = table[1].split(",")
    other = next(code for code in read_dataset(own / "own.yml").classes[1:] if code != label)
    (own / "events.csv").write_text(
        "\n".join([table[0], f"{video},{start},{end},{other}", *table[2:]])
    )
    check_data.main(["ucf", *options(own)])
    assert "with a class that the video's label lacks" in capsys.readouterr().err


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Of a small network for a data set like `own`."""
    folder = tmp_path_factory.mktemp("weights")
    describe(folder)
    args = ucf_option.parser.parse_args(options(folder, *SMALL))
    torch.manual_seed(0)
    torch.save(build_model(args, dataset_of(args, UCF_CRIME)).state_dict(), folder / "w.pth")
    return folder / "w.pth"


def with_weights(folder, weights, *more):
    places = f"--model-path={weights}", f"--output-dir={folder}/out"
    return options(folder, *SMALL, *places, "--device=cpu", *more)


def test_a_test_run(own, weights, capsys):
    ucf_test.main(with_weights(own, weights))
    results = json.loads((own / "out" / "results.json").read_text())
    assert list(results["per_class_ap"]) == ["normal", "fire", "hit-and-run"]
    assert all(0 <= results[name] <= 1 for name in ("auc1", "ap2", "video_auc", "class_accuracy"))
    assert capsys.readouterr().out.splitlines()[1].startswith(f"AUC1:  {results['auc1']}")
    (own / "events.csv").unlink()
    ucf_test.main(with_weights(own, weights))
    assert json.loads((own / "out" / "results.json").read_text())["auc1"] is None
    assert "no table of events" in capsys.readouterr().out


def test_bad_input_of_a_test_run(own, weights, capsys):
    arguments = with_weights(own, weights)
    table(own / "events.csv", "video,start,end,class", "b,8,4,fire")
    error = one_error(ucf_test.main, capsys, arguments)
    assert "events.csv, line 2: expected numbers 0 ≤ start < end" in error
    describe(own, width=5)
    error = one_error(ucf_test.main, capsys, arguments)
    assert "w.pth was trained on features 4 wide, those of own are 5" in error
    assert not (own / "out").exists()


@pytest.mark.parametrize(
    "said, end",
    [
        ({"row": "share", "fps": 10}, 4.4),
        ({"row": "16 frames", "fps": 10}, 4.4),
        ({"row": "1.5 seconds", "fps": 10}, 4.4),
    ],
)
def test_predicted_times(own, weights, said, end):
    """The table says that b has 44 frames."""
    describe(own, **said)
    inputs = ["ucf", f"{own}/features/b.npy", f"--out={own}/out"]
    predict.main([*inputs, *with_weights(own, weights)])
    snippets = json.loads((own / "out" / "b.json").read_text())["snippets"]
    assert len(snippets["score"]) == 3
    assert snippets["start"][0] == 0 and snippets["end"][-1] == pytest.approx(end)


def test_bad_input_of_predict(own, weights, capsys):
    def error_of(*more, **said):
        describe(own, **said)
        inputs = ["ucf", f"{own}/features/b.npy", f"--out={own}/out"]
        return one_error(predict.main, capsys, [*inputs, *with_weights(own, weights, *more)])

    assert "own.yml: row is '16'" in error_of(row="16")
    assert "it has 3 rows of 8 frames, which stand for 24 frames" in error_of(row="8 frames")
    (own / "videos.csv").unlink()
    assert "b.npy: its rows are equal shares of it, and its length is not" in error_of(row="share")
    np.save(own / "features" / "b.npy", np.ones((3, 5)))
    assert "has shape (3, 5); expected (T, 4)" in error_of()
    assert not list((own / "out").glob("*"))
