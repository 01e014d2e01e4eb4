"""The answer for one video: its timeline, its events, and what is known of it."""

import av
import numpy as np
import pytest

from helpers.own import described, table
from helpers.videos import write_video
from utils.datasets.ground_truth import GroundTruth
from utils.datasets.lists import Row
from utils.evaluation.alarms import all_events
from utils.evaluation.scored_videos import Prediction, ScoredVideos
from utils.events.annotated import KnownEvents, Segment
from utils.events.answer import About, answer_for
from utils.find_events import Timeline, find_events
from utils.labels import UCF_CRIME, XD_VIOLENCE
from utils.system.errors import UserError
from utils.videos.frames import Video, frame_times

ABOUT = About("w.pth", "dsanet", min_confidence=0.5)


def test_a_feature_file_is_of_the_video_in_its_name(tmp_path):
    known = KnownEvents({"walk": [Segment(1.0, 2.0, "Arson")]}, False, UCF_CRIME)
    scores = Prediction(np.array([0.1, 0.9, 0.1, 0.1, 0.6, 0.7]))
    path = tmp_path / "walk__5.npy"
    answer = answer_for("walk__5", path, scores, UCF_CRIME, ABOUT, known, fps=16.0)
    assert [event[:2] for event in answer.events] == [(1, 2), (4, 6)]
    assert answer.truth == [(1.0, 2.0, "arson")]
    assert not answer.is_video
    few = answer_for("walk__5", path, scores, UCF_CRIME, ABOUT, fps=16.0, min_seconds=1.5)
    assert [event[:2] for event in few.events] == [(4, 6)]
    assert few.truth is None


def test_a_video_is_asked_for_its_times(tmp_path):
    video = write_video(tmp_path / "v__1.mp4", 40)  # 25 frames a second
    known = KnownEvents({"v__1": [], "v": [Segment(0, 9, "x")]}, True, UCF_CRIME)
    answer = answer_for("v__1", video, Prediction(np.ones(2)), UCF_CRIME, ABOUT, known, fps=1.0)
    assert answer.timeline.edges == pytest.approx([0, 0.64, 1.28], abs=1e-3)
    assert answer.truth == []
    assert answer.is_video


def test_the_truth_of_a_test_list(tmp_path):
    rows = [Row(tmp_path / f"{name}__5.npy", UCF_CRIME.encode(label)) for name, label in
            (("a", "Abuse"), ("n", "Normal"))]  # fmt: skip
    truth = GroundTruth([], [], [[(32, 48), (0, 16)], [(0, 80)]], [["Abuse"] * 2, ["A"]])
    known = KnownEvents.of_test_list(rows, truth, UCF_CRIME)
    found = answer_for("a", rows[0].path, Prediction(np.ones(5)), UCF_CRIME, ABOUT, known, 16.0)
    assert found.truth == [(0, 1, "abuse"), (2, 3, "abuse")]
    assert known.of("n", found.timeline) == []
    assert known.of("other", found.timeline) is None


def test_recordings_that_were_joined_are_shown_one_after_another(tmp_path):
    data = write_video(tmp_path / "v.ts", 32).read_bytes()
    (tmp_path / "twice.ts").write_bytes(data + data)
    times = frame_times(tmp_path / "twice.ts")
    assert len(times) == 64
    assert times == pytest.approx(np.arange(64) / 25, abs=0.02)


def test_a_recording_that_begins_before_its_first_key_frame(tmp_path):
    """The decoder gives no frame of what comes before."""
    video = write_video(tmp_path / "v.ts", 120, codec="libx264", options={
        "g": "50", "bf": "2", "sc_threshold": "0",
    })  # fmt: skip
    cut = tmp_path / "cut.ts"
    with av.open(str(video)) as whole, av.open(str(cut), "w") as part:
        stream = whole.streams.video[0]
        copy = part.add_stream_from_template(stream)
        for i, packet in enumerate(whole.demux(stream)):
            if i >= 20 and packet.dts is not None:
                packet.stream = copy
                part.mux(packet)
    times = frame_times(cut)
    assert len(times) == len(list(Video(cut).frames())) == 70
    assert times[0] == pytest.approx(30 / 25, abs=0.1)
    assert np.diff(times) == pytest.approx(np.full(69, 1 / 25), abs=1e-3)


def test_packets_that_are_half_a_frame_each(tmp_path, monkeypatch):
    """As the fields of interlaced video may be: the frames then tell their times."""
    video = write_video(tmp_path / "v.mp4", 40)
    true = frame_times(video)
    asked = []

    def of_packets(path, decode=False):
        asked.append(decode)
        return frame_times(path, decode=True) if decode else np.arange(80) / 50

    monkeypatch.setattr("utils.events.answer.frame_times", of_packets)
    answer = answer_for("v", video, Prediction(np.ones(2)), UCF_CRIME, ABOUT)
    assert asked == [False, True]
    assert answer.timeline.times == pytest.approx(true, abs=1e-6)


def test_a_stream_without_times_has_its_frame_rate(tmp_path):
    write_video(tmp_path / "v.m4v", 32, rate=10)  # MPEG-4 without a container
    assert frame_times(tmp_path / "v.m4v") == pytest.approx(np.arange(32) / 10, abs=0.02)


@pytest.mark.parametrize(
    "ending",
    [
        "mpg",
        "ts",
        "mkv",
        *(pytest.param(ending, marks=pytest.mark.slow) for ending in ("vob", "mp4")),
    ],
)
def test_pictures_in_another_order_than_they_are_shown_in_keep_their_times(ending, tmp_path):
    """MPEG-PS is exact for some pictures alone, and its decoding times fall back now and then."""
    video = write_video(tmp_path / f"v.{ending}", 3000, codec="mpeg2video", options={"bf": "2"})
    times = frame_times(video)
    assert times == pytest.approx(np.arange(3000) / 25, abs=0.1)
    assert times[-1] == pytest.approx(2999 / 25, abs=0.02)


def test_a_video_is_known_by_its_name_in_either_spelling(tmp_path):
    video = write_video(tmp_path / "cafe\u0301.mp4", 40)  # as a Mac writes it
    table(tmp_path / "e.csv", "video,start,end,class", "caf\u00e9,0,1,Abuse")
    known = KnownEvents.read(tmp_path / "e.csv", UCF_CRIME)
    answer = answer_for("v", video, Prediction(np.ones(2)), UCF_CRIME, ABOUT, known)
    assert answer.truth == [(0, 1, "abuse")]


def test_rows_without_time_are_no_event_and_interrupt_none(tmp_path):
    """Eight rows share four frames: every second row has none."""
    facts = described(tmp_path, row="share", fps=10)
    score = np.array([0.9, 0.1, 0.1, 0.1, 0.1, 0.9, 0.1, 0.9])
    timeline = Timeline(8, 10, None, facts.row, 4)
    lasting = np.diff(timeline.edges) > 0
    assert lasting.sum() == 4
    events = find_events(Prediction(score), facts, timeline, 0.5, 0)
    assert all(event.end > event.start for event in events)
    rows = [Row(tmp_path / "v.npy", facts.encode("fire"), length=4)]
    same = all_events(ScoredVideos([Prediction(score)], None, rows, facts))
    assert [e[:2] for e in events] == sorted(zip(same.start, same.end, strict=True))


def test_annotations_name_a_video_once_and_every_class_has_frames(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("v B1 0 10 B2\n")
    with pytest.raises(UserError, match="line 1: expected class start end … with frames"):
        KnownEvents.read(path, XD_VIOLENCE)
    path.write_text("v B1 -1 -1\n")
    with pytest.raises(UserError, match="expected class start end"):
        KnownEvents.read(path, XD_VIOLENCE)
    path.write_text("v.mp4 Abuse 0 10 -1 -1\nv.mp4 Abuse 20 30 -1 -1\n")
    with pytest.raises(UserError, match=r"a.txt, line 2: v appears twice, see .*a.txt, line 1"):
        KnownEvents.read(path, UCF_CRIME)
