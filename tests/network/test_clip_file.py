"""Where CLIP's weights are to be had, from the package openai-clip."""

import importlib.util

import pytest

from utils.network import clip_file
from utils.system.errors import UserError


def test_the_package_may_be_missing(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    message = "the package openai-clip, which has clip/clip.py, is not installed: run 'pip install"
    with pytest.raises(UserError, match=message):
        clip_file.official_url("ViT-B/16")


def test_another_package_may_be_called_clip(monkeypatch, tmp_path):
    path = tmp_path / "clip.py"
    path.write_text("models = {}\n")
    monkeypatch.setattr(clip_file, "package_file", lambda name: tmp_path / name)
    with pytest.raises(
        UserError, match=r"^openai-clip holds no table of weight addresses: install"
    ):
        clip_file.official_url("ViT-B/16")
    path.write_text("models = {}\n_MODELS = {'ViT-B/16': 'https://x/y'}\n")
    assert clip_file.official_url("ViT-B/16") == "https://x/y"
