from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from utils.datasets import segment_batches
from utils.engine import Optimization, score, train_one_epoch
from utils.errors import UserError
from utils.labels import UCF_CRIME
from utils.padding import padding_mask

# What makes the host wait for a GPU: reading a value, or a shape that depends on values.
WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "equal")


class Trace(TorchDispatchMode):
    """Names of all operators that run."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def test_a_training_step_never_waits_for_the_device(ucf_model, ucf_args, batch):
    model = ucf_model
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    visual, lengths = batch
    snippets = visual[padding_mask(lengths, 32)]
    labels = torch.stack([UCF_CRIME.encode(name) for name in ("Normal", "Abuse", "Arson")])
    optimization = Optimization(model, lr=1e-5, epochs=1, planned_steps=4)
    steps = train_one_epoch(model, [(snippets, labels, lengths)] * 2, optimization, ucf_args)
    next(steps)  # the optimizers make their states
    with Trace() as trace:
        next(steps)
    steps.close()
    found = [name for name in trace.names if name.startswith(WAITING)]
    # The two of `Filled.of`, of lengths that are on the CPU.
    assert found == ["nonzero", "nonzero"], found
    model.load_state_dict(before, strict=False)
    model.zero_grad()


def test_trace_sees_waiting():
    with Trace() as trace:
        torch.ones(3).sum().item()
    assert any(name.startswith(WAITING) for name in trace.names)


def make_test_set(features, eval_batch, n=32):
    return SimpleNamespace(
        batches=segment_batches([torch.from_numpy(feat) for feat in features], n, eval_batch),
        rows=[SimpleNamespace(video=f"v{i}") for i in range(len(features))],
        lengths=[len(feat) for feat in features],
        visual_length=n,
        window=8,
        precision="fp32",
        temperature=5.0,
    )


@pytest.fixture
def features(rng):
    return [rng.standard_normal((t, 512)).astype(np.float32) for t in (5, 32, 100, 1, 70)]


def test_scores_do_not_depend_on_what_is_scored_together(ucf_model, features):
    alone = score(ucf_model, make_test_set(features, eval_batch=1))
    assert [p.probabilities.shape for p in alone] == [(len(f), 14) for f in features]
    for eval_batch in (3, 100):
        together = score(ucf_model, make_test_set(features, eval_batch))
        for a, b in zip(alone, together, strict=True):
            np.testing.assert_allclose(a.score, b.score, rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(a.probabilities, b.probabilities, rtol=1e-4, atol=1e-6)


def test_scores_that_are_not_finite_name_the_video(ucf_model, features):
    features[3][:] = np.nan
    with pytest.raises(UserError, match="scores of v3 are not finite"):
        score(ucf_model, make_test_set(features, eval_batch=4))
