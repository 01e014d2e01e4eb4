import pytest

from helpers.own import described, features, table
from utils.datasets.lists import Row
from utils.datasets.official_truth import TruthFiles
from utils.datasets.truth_of_list import read_ground_truth
from utils.system.errors import UserError

NO_FILES = TruthFiles("", "", "")


@pytest.fixture
def truth_of(tmp_path):
    """Ground truth of three test videos, four rows each, from events and facts."""

    def of(*events, lengths=(None, None, None), header="video,start,end,class", **said):
        features(tmp_path / "features", {"a": 4, "b": 4, "n": 4})
        table(tmp_path / "events.csv", header, *events)
        table(tmp_path / "videos.csv", "video,label", "t,fire", "a,fire", "b,fire", "n,normal")
        facts = described(tmp_path, **said)
        labels = ("fire", "fire-hit-and-run", "normal")
        rows = [
            Row(tmp_path / "features" / f"{name}.npy", facts.encode(label), f"test.csv, line {i}",
                facts.width, name, length)
            for i, (name, label, length) in enumerate(zip("abn", labels, lengths, strict=True), 2)
        ]  # fmt: skip
        return read_ground_truth(NO_FILES, "test.csv", rows, facts)

    return of


def test_events_of_test_videos(truth_of, capsys):
    truth = truth_of(
        "b,20,40,Hit-and-run", "a , 8, 24.0 ,fire", "n,,,", "t,1,2,fire", "", "b,0,8,fire"
    )
    assert [edges.tolist() for edges in truth.edges] == [[0, 16, 32, 48, 64]] * 3
    assert truth.segments == [[(8, 24)], [(0, 8), (20, 40)], [(0, 64)]]
    assert truth.labels == [["fire"], ["fire", "hit-and-run"], ["normal"]]
    assert truth.spans == [[(8, 24)], [(0, 8), (20, 40)], []]
    assert truth.abnormal.tolist() == [8, 8, 0, 0, 8, 12, 8, 0, 0, 0, 0, 0]
    assert truth.durations.tolist() == [16] * 12
    assert capsys.readouterr().err == ""


def test_overlapping_events_of_one_class_are_merged_and_said_to_be(truth_of, capsys):
    truth = truth_of(
        "b,8,24,fire", "b,20,40,fire", "b,30,32,fire", "b,10,50,hit-and-run", "b,40,44,fire",
        "a,4,8,fire", "a,4,8,fire",
    )  # fmt: skip
    # What only touches stays apart, as do events of two classes.
    assert truth.segments[1] == [(8, 40), (10, 50), (40, 44)]
    assert truth.labels[1] == ["fire", "hit-and-run", "fire"]
    assert truth.spans[1] == [(8, 50)]
    assert truth.segments[0] == [(4, 8)]
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "3 overlapping events of one video and class merged, first that of" in said
    assert "events.csv, line 8\n" in said


def test_an_anomalous_video_without_an_event_is_said_to_be_normal(truth_of, capsys):
    truth = truth_of("a,8,24,fire", "b,,,")
    assert truth.segments[1:] == [[], [(0, 64)]]
    assert truth.abnormal[4:].sum() == 0
    assert "1 anomalous test video without an event in" in (said := capsys.readouterr().err)
    assert "first b: all of that time counts as normal" in said


@pytest.mark.parametrize(
    "said, event, expected",
    [
        ({"event_unit": "seconds", "fps": 10}, "a,0.84,2.5,fire", (8, 25)),  # whole frames
        ({"event_unit": "seconds", "fps": 10}, "a,0.81,0.83,fire", (8, 9)),  # at least one
        ({"row": "0.5 seconds", "event_unit": "seconds"}, "a,0.25,1.3,fire", (0.25, 1.3)),
        ({"row": "0.5 seconds", "fps": 8}, "a,2,10,fire", (0.25, 1.25)),
        ({"row": "8 frames"}, "a,3,9,fire", (3, 9)),
    ],
)
def test_units_of_events_and_rows(truth_of, said, event, expected):
    truth = truth_of(event, "b,0,1,fire", **said)
    assert truth.segments[0] == [pytest.approx(expected, abs=1e-12)]
    assert truth.edges[0][-1] == {None: 64, "0.5 seconds": 2, "8 frames": 32}[said.get("row")]


def test_shared_seconds(truth_of):
    said = {"row": "share", "event_unit": "seconds", "lengths": (6.0, 8.0, 2.0)}
    truth = truth_of("a,1,4,fire", "b,0,8,fire", **said)
    assert [edges[1] for edges in truth.edges] == [1.5, 2, 0.5]
    assert truth.abnormal.tolist() == [0.5, 1.5, 1, 0, 2, 2, 2, 2, 0, 0, 0, 0]


def test_what_lies_behind_the_last_row_is_left_out(truth_of, capsys):
    """Of four rows of 16 frames of a video that may have 79."""
    truth = truth_of("a,0,70,fire", "b,0,8,fire", "b,64,70,hit-and-run")
    assert truth.segments[:2] == [[(0, 64)], [(0, 8)]]
    assert truth.labels[1] == ["fire"]
    said = capsys.readouterr().err
    assert "1 event behind the last row of a video" in said
    assert "events.csv, line 4: left out" in said
    truth = truth_of("a,0,70,fire", "b,64,70,fire", lengths=(72, 70, None))
    assert truth.segments[:2] == [[(0, 64)], []]


def test_a_video_may_end_within_its_last_row(truth_of):
    truth = truth_of("a,8,60,fire", "b,0,8,fire", lengths=(60, 64, None))
    assert truth.edges[0].tolist() == [0, 16, 32, 48, 60]
    assert truth.durations.dtype.kind == "i"
    # Ends are rounded: up to a row is cut off.
    assert truth_of("a,8,76,fire", lengths=(60, 64, None)).segments[0] == [(8, 60)]
    with pytest.raises(UserError, match="from 8 to 77, but a has 60 frames"):
        truth_of("a,8,77,fire", lengths=(60, 64, None))


@pytest.mark.parametrize(
    "event, message",
    [
        ("c,1,2,fire", "line 3: c is in no list of own"),
        ("A,1,2,fire", "line 3: A is in no list of own"),
        ("a,1,2,fier", r"line 3: unknown own label 'fier' \(did you mean fire\?\)"),
        ("a,1,2,normal", "line 3: the class is 'normal': expected one anomaly class"),
        ("b,1,2,fire-hit-and-run", "line 3: the class is 'fire-hit-and-run': expected one"),
        ("n,1,2,fire", "line 3: n is normal in test.csv, line 4, yet has an event"),
        ("a,8,81,fire", "line 3: the event is from 8 to 81, but a has 64 frames"),
        ("a,800,900,fire", "line 3: the event is from 800 to 900, but a has 64 frames"),
        ("a,2,1,fire", "line 3: expected numbers 0 ≤ start < end and a class, found '2', '1', 'f"),
        ("a,2,2,fire", "line 3: expected numbers 0 ≤ start < end"),
        ("a,-2,2,fire", "line 3: expected numbers 0 ≤ start < end"),
        ("a,0:10,0:20,fire", "line 3: expected numbers .* found '0:10', '0:20'"),
        ("a,nan,2,fire", "line 3: expected numbers"),
        ("a,1,inf,fire", "line 3: expected numbers"),
        ("a,1,,fire", "line 3: expected numbers"),
        ("a,1,2,", "line 3: expected numbers .* and a class, found '1', '2', ''"),
        ("a,1,2", "line 3: expected numbers .* and a class, found '1', '2', ''"),
        (",1,2,fire", "line 3: the video is empty"),
        ("a,1,2,fire,x", "Expected 4 fields in line 3, saw 5"),
        ('a,1,2,"fire', "cannot be read as CSV"),
    ],
)
def test_bad_events(truth_of, event, message):
    with pytest.raises(UserError, match=rf"events\.csv.*{message}") as error:
        truth_of("b,0,1,fire", event)
    assert "\n" not in str(error.value)


def test_lines_are_counted_with_blank_ones(truth_of):
    with pytest.raises(UserError, match=r"events\.csv, line 5: c is in no list"):
        truth_of("b,0,1,fire", "", "", "c,1,2,fire")


@pytest.mark.parametrize(
    "header, message",
    [
        ("video,start,end", "expected video, start, end, class .class is missing."),
        ("video,start,end,label", "has the columns video, start, end, label; .*class is missing"),
        ("video,start,end,class,class", "class appears twice"),
        ("video;start;end;class", "separated by semicolons: save it with commas"),
    ],
)
def test_bad_columns(truth_of, header, message):
    with pytest.raises(UserError, match=rf"events\.csv.*{message}"):
        truth_of(header=header)


def test_columns_in_another_order_and_further_ones(truth_of):
    truth = truth_of("fire,a,by me,1,2", header="class, video,note,start,end")
    assert truth.segments[0] == [(1, 2)]


def test_frames_a_second_that_are_not_said(truth_of):
    message = r"events\.csv, line 2: its times are in seconds and a row is 16 frames.*'fps: 25'"
    with pytest.raises(UserError, match=message):
        truth_of("a,1,2,fire", event_unit="seconds")
    with pytest.raises(UserError, match="its times are in frames and a row is 1 second, in sec"):
        truth_of("a,1,2,fire", row="1 second")


@pytest.mark.parametrize(
    "events, lengths, message",
    [
        ([], (64, 90, 64), "test.csv, line 3: video b: it has 4 rows of 16 frames"),
    ],
)
def test_events_that_do_not_fit_the_list(truth_of, events, lengths, message):
    with pytest.raises(UserError, match=message):
        truth_of(*events, lengths=lengths)


@pytest.mark.parametrize("events", [["t,1,2,fire"], []])
def test_videos_without_events_are_said(truth_of, events, capsys):
    assert truth_of(*events).one_kind
    said = capsys.readouterr().err
    assert "events.csv has only one kind of frame, so AUC and AP are not defined: are these" in said


def test_shares_of_an_unknown_length(truth_of):
    with pytest.raises(UserError, match=r"test\.csv, line 2: video a: .*must have its frames"):
        truth_of("a,1,2,fire", row="share")


def test_a_video_twice_in_the_test_list(tmp_path):
    features(tmp_path, {"a__0": 4, "a__1": 4})
    table(tmp_path / "events.csv", "video,start,end,class", "a,1,2,fire")
    facts = described(tmp_path)
    rows = [
        Row(tmp_path / f"a__{i}.npy", facts.encode("fire"), f"test.csv, line {i + 2}", facts.width)
        for i in range(2)
    ]
    with pytest.raises(UserError, match=r"line 3: video a is there already, see test\.csv, line 2"):
        read_ground_truth(NO_FILES, "test.csv", rows, facts)


def test_events_of_training_videos_in_another_list(tmp_path):
    features(tmp_path / "features", {"a": 4})
    table(tmp_path / "events.csv", "video,start,end,class", "a,1,2,fire", "t,1,2,fire")
    facts = described(tmp_path)
    rows = [Row(tmp_path / "features" / "a.npy", facts.encode("fire"), width=facts.width)]
    with pytest.raises(UserError, match="t is in no list of own"):
        read_ground_truth(NO_FILES, "test.csv", rows, facts)
    table(tmp_path / "split1.csv", "path,label", "t__0.npy,fire")
    files = NO_FILES._replace(train_list=str(tmp_path / "split1.csv"))
    assert read_ground_truth(files, "test.csv", rows, facts).segments == [[(1, 2)]]


def test_a_table_that_is_not_there(tmp_path):
    features(tmp_path, {"a": 4})
    facts = described(tmp_path, events="e.csv")
    rows = [Row(tmp_path / "a.npy", facts.encode("fire"), width=facts.width)]
    with pytest.raises(UserError, match=r"table of events .*e\.csv not found"):
        read_ground_truth(NO_FILES, "test.csv", rows, facts)


def test_no_events_no_ground_truth(tmp_path):
    assert read_ground_truth(NO_FILES, "test.csv", [], described(tmp_path)) is None
