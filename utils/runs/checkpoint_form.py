"""Checks that a training checkpoint has the form that its run would write, before anything is
loaded from it: the kinds, keys and shapes of the values of the run to be resumed.
"""

import inspect
import json
import math

import torch
from torch import nn

from utils import checkpoint
from utils.evaluation.report import official_lines
from utils.optim import Optimization
from utils.system.seeds import random_states


def require_sound(
    kept: dict, model: nn.Module, optimization: Optimization, fixed: dict, terms: int
) -> None:
    """
    Args:
        kept: what was read.
        model, optimization: of the run that shall go on.
        fixed: its options.
        terms: losses of a step, and their total.

    Raises:
        ValueError: the first place that is not sound.
    """
    usual = {"epoch": 0, "step": 0, "log_lines": 0, "evaluated_this_epoch": True}
    for name, like in usual.items():
        require_form(kept[name], like, name)
    for name in ("optimizer_state_dict", "random_states"):
        _require_kind(kept[name], {}, name)
    if min(kept["epoch"], kept["step"], kept["log_lines"]) < 0:
        raise ValueError("epoch, step or log_lines: less than 0")
    if kept["step"] > fixed["steps_of_an_epoch"]:
        raise ValueError(f"step: {kept['step']}, an epoch has {fixed['steps_of_an_epoch']}")

    pending = kept["pending"]
    _require_kind(pending, [], "pending")
    require_form(pending, [torch.empty(terms)] * len(pending), "pending")
    if len(pending) > kept["step"]:
        raise ValueError("pending: more than there were steps")

    if kept["best_metrics"] is None:
        require_form(kept["best_weights"], {}, "best_weights")
    else:
        require_form(kept["best_weights"], checkpoint.trained(model), "best_weights")
        _require_metrics(kept["best_metrics"], fixed)
    _require_optimization(kept["optimizer_state_dict"], optimization)
    _require_random(kept["random_states"])


def _require_metrics(metrics: dict, fixed: dict) -> None:
    _require_kind(metrics, {}, "best_metrics")
    require_form(metrics["epoch"], 0, "best_metrics.epoch")
    require_form(metrics["step"], 0, "best_metrics.step")
    if fixed["select"] == "best":
        require_form(metrics[fixed["select_by"]], 0.0, "best_metrics." + fixed["select_by"])
    official_lines(metrics)  # what the run will do with it in the end
    json.dumps(metrics)


def _require_optimization(kept: dict, optimization: Optimization) -> None:
    require_form(kept["steps"], 0, "steps")
    require_form(kept["rates"], dict.fromkeys(optimization.optimizers, 0.0), "rates")
    parts, own = kept["parts"], optimization.state_dict()["parts"]
    for i, pair in enumerate(zip(parts, own, strict=True)):
        found, expected = ({n: v for n, v in part.items() if n != "state"} for part in pair)
        require_form(found, expected, f"optimizer_state_dict.parts[{i}]")
    for part, optimizer in zip(parts, optimization.optimizers.values(), strict=False):
        _require_state(part["state"], optimizer)  # the schedules come behind the optimizers


def _require_state(state: dict, optimizer: torch.optim.Optimizer) -> None:
    """Of an optimizer, by the parameter's number; one without gradients has none."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    of_one = after_a_step(optimizer)
    for number, of_parameter in state.items():
        require_form(number, 0, "number of a parameter")
        parameter = parameters[number]
        like = {n: parameter if _is_one(value) else value for n, value in of_one.items()}
        require_form(of_parameter, like, f"state of parameter {number}")


def after_a_step(optimizer: torch.optim.Optimizer) -> dict:
    """What such an optimizer keeps of a parameter, here of a single number, (1,)."""
    known = inspect.signature(type(optimizer)).parameters
    options = {name: value for name, value in optimizer.defaults.items() if name in known}
    parameter = torch.zeros(1, requires_grad=True)
    parameter.grad = torch.zeros(1)
    same = type(optimizer)([parameter], **options)
    same.step()
    return same.state[parameter]


def _is_one(value) -> bool:
    return isinstance(value, torch.Tensor) and value.shape == (1,)


def _require_random(kept: dict) -> None:
    own = random_states()
    version, numbers, gauss = kept["python"]
    require_form((version, numbers), own["python"][:2], "random_states.python")
    require_form(gauss, None if gauss is None else 0.0, "random_states.python")
    for name in ("numpy", "torch"):
        require_form(kept[name], own[name], f"random_states.{name}")
    for state in kept["cuda"]:
        require_form(state, torch.empty(state.numel(), dtype=torch.uint8), "random_states.cuda")


def require_form(value, like, place: str) -> None:
    """
    Args:
        value: to be looked at.
        like: a value of the form that it must have.
        place: where it stands.

    Raises:
        ValueError: the first place where it has another form: kind, keys, length or shape.
    """
    if isinstance(like, torch.Tensor):
        if not isinstance(value, torch.Tensor):
            raise ValueError(f"{place}: a {type(value).__name__}, expected a tensor")
        found, expected = ((tuple(t.shape), t.dtype, t.layout) for t in (value, like))
        if found != expected:
            raise ValueError(f"{place}: a tensor {found}, expected {expected}")
        return
    _require_kind(value, like, place)
    if isinstance(like, dict):
        if odd := value.keys() ^ like.keys():
            raise ValueError(f"{place}: '{_short(odd.pop())}' is in one alone")
        for key in like:
            require_form(value[key], like[key], f"{place}.{key}")
    elif isinstance(like, list | tuple):
        if len(value) != len(like):
            raise ValueError(f"{place}: {len(value)} values, expected {len(like)}")
        for i, (one, of_like) in enumerate(zip(value, like, strict=True)):
            require_form(one, of_like, f"{place}[{i}]")


def _require_kind(value, like, place: str) -> None:
    """Where a float is expected, whole numbers will do, too."""
    if type(like) is float and type(value) in (int, float):
        if not math.isfinite(value):
            raise ValueError(f"{place}: {value}, expected a finite number")
    elif type(value) is not type(like):
        raise ValueError(f"{place}: {_short(value)}, expected a {type(like).__name__}")


def _short(value) -> str:
    return f"{value!r:.40}" if isinstance(value, str | int | float) else type(value).__name__
