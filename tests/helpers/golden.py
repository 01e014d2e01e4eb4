"""Goldens: numbers that the official implementation gave on seeded weights and inputs.

They and some real annotations and lists lie in a folder `shared` beside the repository, or where
DSANET_SHARED points. Tests that need it skip where it is absent.
"""

import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from utils import PROJECT

SHARED = Path(os.environ.get("DSANET_SHARED", PROJECT.parent / "shared"))
GOLDEN = SHARED / "golden"
REAL = SHARED / "data"

needs_goldens = pytest.mark.skipif(
    not GOLDEN.is_dir(), reason=f"goldens of the official code not found in {GOLDEN}"
)
needs_real_data = pytest.mark.skipif(
    not REAL.is_dir(), reason=f"real annotations and lists not found in {REAL}"
)


def seeded():
    """The module that fills weights and inputs from their names alone."""
    spec = importlib.util.spec_from_file_location("seeded", GOLDEN / "seeded.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load(name: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / f"{name}.npz") as file:
        return dict(file)


def official_shapes(dataset: str, method: str = "dsanet") -> dict[str, list[int]]:
    """Keys and shapes of a released weight file."""
    file = "state_dict.json" if method == "dsanet" else f"{method}_state_dict.json"
    return json.loads((GOLDEN / file).read_text())[dataset]


def seeded_weights(dataset: str, salt: str, method: str = "dsanet") -> dict[str, torch.Tensor]:
    """The official state dict, less CLIP's visual tower and its second copy of CLIP."""
    weight = seeded().weight
    return {
        key: torch.from_numpy(weight(key, shape, salt))
        for key, shape in official_shapes(dataset, method).items()
        if not key.startswith(("clip_adapter.clipmodel.", "clipmodel.visual."))
    }


def relative_error(value, reference) -> float:
    """max |difference| / max |reference| of a whole tensor."""
    value = np.asarray(value, dtype=np.float64)
    reference = np.asarray(reference, dtype=np.float64)
    assert value.shape == reference.shape
    return float(np.abs(value - reference).max() / max(np.abs(reference).max(), 1e-300))


def assert_close(pairs: dict, tolerance: float) -> None:
    """Compare name -> (value, reference); the failure names the worst offender."""
    errors = {name: relative_error(*pair) for name, pair in pairs.items()}
    worst = max(errors, key=errors.get)
    print(f"worst of {len(errors)}: {worst} {errors[worst]:.2e} (tolerance {tolerance:.0e})")
    assert errors[worst] <= tolerance, f"{worst} is off by {errors[worst]:.2e}"
