"""Shared code: a folder for each of ten topics; beside these the modules to read after
`ucf_train.py`, and the commands."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
