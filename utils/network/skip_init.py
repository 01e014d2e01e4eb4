"""Networks whose weights come next: nothing is drawn for them."""

from torch import nn
from torch.overrides import TorchFunctionMode


class SkipInit(TorchFunctionMode):
    """Meanwhile no weight is drawn: it is 0, or what its memory holds.

    For a network whose weights are loaded next. To draw them takes longer than to load them, and to
    make them on the device `meta` imports a compiler, which takes a second.
    """

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if getattr(function, "__module__", None) == nn.init.__name__:
            return kwargs["tensor"]
        if function.__name__ in ("normal_", "uniform_"):
            # Not left as it is: `trunc_normal_` draws until every number is within its bounds.
            return args[0].zero_()
        return function(*args, **kwargs)
