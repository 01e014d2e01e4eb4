from types import SimpleNamespace

import pytest
import torch

import ucf_option
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


def test_the_top_k_is_compiled():
    """In training; in testing the noise's own generator breaks the graph, and the rest is whole."""
    args = ucf_option.parser.parse_args(["--method=clip-tsa", "--compile=True"])
    torch.manual_seed(0)
    model = build_model(args, UCF_CRIME)
    assert model._compiled_call_impl is not None
    model.hard_attention.kappa, model.dropout.p = 0.5, 0.0
    visual, lengths = torch.randn(4, 32, 512), torch.full((4,), 32)
    gradients = []
    for backend in (None, "eager"):
        if backend:
            model.compile(dynamic=True, fullgraph=True, backend=backend)
        torch.manual_seed(1)
        outputs = model(visual, lengths) if backend else model.forward(visual, lengths)
        model.zero_grad()
        model.losses(outputs)["total"].backward()
        gradients.append(model.hard_attention.scorer.fc1.weight.grad.clone())
    torch.testing.assert_close(*gradients)
    model.eval().compile(dynamic=True, backend="eager")
    with torch.no_grad():
        expected = model.forward(visual[:1], lengths[:1]).logits1
        torch.testing.assert_close(model(visual[:1], lengths[:1]).logits1, expected)
