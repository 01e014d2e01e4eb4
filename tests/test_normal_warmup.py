"""--normal-warmup: normal snippets that are chosen without the scores."""

import pytest
import torch
from torch.nn import functional as F

import ucf_option
from helpers.scripts import SMALL
from model import build_model
from sgnm import SGNM
from utils.engine import train_one_epoch
from utils.labels import UCF_CRIME
from utils.network.batch import valid_mask
from utils.optim import make_optimization
from utils.system.errors import UserError

LENGTHS = torch.tensor([7, 3, 12, 1])
IS_NORMAL = torch.tensor([True, False, False, True])
N = 12


@pytest.fixture
def clips():
    draw = torch.Generator().manual_seed(0)
    return torch.randn(4, N, 16, generator=draw), torch.rand(4, N, generator=draw)


@pytest.fixture
def sgnm():
    return SGNM(width=16, num_prototypes=3, normal_selection_ratio=0.5, decoder_depth=1)


def chosen(sgnm, visual, scores, is_normal):
    """Per video, sorted indices of the snippets that count as normal."""
    normal, mask = sgnm.select_normal(visual, scores, LENGTHS, is_normal)
    return [
        sorted((of_video[:, None] == video).all(-1).nonzero()[:, 1].tolist())
        for of_video, video in zip([n[m] for n, m in zip(normal, mask, strict=True)], visual,
                                   strict=True)
    ]  # fmt: skip


def test_all_of_normal_videos_and_what_is_nearest_to_these(sgnm, clips):
    visual, scores = clips
    normal = [visual[0, :7], visual[3, :1]]
    mean = torch.cat([F.normalize(video, dim=-1) for video in normal]).sum(dim=0)
    expected = [list(range(7)), None, None, [0]]
    for i, count in ((1, 1), (2, 6)):
        cosine = F.cosine_similarity(visual[i, : LENGTHS[i]], mean, dim=-1)
        expected[i] = sorted(cosine.topk(count).indices.tolist())
    assert chosen(sgnm, visual, scores, IS_NORMAL) == expected


def test_scores_choose_where_no_video_is_normal(sgnm, clips):
    visual, scores = clips
    by_score = [
        sorted(scores[i, :length].topk(max(1, length // 2), largest=False).indices.tolist())
        for i, length in enumerate(LENGTHS.tolist())
    ]
    assert chosen(sgnm, visual, scores, torch.zeros(4, dtype=bool)) == by_score


@pytest.mark.parametrize("taken", [0, 1])
def test_it_ends_after_so_many_steps_of_the_run(taken, batch, monkeypatch):
    """Those that a checkpoint counts included."""
    args = ucf_option.parser.parse_args([*SMALL, "--normal-warmup=2"])
    model = build_model(args, UCF_CRIME)
    told, select = [], SGNM.select_normal

    def spy(self, visual, scores, lengths, is_normal):
        told.append(None if is_normal is None else is_normal.tolist())
        return select(self, visual, scores, lengths, is_normal)

    monkeypatch.setattr(SGNM, "select_normal", spy)
    visual, lengths = batch
    labels = torch.stack([UCF_CRIME.encode(name) for name in ("Normal", "Abuse", "Arson")])
    data = visual[valid_mask(lengths, 32)], labels, lengths
    optimization = make_optimization(model, args, planned_steps=4)
    optimization.load_state_dict(optimization.state_dict() | {"steps": taken})
    losses = [*train_one_epoch(model, [data] * 3, optimization, args)]
    assert all(of_step["total"].isfinite() for of_step in losses)
    warm = 2 - taken
    assert told == [[True, False, False]] * warm + [None] * (3 - warm)
    assert optimization.state_dict()["steps"] == taken + 3


def test_it_needs_the_branch():
    with pytest.raises(UserError, match="--normal-warmup 3 needs SG-NM, which --method dsanet"):
        ucf_option.parser.read(["--normal-warmup=3", "--method=vadclip"])
