"""From a row of a list to a batch on the CPU, and the ground truth beside it."""

from utils.datasets.clips import process_feat, process_split
from utils.datasets.lists import Row, read_list

__all__ = ["Row", "process_feat", "process_split", "read_list"]
