"""What a training step spends its time on, by kind of operator."""

from collections import Counter

import torch
from torch import profiler
from torch.autograd import DeviceType

from benchmarks import workload
from benchmarks.measure import Result, gflop, matrix_peak, wait
from benchmarks.networks import fast_step

PRODUCTS = "matrix products"
# By names of operators; the first kind that a name holds a part of.
KINDS = {
    PRODUCTS: ("mm", "linear", "convolution", "attention"),
    "changes of type and place": ("copy", "cat", "index", "gather", "pad", "clone", "scatter"),
    "activations, norms, softmaxes": (
        "gelu", "sigmoid", "layer_norm", "softmax", "relu", "normalize", "tanh",
    ),
}  # fmt: skip
OPTIMIZERS, OTHERS = "optimizers", "sums, products and others"


def profile(settings) -> list[Result]:
    """A step of videos of real lengths, by precision."""
    batch = workload.training_batch(workload.snippet_counts("ucf"), "ucf", settings.batch)
    results = []
    for precision in settings.precisions:
        args = workload.options("ucf", "--precision", precision, "--device", str(settings.device))
        step = fast_step(batch, args, settings.device)
        work = gflop(step)  # the optimizers make their states
        peak = matrix_peak(settings.device, precision)
        taken = min(
            (by_kind(step, settings.device) for _ in range(settings.repeats)), key=Counter.total
        )
        peak = max(peak, matrix_peak(settings.device, precision))
        of_work = "s", work, peak
        results.append(Result(f"operators of a step, {precision}", None, taken.total(), *of_work))
        for kind, spent in taken.most_common():
            of_kind = of_work if kind == PRODUCTS else ()
            results.append(Result(f"- {kind}", None, spent, *of_kind))
    return results


def by_kind(run, device: torch.device) -> Counter:
    """Seconds of each kind of operator; on a GPU, of the kernels that operators launch."""
    with profiler.profile() as profiled:
        run()
        wait(device)
    seconds = Counter()
    for event in profiled.events():
        if event.device_type == DeviceType.CPU:  # a kernel's time is in the operator's, too
            on_gpu = device.type == "cuda"
            spent = event.self_device_time_total if on_gpu else event.self_cpu_time_total
            seconds[kind_of(event)] += 1e-6 * spent
    return seconds


def kind_of(event) -> str:
    """Of one call of an operator."""
    caller = event
    while caller is not None:
        if caller.name.startswith("Optimizer.step"):
            return OPTIMIZERS
        caller = caller.cpu_parent
    parts = ((kind, part) for kind, of_kind in KINDS.items() for part in of_kind)
    return next((kind for kind, part in parts if part in event.name.lower()), OTHERS)
