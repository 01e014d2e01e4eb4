import subprocess
import sys

import pytest
import torch

from model import build_model
from utils import PROJECT, checkpoint
from utils.labels import UCF_CRIME
from utils.network.skip_init import SkipInit


@pytest.fixture
def skip_init(ucf_args):
    """A network whose weights come next."""
    with torch.random.fork_rng(devices=[]):
        return build_model(ucf_args, UCF_CRIME, with_clip=False)


@pytest.mark.parametrize(
    "draw",
    ["normal_", "uniform_", "trunc_normal_", "xavier_uniform_", "kaiming_uniform_"],
)
def test_nothing_is_drawn(draw):
    x, before = torch.full((300, 3), 0.5), torch.get_rng_state()
    with SkipInit():
        assert getattr(torch.nn.init, draw)(x) is x
    assert torch.equal(torch.get_rng_state(), before)
    assert len(x.unique()) == 1
    getattr(torch.nn.init, draw)(x)
    assert len(x.unique()) > 1


@pytest.mark.parametrize("take", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_weights_overwrite_all_that_was_not_drawn(ucf_model, skip_init, take, dtype):
    for p in skip_init.parameters():
        p.data.fill_(float("nan"))
    state = {name: value.to(dtype) for name, value in ucf_model.state_dict().items()}
    learns = {name for name, p in ucf_model.named_parameters() if p.requires_grad}
    checkpoint.fit(skip_init, dict(state), "w.pth", take)
    expected = {name: value.float() for name, value in state.items()}
    torch.testing.assert_close(dict(skip_init.state_dict()), expected, rtol=0, atol=0)
    assert {name for name, p in skip_init.named_parameters() if p.requires_grad} == learns
    buffers = [dict(model.named_buffers()) for model in (skip_init, ucf_model)]
    torch.testing.assert_close(*buffers, rtol=0, atol=0)


def test_taken_weights_are_not_copied(ucf_model, skip_init):
    state = {name: value.clone() for name, value in ucf_model.state_dict().items()}
    checkpoint.fit(skip_init, dict(state), "w.pth", take=True)
    assert all(v.data_ptr() == state[n].data_ptr() for n, v in skip_init.state_dict().items())


MAKE = """
import sys
import ucf_option
from model import build_model
from utils.labels import UCF_CRIME
from utils.system.device import set_up_device
device = set_up_device("cpu", "bf16")
build_model(ucf_option.parser.parse_args([]), UCF_CRIME, device, with_clip=False)
print(sorted({"sympy", "torch._dynamo", "torch._inductor"} & {*sys.modules}))
"""


def test_a_test_run_waits_for_no_compiler():
    done = subprocess.run([sys.executable, "-c", MAKE], cwd=PROJECT, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr[-2000:]
