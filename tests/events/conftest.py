import pytest

from utils.options.parser import as_arguments


@pytest.fixture
def command(bases, tmp_path):
    """Options of predict.py with weights of a small model, files under `tmp_path / "out"`."""
    options = as_arguments(bases["ucf"].options)
    return ["--out", str(tmp_path / "out"), *options, f"--model-path={bases['ucf'].weights}"]
