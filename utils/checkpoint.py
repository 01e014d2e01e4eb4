"""Weights on disk: the released files, ours, and training checkpoints."""

import re
import shlex
from collections import OrderedDict
from pathlib import Path

import torch
from torch import nn

from utils.network.backbone import WIDTH
from utils.options.methods import METHODS
from utils.system.console import dashed
from utils.system.errors import UserError
from utils.system.files import previous, whole_file
from utils.system.untrusted import load_tensors

# The official files carry CLIP's visual tower, which no score needs, and all of CLIP twice; those
# of CLIP-TSA two layers that nothing uses.
LEFT_OUT = ("clipmodel.visual.", "clip_adapter.clipmodel.", "mlp.")
DATA_PARALLEL_PREFIX = "module."  # which DataParallel writes before every name
TEXT = "clipmodel."
# Of a tensor. A small file may give any shape to few numbers, and networks are made as large as
# shapes say; the largest of any CLIP is five times smaller.
MOST_NUMBERS = 2**27
# Entries that tell whose weights a file holds, by `--method`.
MARKS = {
    "dsanet": ("temporal.resblocks.", "video_anomaly_refiner.decoder."),
    "vadclip": ("temporal.resblocks.", "text_prompt_embeddings."),
    "mil": ("scorer.",),
    "clip-tsa": ("Aggregate.", "hard_attention."),
    "rtfm": ("Aggregate.",),
}


def save(value, path, keep: Path | None = None) -> None:
    """`torch.save`, whole or not at all; `keep` as for `whole_file`."""
    with whole_file(path, keep) as partial, partial.open("wb") as file:
        try:
            torch.save(value, file)
        except RuntimeError as error:  # what PyTorch makes of a full disk
            raise error.__context__ if isinstance(error.__context__, OSError) else error from None


def save_weights(model: nn.Module, path, made_with: dict, keep: Path | None = None) -> None:
    """Weights as a bare state dict, which carries beside its tensors what it was made with; `keep`
    as for `whole_file`."""
    state = OrderedDict(cpu_state(model))
    state.made_with = made_with
    save(state, path, keep)


def read_made_with(kept: dict):
    """The `made_with` record of a weight file or training checkpoint that was read, unchecked; None
    if it has none."""
    return getattr(kept, "made_with", kept.get("made_with"))


def cpu_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """State dict on the CPU, so that any machine can read it."""
    return {name: tensor.cpu() for name, tensor in model.state_dict().items()}


def trained(model: nn.Module) -> dict[str, torch.Tensor]:
    """What training changes of a state dict: its weights, and running statistics."""
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    return {name: v for name, v in model.state_dict().items() if name not in frozen}


def without_text(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """State dict without CLIP's frozen text side, three quarters of a small model."""
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
    state = {name.removeprefix(DATA_PARALLEL_PREFIX): tensor for name, tensor in state.items()}
    if method_shown(state) is None:
        first = next(iter(state))
        *most, last = (METHODS[method].title for method in MARKS)
        raise UserError(f"{path} holds no weights of {', '.join(most)} or {last} (first '{first}')")
    wide = state.get("mlp.fc1.weight")
    if wide is not None and wide.shape[-1:] > (WIDTH,):
        raise UserError(
            f"{path} is of CLIP-TSA's own network for features {wide.shape[-1]} wide, whose first "
            "layers this code does not have: train anew"
        )
    return {key: tensor for key, tensor in state.items() if not key.startswith(LEFT_OUT)}


def method_shown(state: dict[str, torch.Tensor]) -> str | None:
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
    if (theirs := method_shown(state)) != method:
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
        and tensor.numel() < MOST_NUMBERS
    )


def holds_text(state: dict[str, torch.Tensor]) -> bool:
    """Whether weights have CLIP's text side, so that they are scored without CLIP's own file."""
    return any(key.startswith(TEXT) for key in state)


def load_weights(model: nn.Module, path) -> None:
    """Load weights into the model. For your own scripts; the commands use `Weights`, which takes
    the options of the network from the file, too.

    Args:
        model: from `build_model`.
        path: a released `.pth` of DSANet or VadCLIP (bare state dict), a file of RTFM's or
            CLIP-TSA's own code, one of ours, or a training checkpoint. Where it has no CLIP text
            weights the model keeps its own.

    Raises:
        UserError: the file cannot be read or its weights are not this model's; the message says by
            which options the two differ.
    """
    fit(model, read_weights(path), path)


def fit(model: nn.Module, state: dict[str, torch.Tensor], path, take: bool = False) -> None:
    """`load_weights` of a state dict that was read from `path`. With `take` its tensors become the
    model's, which saves their copying; no optimizer may have the model's own yet."""
    own = model.state_dict()
    require_method(state, method_shown(own), path)
    if not holds_text(state):
        state |= {key: tensor for key, tensor in own.items() if key.startswith(TEXT)}
    missing, unexpected = own.keys() - state.keys(), state.keys() - own.keys()
    reshaped = [k for k in own.keys() & state.keys() if own[k].shape != state[k].shape]
    if missing or unexpected or reshaped:
        raise UserError(f"{path} does not fit this model: {_difference(state, own, reshaped)}")
    if take:
        state = {key: tensor.to(own[key].dtype).contiguous() for key, tensor in state.items()}
    model.load_state_dict(state, assign=take)


def feature_width(state: dict[str, torch.Tensor]) -> int | None:
    """Width of the features that go in, if the weights show it."""
    for name in ("feature_projection.weight", "scorer.0.weight", "fc1.weight", "linear.weight"):
        if name in state and state[name].ndim == 2:
            return state[name].shape[1]
    return None


def architecture(state: dict[str, torch.Tensor]) -> dict[str, int | str]:
    """The options that shape a state dict, by destination, as far as it shows them; 0 and nothing
    stand for what it does not have. CLIP's text side may be frozen or manual where it is not
    tuned."""

    def blocks(prefix: str) -> int:
        found = (re.match(rf"{re.escape(prefix)}\.(\d+)\.", key) for key in state)
        return len({match[1] for match in found if match})

    def rows(key: str) -> int:
        return len(state[key]) if key in state and state[key].numel() and state[key].ndim else 0

    tuning = ""
    for name, prefix in (("adapter", "clip_adapter."), ("prompt", "text_prompt_embeddings.")):
        if any(key.startswith(prefix) for key in state):
            tuning = name
    adapters = blocks("clip_adapter.text_adapter")
    return {
        "text_tuning": tuning,
        "visual_layers": blocks("temporal.resblocks"),
        **({"text_adapt_until": adapters - 1} if adapters else {}),
        "decoder_depth": blocks("video_anomaly_refiner.decoder"),
        "num_prototypes": rows("video_anomaly_refiner.video_prototypes"),
        "visual_length": rows("frame_position_embeddings.weight"),
    }


def _difference(state, own, reshaped) -> str:
    theirs, ours = architecture(state), architecture(own)
    tunings = [of.pop("text_tuning") or "frozen or manual" for of in (theirs, ours)]
    said = [
        f"{dashed(name)} is {theirs.get(name, 'absent')} in the file and {value} here"
        for name, value in ours.items()
        if theirs.get(name) != value
    ]
    if tunings[0] != tunings[1]:  # what follows from it need not be said
        said = [f"--text-tuning is {tunings[0]} in the file and {tunings[1]} here"]
    if said:
        other = theirs["visual_layers"] != ours["visual_layers"]
        return (
            f"{', '.join(said)}: {'are these the weights of the other data set? ' if other else ''}"
            "Build the model with the options they were trained with"
        )
    widths = feature_width(state), feature_width(own)
    if None not in widths and widths[0] != widths[1]:
        return f"it takes features {widths[0]} wide, and here they are {widths[1]}"
    odd = sorted(reshaped or own.keys() ^ state.keys())
    return f"{len(odd)} entries differ, the first is '{odd[0]}'"
