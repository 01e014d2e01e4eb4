"""Every flag, once: its type, its default, who may change it."""

from utils.options.flags import make_parser

__all__ = ["make_parser"]
