"""When a training run must end because nothing good can come of it, and what it says then."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from utils.evaluation.scored_videos import Prediction
from utils.system.errors import UserError

# A score this near to 0 or 1 passes no gradient on: binary cross-entropy's is cut off there.
SATURATED = 1e-12
BATCH_SHOWN = 6  # files of a batch that an error names


def first_broken(losses: torch.Tensor) -> tuple[int, int] | None:
    """Row and column of the first of the losses (steps, terms) that is not finite."""
    broken = (~losses.isfinite()).nonzero()
    return tuple(broken[0].tolist()) if len(broken) else None


def broken_loss(place: str, term: str, value: str, files: list[Path], written: Path) -> str:
    """What to say of a loss that is not finite.

    Args:
        place: epoch and step of it.
        term, value: its name and what it is.
        files: of the batch.
        written: the file that names all of them.
    """
    shown = ", ".join(file.stem for file in files[:BATCH_SHOWN])
    more = f", … ({len(files)}, all in {written})" if len(files) > BATCH_SHOWN else ""
    return f"in {place}: {term} is {value}; the batch was {shown}{more}"


def saturated(predictions: list[Prediction]) -> str | None:
    """What to say if no score can change any more; None if one can."""
    scores = np.concatenate([p.score for p in predictions])
    if (np.minimum(scores, 1 - scores) >= SATURATED).any():
        return None
    return "every score of every test video is 0 or 1, from where no gradient leads back"


def broken_weights(model: nn.Module) -> str | None:
    """What to say if trained weights are not finite; None if all are."""
    if all(p.isfinite().all() for p in model.parameters() if p.requires_grad):
        return None
    return "the weights are not finite"


def diverged(what: str, checkpoint: Path, saved: str | None) -> UserError:
    """The error that ends the run.

    Args:
        what: is wrong, and where.
        checkpoint: of the run.
        saved: the place of the last one written; None before the first.
    """
    kept = f"; {checkpoint}, after {saved}, is kept" if saved else ""
    return UserError(f"training diverged {what}: start anew with a smaller --lr{kept}")
