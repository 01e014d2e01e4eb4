"""The answer for one video: its timeline, its events, and what is known of it."""

import argparse

import numpy as np
import pytest

import predict
from helpers.videos import write_video
from utils.datasets.ground_truth import GroundTruth
from utils.datasets.lists import Row
from utils.evaluation.scored_videos import Prediction
from utils.events.annotated import KnownEvents, Segment
from utils.events.answer import About, answer_for
from utils.labels import UCF_CRIME

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


def test_other_classes_leave_the_options_as_they_were(tmp_path, capsys):
    (tmp_path / "c.yml").write_text("fire: flames\n")
    given = {"classes_num": 14, "text_tuning": "manual", "temp": 5.0}
    args = argparse.Namespace(**given)
    changed, facts = predict.with_classes(tmp_path / "c.yml", args, UCF_CRIME)
    assert vars(args) == given
    assert vars(changed) == {"classes_num": 2, "text_tuning": "manual", "temp": 5.0}
    assert facts.classes == ("normal", "fire")
    assert "zero-shot and unmeasured" in capsys.readouterr().err
