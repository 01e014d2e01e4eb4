"""The seeded networks of RTFM and CLIP-TSA, and what the goldens say of them."""

import json
from types import SimpleNamespace

import torch
from torch import nn

import ucf_option
from helpers.golden import GOLDEN, load, seeded
from model import build_model
from utils.labels import UCF_CRIME

SALT = "a/"
# A BatchNorm follows, so the gradient of this bias is round-off.
ROUND_OFF = "Aggregate.non_local.W.0.bias"


class Case:
    """A method's golden.

    Args:
        method: as `--method` names it.
        options: of the command line besides.
    """

    def __init__(self, method: str, *options: str):
        self.name = method.replace("-", "_")
        self.reference = load(f"{self.name}_a")
        self.args = ucf_option.parser.parse_args([f"--method={method}", *options])
        self.normal = int(self.reference["batch"])

    def shapes(self) -> dict[str, list[int]]:
        """Keys and shapes of the official state dict of features 512 wide."""
        return json.loads((GOLDEN / f"{self.name}_state_dict.json").read_text())["clip"]

    def weights(self) -> dict[str, torch.Tensor]:
        """The seeded state dict, without what nothing uses."""
        made = seeded()
        state = {
            key: torch.from_numpy(made.weight(key, shape, SALT))
            for key, shape in self.shapes().items()
            if not key.startswith("mlp.")
        }
        for key, shape in self.shapes().items():
            if key.endswith("running_var"):
                value = 0.1 * (0.5 + abs(made.seeded(SALT + key, shape)))
                state[key] = torch.from_numpy(value.astype("float32"))
            elif key.endswith("num_batches_tracked"):
                state[key] = torch.tensor(0)
        return state

    def model(self, crops: int = 1):
        """The network with these weights and every dropout off, in training mode."""
        args = SimpleNamespace(**{**vars(self.args), "crops": crops})
        model = build_model(args, UCF_CRIME)
        model.load_state_dict(self.weights())
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        return model.train()

    def features(self, name: str, count: int, length: int = 32) -> torch.Tensor:
        key = f"{SALT}{self.name}.{name}"
        return torch.from_numpy(seeded().features(key, [length] * count, maxlen=length))

    def noise(self, prefix: str, rows: int, length: int = 32) -> dict[str, torch.Tensor]:
        """What `encode` takes besides: the noise of CLIP-TSA."""
        key = f"{prefix}noise.key"
        if key not in self.reference:
            return {}
        return {
            "noise": torch.from_numpy(
                seeded().seeded(str(self.reference[key]), (rows, 100, length))
            )
        }

    def inputs(self) -> tuple[torch.Tensor, dict]:
        return self.features("input", 2 * self.normal), self.noise("", 2 * self.normal)

    def losses_of(self, prefix: str) -> dict[str, float]:
        names = ("classification", "magnitude", "smoothness", "sparsity", "total")
        return {name: self.reference[f"{prefix}loss.{name}"].item() for name in names}

    def norms_of(self, prefix: str, estimator: str = "") -> dict[str, float]:
        """Gradient norms by name, without those that round-off decides."""
        names = self.reference[f"{prefix}grad.names"]
        norms = self.reference[f"{prefix}grad.norms{estimator}"]
        return {str(n): v for n, v in zip(names, norms, strict=True) if n != ROUND_OFF}


def norms_of(model: nn.Module) -> dict[str, float]:
    return {
        name: p.grad.norm().item()
        for name, p in model.named_parameters()
        if p.grad is not None and name != ROUND_OFF
    }
