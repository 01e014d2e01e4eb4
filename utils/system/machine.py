"""What a machine can be asked for. No PyTorch here, so that options are read without it."""

import os

# Cores this process may use.
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
PRECISIONS = ("fp32", "tf32", "bf16")  # of matrix products
