"""What the scripts share: ten rooms, and flat beside them what readers of `ucf_train.py` look for
next, and the commands."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
