"""What figures are made from: scores of several methods, side by side."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from utils.evaluation.scored_videos import ScoredVideos
from utils.figures import source as module
from utils.figures.source import Source
from utils.figures.style import PALETTE
from utils.labels import UCF_CRIME
from utils.system.errors import UserError


def test_as_many_methods_as_colours():
    named = [f"{i}=gone.npz" for i in range(len(PALETTE) + 1)]
    told = f"^--methods: {len(named)}, more than the {len(PALETTE)} told apart$"
    with pytest.raises(UserError, match=told):
        _ = Source(None, UCF_CRIME, named).methods
    with pytest.raises(UserError, match=r"gone\.npz cannot be read"):
        _ = Source(None, UCF_CRIME, named[1:]).methods


@pytest.mark.parametrize("kind", ["roc", "alarms", "delay"])
def test_frames_of_one_kind_have_no_curves(kind, scored):
    predictions, truth, rows = scored
    truth = replace(truth, spans=[[] for _ in truth.spans])
    source = Source(None, UCF_CRIME)
    source.methods = {"a": ScoredVideos(predictions, truth, rows, UCF_CRIME)}
    with pytest.raises(UserError, match=r"^this figure needs normal and abnormal frames; all are "):
        getattr(source, kind)()


def test_weights_that_bring_their_own_options_read_the_features_that_these_say(monkeypatch):
    monkeypatch.setattr(module, "EvaluationSet", lambda *made_of: made_of)
    source = Source("given", UCF_CRIME)
    source.detector = SimpleNamespace(args="theirs", facts=replace(UCF_CRIME, width=768))
    assert source.detector_test == ("theirs", source.detector.facts)
