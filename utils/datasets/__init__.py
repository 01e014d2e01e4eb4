"""From a row of a list to a batch on the CPU, and the ground truth beside it."""

from utils.datasets.clips import process_feat, process_split

__all__ = ["process_feat", "process_split"]
