from types import SimpleNamespace

import numpy as np
import pytest
import torch

import ucf_option
from benchmarks import workload
from benchmarks.measure import Operators
from benchmarks.sections import OF_THE_HOST
from helpers.scripts import SMALL
from model import build_model
from utils.engine import score, train_one_epoch
from utils.labels import UCF_CRIME
from utils.network.batch import valid_mask
from utils.optim import dsanet_optimization, make_optimization
from utils.system.errors import UserError


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--method=vadclip"],
        ["--select-normal=video", "--DCSA_pool=video", "--background-weights=complement"],
    ],
    ids=" ".join,
)
def test_a_training_step_never_waits_for_the_device(options, batch):
    args = ucf_option.parser.parse_args([*SMALL, *options])
    model = build_model(args, UCF_CRIME)
    visual, lengths = batch
    snippets = visual[valid_mask(lengths, 32)]
    labels = torch.stack([UCF_CRIME.encode(name) for name in ("Normal", "Abuse", "Arson")])
    optimization = make_optimization(model, args, planned_steps=4)
    steps = train_one_epoch(model, [(snippets, labels, lengths)] * 2, optimization, args)
    next(steps)  # the optimizers make their states
    with Operators() as count:
        next(steps)
    steps.close()
    assert count.waits == OF_THE_HOST


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_gpu_is_never_waited_for(ucf_args, batch):
    model = build_model(ucf_args, UCF_CRIME, "cuda")
    visual, lengths = batch
    data = visual[valid_mask(lengths, 32)], torch.eye(14)[:3], lengths
    optimization = dsanet_optimization(model, lr=1e-5, epochs=1, planned_steps=4)
    steps = train_one_epoch(model, [data] * 2, optimization, ucf_args)
    next(steps)
    torch.cuda.set_sync_debug_mode("error")
    try:
        next(steps)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    steps.close()


def make_test_set(features, args, eval_batch):
    return workload.test_set(features, SimpleNamespace(**{**vars(args), "eval_batch": eval_batch}))


@pytest.fixture
def features(rng):
    return [rng.standard_normal((t, 512)).astype(np.float32) for t in (5, 32, 100, 1, 70)]


def test_scores_do_not_depend_on_what_is_scored_together(ucf_model, ucf_args, features):
    alone = score(ucf_model, make_test_set(features, ucf_args, eval_batch=1))
    assert [p.probabilities.shape for p in alone] == [(len(f), 14) for f in features]
    for eval_batch in (3, 100):
        together = score(ucf_model, make_test_set(features, ucf_args, eval_batch))
        for a, b in zip(alone, together, strict=True):
            np.testing.assert_allclose(a.score, b.score, rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(a.probabilities, b.probabilities, rtol=1e-4, atol=1e-6)


def test_scores_that_are_not_finite_name_the_video(ucf_model, ucf_args, features):
    features[3][:] = np.nan
    with pytest.raises(UserError, match="scores of v3 are not finite"):
        score(ucf_model, make_test_set(features, ucf_args, eval_batch=4))
