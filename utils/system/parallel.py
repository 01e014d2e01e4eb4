"""What several processes that train as one tell each other. Alone, all of this does nothing.

Every step is that of a single process: its batch is split evenly, each loss is weighted by this
process's share of what it is a mean over, and DistributedDataParallel averages the gradients. All
else that the processes tell each other (how many snippets each has, the scores of test videos,
whether one was asked to stop) goes over gloo, on the CPU, so that nothing waits for a GPU.
"""

from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from utils.system.errors import UserError
from utils.system.group import processes, rank


def wait_for_all() -> None:
    """Go on when every process has come to this."""
    total([0.0])


def patient_group() -> dist.ProcessGroup | None:
    """All processes, who wait for each other as long as it takes."""
    if processes() == 1:
        return None
    return dist.new_group(backend="gloo", timeout=timedelta(days=365))


def total(values: list[float], group: dist.ProcessGroup | None = None) -> list[float]:
    """Sums over all processes."""
    if processes() == 1:
        return values
    summed = torch.tensor(values, dtype=torch.float64)
    dist.all_reduce(summed, group=group)
    return summed.tolist()


def mean(values: torch.Tensor) -> torch.Tensor:
    """Means over all processes, of a tensor on the CPU."""
    if processes() > 1:
        dist.all_reduce(values)
        values /= processes()
    return values


def summed(values: torch.Tensor) -> torch.Tensor:
    """Sums over all processes, of a tensor on any device, which is waited for."""
    if processes() == 1:
        return values
    on_cpu = values.cpu()
    dist.all_reduce(on_cpu)
    return on_cpu.to(values.device)


def largest(value: int) -> int:
    """The largest of all processes'."""
    if processes() == 1:
        return value
    most = torch.tensor(value)
    dist.all_reduce(most, dist.ReduceOp.MAX)
    return int(most)


def part_of(items: list) -> list:
    """Every n-th, for this process."""
    return items[rank() :: processes()]


def gather(parts: list[list[torch.Tensor]]) -> list[list[torch.Tensor]]:
    """What all processes made of their `part_of` a list, in the order of that list, on the CPU."""
    if processes() == 1:
        return parts
    own = [[tensor.cpu() for tensor in part] for part in parts]
    of_all: list = [None] * processes()
    dist.all_gather_object(of_all, own)
    count = sum(map(len, of_all))
    return [of_all[i % processes()][i // processes()] for i in range(count)]


def from_main(make):
    """What `make` gives in the main process, or its error, in every process."""
    if processes() == 1:
        return make()
    box: list = [None, UserError("the main process failed")]
    try:
        if not rank():
            box = [make(), None]
    except UserError as error:
        box = [None, error]
    finally:
        dist.broadcast_object_list(box)  # in any case, so that nobody waits in vain
    value, error = box
    if error:
        raise error
    return value


def require_equal_settings(settings: dict) -> None:
    """See that all processes were started alike.

    Raises:
        UserError: one was not.
    """
    for name, value in from_main(lambda: settings).items():
        if settings.get(name) != value:
            raise UserError(
                f"process {rank()} was started with {name} {settings.get(name)}, process 0 with "
                f"{value}: start all of them with the same options and lists"
            )


def share_gradients(model: nn.Module) -> nn.Module:
    """The model whose backward pass averages the gradients over all processes."""
    if processes() == 1:
        return model
    device = next(model.parameters()).device
    torch._dynamo.config.optimize_ddp = False  # it cannot cut graphs of varying sizes
    return DistributedDataParallel(
        model,
        device_ids=[device] if device.type == "cuda" else None,
        forward_sync_buffers=False,  # they are constants
        static_graph=True,  # what a switch turns off gets no gradient, in any step
    )
