"""Checks before a run starts that it can fit into memory: one that is far too large may be killed
instead of raising an error.

Only what every run needs is counted, however short its videos are. The true need is larger: of a
training step with N = 256 and videos as long as that, three to ten times as large.
"""

from torch import nn

from utils.network.backbone import BACKBONES
from utils.options.methods import METHODS
from utils.system.console import plural
from utils.system.device import memory_of
from utils.system.errors import UserError

FLOAT = 4  # bytes
COPIES_PER_TRAINED = 4  # numbers for each that is trained: itself, its gradient and two moments
# Of every clip of a method that tells classes: matrices (N, N), for graph convolutions, and (N, D)
# that a step keeps for its gradients, or a test has at once.
STEP_TENSORS, TEST_TENSORS = (5, 20), (2, 1)
OTHER_TENSORS = (0, 1)


def require_memory(args, model: nn.Module, clips: int, training: bool) -> None:
    """
    Args:
        args: options.
        model: on its device.
        clips: of a training step in this process, or that a test scores at once.
        training: which of both.

    Raises:
        UserError: it cannot fit; the message says what is needed at least, and what there is.
    """
    device = next(model.parameters()).device
    needed, there = least_memory(args, model, clips, training), memory_of(device)
    if there is not None and needed > there:
        what, option = f"training with {plural(clips, 'clip')}", "--batch-size"
        if not training:
            what, option = f"testing with {plural(clips, 'chunk')}", "--eval-batch"
        place = "the GPU" if device.type == "cuda" else "this machine"
        raise UserError(
            f"{what} of --visual-length {args.visual_length} at once needs "
            f"{needed / 1e9:,.1f} GB of memory at least, and {place} has {there / 1e9:,.1f} GB: "
            f"give a smaller {option} or --visual-length"
        )


def least_memory(args, model: nn.Module, clips: int, training: bool) -> int:
    """Bytes of what stands above."""
    squares, rows = OTHER_TENSORS
    if METHODS[args.method].tells_classes:
        squares, rows = STEP_TENSORS if training else TEST_TENSORS
    n, width = args.visual_length, BACKBONES[args.backbone].width
    of_trained = COPIES_PER_TRAINED if training else 1
    weights = sum(p.numel() * (of_trained if p.requires_grad else 1) for p in model.parameters())
    return FLOAT * (weights + clips * n * (squares * n + rows * width))
