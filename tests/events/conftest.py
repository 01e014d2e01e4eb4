import pytest


@pytest.fixture
def command(bases, tmp_path):
    """Options of predict.py with weights of a small model, files under `tmp_path / "out"`."""
    options = [f"--{name}={value}" for name, value in bases["ucf"].options.items()]
    return ["--out", str(tmp_path / "out"), *options, f"--model-path={bases['ucf'].weights}"]
