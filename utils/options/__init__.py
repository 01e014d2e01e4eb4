"""Every flag, once: its type, its default, who may change it."""

from utils.options.flags import files_of, make_parser

__all__ = ["files_of", "make_parser"]
