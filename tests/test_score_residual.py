"""--score-residual: SG-NM's reconstruction error as a part of the score."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import ucf_option
from detector import Detector
from helpers.scripts import SMALL
from model import build_model
from utils import checkpoint
from utils.datasets.clips import process_split
from utils.engine import Scoring, Videos, score
from utils.labels import UCF_CRIME
from utils.runs.made_with import made_with
from utils.system.device import autocast
from utils.system.errors import UserError

LENGTHS = (5, 40, 32)


@pytest.fixture(scope="module")
def videos():
    rng = np.random.default_rng(0)
    return [torch.from_numpy(rng.standard_normal((n, 512)).astype(np.float32)) for n in LENGTHS]


def scored(weight, videos):
    """Predictions, and the model that made them."""
    args = ucf_option.parser.parse_args([*SMALL, f"--score-residual={weight}"])
    torch.manual_seed(0)
    model = build_model(args, UCF_CRIME).eval()
    names = [str(i) for i in range(len(videos))]
    return score(model, Videos(Scoring.of(args), names, videos)), model


def test_the_score_is_the_mean_that_it_says(videos):
    (official, _), (mixed, model) = scored(0, videos), scored(0.3, videos)
    for video, before, after in zip(videos, official, mixed, strict=True):
        chunks, _ = process_split(video.numpy(), 32)
        error = []
        for chunk, start in zip(torch.from_numpy(chunks), range(0, len(video), 32), strict=False):
            valid = min(32, len(video) - start)
            with torch.no_grad():
                outputs = model(chunk[None], torch.tensor([valid]))
            v, rebuilt = outputs.visual_features[0], outputs.reconstructed_features[0]
            cosine = (v * rebuilt).sum(-1) / (v.norm(dim=-1) * rebuilt.norm(dim=-1))
            error.append((1 - cosine[:valid]) / 2)
        expected = 0.7 * before.score + 0.3 * torch.cat(error).numpy()
        np.testing.assert_allclose(after.score, expected, rtol=1e-4, atol=1e-6)
        assert np.abs(after.score - before.score).max() > 1e-3
        np.testing.assert_array_equal(after.probabilities, before.probabilities)


def test_features_of_another_width_in_bf16():
    """Which a linear layer makes as wide as CLIP's: what comes behind stays float32, too."""
    args = ucf_option.parser.parse_args([*SMALL, "--score-residual=0.3", "--precision=bf16"])
    model = build_model(args, replace(UCF_CRIME, width=96)).eval()
    clip, lengths = torch.randn(1, 32, 96), torch.tensor([20])
    with torch.no_grad(), autocast(args.precision, torch.device("cpu")):
        outputs = model(clip, lengths)
    assert outputs.visual_features.dtype == outputs.reconstructed_features.dtype == torch.float32
    (found,) = score(model, Videos(Scoring.of(args), ["v"], [clip[0, :20]]))
    assert np.isfinite(found.score).all()


def test_without_it_tests_do_not_reconstruct(videos):
    _, model = scored(0, videos)
    assert model(torch.zeros(1, 32, 512), torch.tensor([3])).reconstructed_features is None


@pytest.mark.parametrize("options", [["--DNP_use=False"], ["--method=vadclip"], ["--method=mil"]])
def test_it_needs_the_branch(options):
    with pytest.raises(
        UserError, match=r"--score-residual 0\.5 needs SG-NM, which --method dsanet"
    ):
        ucf_option.parser.read(["--score-residual=0.5", *options])


def test_weights_without_the_branch_cannot_have_it(tmp_path):
    path = tmp_path / "w.pth"
    said = ucf_option.parser.parse_args([*SMALL, "--DNP_use=False"])
    checkpoint.save_weights(
        build_model(said, UCF_CRIME), path, made_with(said, UCF_CRIME, "random")
    )
    told = rf"^{path} was trained without SG-NM, which --score-residual 0\.3 needs: leave it out$"
    with pytest.raises(UserError, match=told):
        Detector.load(str(path), score_residual=0.3)
