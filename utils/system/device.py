"""Where a run computes, and how precisely."""

import ctypes
import os
import re
import sys
from functools import wraps
from pathlib import Path

import torch

from utils.system import machine
from utils.system.console import note, plural
from utils.system.errors import UserError
from utils.system.group import processes

GPU_FILES = Path("/dev/nvidiactl"), Path("/dev/dxg")  # of Linux, and of Linux within Windows
DEVICES = re.compile(r"cpu|cuda(:\d{1,3})?|mps")
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's mallopt


def set_up_device(name: str, precision: str, deterministic: bool = False) -> torch.device:
    """The device to compute on, set up.

    Args:
        name: as for `pick_device`.
        precision: of matrix products, one of `PRECISIONS`.
        deterministic: the same numbers from every run, somewhat slower on a GPU.

    Raises:
        UserError: there is no such device here.
    """
    if deterministic:  # before anything starts cuBLAS, which reads it once
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if deterministic != torch.are_deterministic_algorithms_enabled():
        torch.use_deterministic_algorithms(deterministic)  # imports a compiler, for a second
    device = pick_device(name)
    if name == "auto" and device.type == "cpu" and (reason := unusable_gpu()):
        note(f"there is a GPU here, but PyTorch cannot use it ({reason}): computing on the CPU")
    if device.type == "cuda":
        torch.cuda.set_device(device)  # for pinned memory, too
    set_precision(precision)
    if device.type == "cpu":
        keep_freed_memory()
    return device


def set_precision(precision: str) -> None:
    """Of matrix products in float32, for all that is computed from now on. (PyTorch's own default
    would round convolutions on a GPU to TF32 even where fp32 is asked for.)"""
    for backend in (torch.backends, torch.backends.cuda.matmul):  # torch.compile parts these two
        backend.fp32_precision = "tf32" if precision == "tf32" else "ieee"


def pick_device(name: str) -> torch.device:
    """The device called `name`; `auto` is CUDA where there is one, else the CPU.

    Raises:
        UserError: there is no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if "LOCAL_RANK" in os.environ:  # torchrun's, a process for each GPU
        if name.startswith("cuda:") and int(os.environ.get("LOCAL_WORLD_SIZE", 1)) > 1:
            raise UserError(f"--device {name} is one GPU for several processes: try --device cuda")
        if name == "cuda":
            name = f"cuda:{os.environ['LOCAL_RANK']}"
    if not DEVICES.fullmatch(name):
        raise UserError(f"--device {name} is none of auto, cpu, cuda, cuda:0, cuda:1, … and mps")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
        return device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0].partition(". ")[0]
        if reason.startswith("Could not run"):
            reason = "this PyTorch was built without it"
        raise UserError(f"--device {name} is not available ({reason}): try --device cpu") from None


def unusable_gpu() -> str | None:
    """Why PyTorch cannot use an NVIDIA GPU that the system shows; None if it shows none, or the
    user has hidden it."""
    shown = any(file.exists() for file in GPU_FILES)
    if not shown or os.environ.get("CUDA_VISIBLE_DEVICES", "all") in ("", "-1", "NoDevFiles"):
        return None
    try:
        torch.cuda.init()
        return None
    except (RuntimeError, AssertionError) as error:
        return " ".join(str(error).split()).partition(". ")[0]


def where(device: torch.device, precision: str) -> str:
    """Where a run computes and how precisely, for people."""
    place = f"the CPU, {plural(torch.get_num_threads(), 'thread')}"
    if device.type != "cpu":
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
        place = f"{name} ({device})".strip()
    shared = f"{processes()} processes, the first " if processes() > 1 else ""
    return f"{shared}on {place}, {precision}"


def memory_of(device: torch.device) -> int | None:
    """Bytes that a process can have on a device, its share if several run here; None if they are
    not known."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[1]
    whole = machine.memory()
    return whole and whole // int(os.environ.get("LOCAL_WORLD_SIZE", 1))


def keep_freed_memory() -> None:
    """Let the process keep what it frees, for the next step to use.

    By default glibc gives every large tensor back to the system at once and the next one is mapped
    and zeroed page by page: up to half of a forward pass on the CPU. The process stays as large as
    it has ever been, until `give_back_memory`. Does nothing where the C library is another.
    """
    mallopt = _of_libc("mallopt")
    mallopt(M_MMAP_MAX, 0)
    mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def give_back_memory() -> None:
    """Give what was freed back to the system. Tensors of constantly changing sizes leave gaps into
    which the next ones do not fit, so a process that keeps freed memory grows, by a half in some
    dozens of steps. The next step must map its memory anew, which costs nothing if it is one in
    some dozens."""
    _of_libc("malloc_trim")(0)


def _of_libc(name: str):
    """A function of glibc; one that does nothing where there is no such."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    return getattr(libc, name, lambda *_: None)


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy without waiting for what the device has still to do: a GPU fetches from pinned memory by
    itself."""
    if device.type == "cuda" and not tensor.is_cuda:
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def autocast(precision: str, device: torch.device):
    """Context of a forward pass: matrix products in bfloat16 for `bf16`, else as they come."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def in_float32(function):
    """Decorator: compute in float32 under autocast too. For softmaxes, cosines and logits, where
    the two to three digits of bfloat16 would not do."""

    @wraps(function)
    def run(*args, **named):
        device = _device_type(args)
        if not torch.is_autocast_enabled(device):
            return function(*args, **named)
        with torch.autocast(device, enabled=False):
            named = {name: a.float() if _is_low(a) else a for name, a in named.items()}
            return function(*(a.float() if _is_low(a) else a for a in args), **named)

    return run


def _device_type(args) -> str:
    """Where the first tensor or module among the arguments is."""
    for a in args:
        if isinstance(a, torch.nn.Module):
            a = next(a.parameters())
        if isinstance(a, torch.Tensor):
            return a.device.type
    raise TypeError("in_float32 is for functions of tensors or modules")


def _is_low(value) -> bool:
    return isinstance(value, torch.Tensor) and value.dtype in (torch.bfloat16, torch.float16)
