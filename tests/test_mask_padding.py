"""--mask-padding: what stands behind a video's end, and how much, makes no difference."""

import pytest
import torch

import ucf_option
from helpers.scripts import SMALL
from losses import dsanet_losses
from model import build_model
from utils.labels import UCF_CRIME
from utils.system.errors import UserError

LENGTHS = torch.tensor([20, 3, 9])
SHORT, LONG = 24, 32  # positions of a clip; attention windows are of 8


def model_of(*options):
    tokens = [*SMALL, "--attn-window=8", *options]
    torch.manual_seed(0)
    return build_model(ucf_option.parser.parse_args(tokens), UCF_CRIME)


@pytest.fixture
def visual():
    visual = torch.randn(3, LONG, 512, generator=torch.Generator().manual_seed(1))
    for video, length in zip(visual, LENGTHS, strict=True):
        video[length:] = 0
    return visual


def scores(model, visual, lengths):
    """Of the videos' own snippets, one after another: (V, 1), (V, C)."""
    with torch.no_grad():
        outputs = model(visual, lengths)
    own = torch.arange(visual.shape[1]) < lengths[:, None]
    return outputs.logits1[own], outputs.logits2[own]


@pytest.mark.parametrize("method", ["dsanet", "vadclip"])
@pytest.mark.parametrize("masks", [True, False])
def test_scores_do_not_depend_on_the_padding(method, masks, visual):
    model = model_of(f"--method={method}", f"--mask-padding={masks}").eval()
    found = scores(model, visual[:, :SHORT], LENGTHS), scores(model, visual, LENGTHS)
    for short, long in zip(*found, strict=True):
        assert torch.allclose(short, long, rtol=1e-4, atol=1e-5) == masks


def test_losses_do_not_depend_on_it_either(visual):
    model = model_of("--mask-padding=True").train()
    labels = torch.stack([UCF_CRIME.encode(name) for name in ("Normal", "Abuse", "Arson")])
    found = [
        dsanet_losses(model(visual[:, :n], LENGTHS), labels, LENGTHS, 1.1) for n in (SHORT, LONG)
    ]
    for name, value in found[0].items():
        torch.testing.assert_close(value, found[1][name], rtol=1e-4, atol=1e-5)


def test_videos_as_long_as_a_clip_are_scored_as_without(visual):
    whole = visual[:1, :16], torch.tensor([16])
    masked, official = (
        scores(model_of(f"--mask-padding={masks}").eval(), *whole) for masks in (True, False)
    )
    for a, b in zip(masked, official, strict=True):
        assert torch.equal(a, b)


def test_methods_without_padding_refuse_it():
    with pytest.raises(UserError, match="--mask-padding True is for dsanet and vadclip: --method"):
        ucf_option.parser.read(["--mask-padding=True", "--method=rtfm"])


def test_it_sets_the_other_two_options():
    args = ucf_option.parser.parse_args(["--mask-padding=True"])
    assert (args.DCSA_pool, args.select_normal) == ("video", "video")
    with pytest.raises(UserError, match="--mask-padding True means --select-normal video, not cl"):
        ucf_option.parser.read(["--mask-padding=True", "--select-normal=clip"])
