from types import SimpleNamespace

import pytest
import torch

from model import build_model
from utils.labels import UCF_CRIME
from utils.network.batch import Filled
from utils.system.device import autocast

pytestmark = [pytest.mark.real_clip, pytest.mark.slow]


def test_compiling_meets_no_break_in_the_graph(ucf_args, batch):
    torch.manual_seed(0)
    model = build_model(SimpleNamespace(**{**vars(ucf_args), "compile": True}), UCF_CRIME)
    assert model._compiled_call_impl is not None
    with torch.no_grad():
        plain = model.forward(*batch)
        filled = Filled.of(batch[1], 32, ucf_args.attn_window)
        # Tracing is the point here; generating code would take a minute.
        model.compile(dynamic=True, fullgraph=True, backend="eager")
        compiled = model(*batch, filled=filled)
        with autocast("bf16", torch.device("cpu")):
            rounded = model(*batch, filled=filled)
    torch.testing.assert_close(compiled.logits2, plain.logits2)
    torch.testing.assert_close(rounded.logits2, plain.logits2, rtol=0.02, atol=0.05)
