import pytest
import torch

import ucf_option
from model import build_model
from utils.labels import UCF_CRIME


@pytest.fixture
def command(small_ucf, tmp_path):
    """Options of predict.py with weights of a small model, files under `tmp_path / "out"`."""
    options = [f"--{name}={value}" for name, value in small_ucf.items()]
    torch.manual_seed(0)
    model = build_model(ucf_option.parser.parse_args(options), UCF_CRIME)
    torch.save(model.state_dict(), tmp_path / "model.pth")
    return ["--out", str(tmp_path / "out"), *options, f"--model-path={tmp_path / 'model.pth'}"]
