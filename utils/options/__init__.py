"""Every flag, once: its type, its default, who may change it."""

from utils.options.datasets import files_of
from utils.options.flags import make_parser

__all__ = ["files_of", "make_parser"]
