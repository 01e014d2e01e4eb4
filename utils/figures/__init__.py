"""Figures of test and training runs; `python -m utils.figures --help`."""
