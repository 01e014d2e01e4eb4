"""Weights on disk: the released files, ours, and training checkpoints."""

import re
import shlex
from pathlib import Path

import torch
from torch import nn

from utils.system.errors import UserError
from utils.system.files import previous, whole_file
from utils.system.untrusted import load_tensors

# The official files carry CLIP's visual tower, which no score needs, and all of CLIP twice.
LEFT_OUT = ("clipmodel.visual.", "clip_adapter.clipmodel.")
TEXT = "clipmodel."
# Entries that tell whose weights a file holds, by `--method`.
MARKS = {
    "dsanet": ("temporal.resblocks.", "video_anomaly_refiner.decoder."),
    "vadclip": ("temporal.resblocks.", "text_prompt_embeddings."),
    "mil": ("scorer.",),
}


def save(value, path, keep: Path | None = None) -> None:
    """`torch.save`, whole or not at all; `keep` as for `whole_file`."""
    with whole_file(path, keep) as partial, partial.open("wb") as file:
        try:
            torch.save(value, file)
        except RuntimeError as error:  # what PyTorch makes of a full disk
            raise error.__context__ if isinstance(error.__context__, OSError) else error from None


def cpu_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """State dict on the CPU, so that any machine can read it."""
    return {name: tensor.cpu() for name, tensor in model.state_dict().items()}


def without_text(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same without CLIP's frozen text side, three quarters of a small model."""
    return {name: tensor for name, tensor in state.items() if not name.startswith(TEXT)}


def load_last(path) -> tuple[Path, dict]:
    """The training checkpoint at `path` or, where a kill left none, the one before; and which.

    Raises:
        UserError: there is none, or it is damaged; the message names the one before if that is
            whole.
    """
    path, older = Path(path), previous(path)
    if not path.is_file() and older.is_file():  # the run was killed between two renamings
        return older, load_tensors(older)
    if not path.is_file():
        raise UserError(f"checkpoint {path} not found: leave out --resume to start anew")
    try:
        return path, load_tensors(path)
    except UserError as error:
        try:
            state = load_tensors(older)
        except UserError:
            raise UserError(f"{error}; or leave out --resume to start anew") from None
        command = shlex.join(["mv", str(older), str(path)])
        raise UserError(
            f"{error}; the one before, after {state.get('epoch')} epochs and {state.get('step')} "
            f"steps, is whole: to go on from there, {command}"
        ) from None


def read_weights(path) -> dict[str, torch.Tensor]:
    """State dict of a weight file or training checkpoint, without what no method here needs."""
    return weights_of(load_tensors(path), path)


def weights_of(value: dict, path) -> dict[str, torch.Tensor]:
    """The same of what was read from `path`."""
    state = value.get("model_state_dict", value)
    if not isinstance(state, dict) or not state or not all(map(_is_weight, state.items())):
        raise UserError(f"{path} holds no state dict of tensors of numbers")
    if method_of(state) is None:
        first = next(iter(state))
        raise UserError(f"{path} holds no weights of DSANet, VadCLIP or MIL (first '{first}')")
    return {key: tensor for key, tensor in state.items() if not key.startswith(LEFT_OUT)}


def method_of(state: dict[str, torch.Tensor]) -> str | None:
    """Whose weights these are, as in `--method`."""
    for method, marks in MARKS.items():
        if all(any(key.startswith(mark) for key in state) for mark in marks):
            return method
    return None


def require_method(state: dict[str, torch.Tensor], method: str, path) -> None:
    """
    Raises:
        UserError: these are weights of another.
    """
    if (theirs := method_of(state)) != method:
        raise UserError(
            f"{path} holds weights of --method {theirs}, this model is of --method {method}: give "
            "the options that they were trained with"
        )


def _is_weight(entry) -> bool:
    name, tensor = entry
    return (
        isinstance(name, str)
        and isinstance(tensor, torch.Tensor)
        and tensor.layout == torch.strided
        and not (tensor.is_nested or tensor.is_quantized or tensor.is_meta or tensor.is_complex())
    )


def holds_text(state: dict[str, torch.Tensor]) -> bool:
    """Whether weights have CLIP's text side, so that they are scored without CLIP's own file."""
    return any(key.startswith(TEXT) for key in state)


def load_weights(model: nn.Module, path) -> None:
    """Load weights into the model.

    Args:
        model: from `build_model`.
        path: a released `.pth` of DSANet or VadCLIP (bare state dict), one of ours, or a training
            checkpoint. Where it has no CLIP text weights the model keeps its own.

    Raises:
        UserError: the file cannot be read or its weights are not this model's; the message says by
            which options the two differ.
    """
    fit(model, read_weights(path), path)


def fit(model: nn.Module, state: dict[str, torch.Tensor], path) -> None:
    """`load_weights` of a state dict that was read from `path`."""
    own = model.state_dict()
    require_method(state, method_of(own), path)
    if not holds_text(state):
        state |= {key: tensor for key, tensor in own.items() if key.startswith(TEXT)}
    missing, unexpected = own.keys() - state.keys(), state.keys() - own.keys()
    reshaped = [k for k in own.keys() & state.keys() if own[k].shape != state[k].shape]
    if missing or unexpected or reshaped:
        raise UserError(f"{path} does not fit this model: {_difference(state, own, reshaped)}")
    model.load_state_dict(state)


def _architecture(state: dict[str, torch.Tensor]) -> dict[str, int | str]:
    """The options that shape a state dict, as far as it shows them."""

    def blocks(prefix: str) -> int:
        found = (re.match(rf"{re.escape(prefix)}\.(\d+)\.", key) for key in state)
        return len({match[1] for match in found if match})

    def rows(key: str) -> int:
        return len(state[key]) if key in state else 0

    tuning = "frozen or manual"
    for name, prefix in (("adapter", "clip_adapter."), ("prompt", "text_prompt_embeddings.")):
        if any(key.startswith(prefix) for key in state):
            tuning = name
    return {
        "--text-tuning": tuning,
        "--visual-layers": blocks("temporal.resblocks"),
        "--text_adapt_until": blocks("clip_adapter.text_adapter") - 1,
        "--decoder_depth": blocks("video_anomaly_refiner.decoder"),
        "--num_prototypes": rows("video_anomaly_refiner.video_prototypes"),
        "--visual-length": rows("frame_position_embeddings.weight"),
    }


def _difference(state, own, reshaped) -> str:
    theirs, ours = _architecture(state), _architecture(own)
    differing = [name for name in ours if theirs[name] != ours[name]]
    if theirs["--text-tuning"] != ours["--text-tuning"]:
        differing = ["--text-tuning"]  # what follows from it need not be said
    if differing:
        said = [f"{name} is {theirs[name]} in the file and {ours[name]} here" for name in differing]
        other = "--visual-layers" in differing or "--text_adapt_until" in differing
        return (
            f"{', '.join(said)}: {'are these the weights of the other data set? ' if other else ''}"
            "Test with the script and options they were trained with"
        )
    odd = sorted(reshaped or own.keys() ^ state.keys())
    return f"{len(odd)} entries differ, the first is '{odd[0]}'"
