"""How a run's parameters are optimised, by method; see *Implementation details* of the paper."""

import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, MultiStepLR

from utils.optim import StableAdamW, WarmCosineScheduler

WARMUP_STEPS = 100
SGNM_PREFIX = "video_anomaly_refiner."


class Optimization:
    """Optimizers that step together, and the schedules of their learning rates.

    Args:
        optimizers: by the name that the log gives their learning rate.
        step_schedules, epoch_schedules: stepped with every step, with every epoch.

    Attributes:
        rates: the learning rates of the last step, by the same names.
    """

    def __init__(
        self,
        optimizers: dict[str, torch.optim.Optimizer],
        step_schedules: tuple[LRScheduler, ...] = (),
        epoch_schedules: tuple[LRScheduler, ...] = (),
    ):
        self.optimizers = optimizers
        self.step_schedules = step_schedules
        self.epoch_schedules = epoch_schedules
        self.rates: dict[str, float] = {}

    def step(self, loss: torch.Tensor) -> None:
        """One update along the gradient of the loss."""
        for optimizer in self.optimizers.values():
            optimizer.zero_grad()
        loss.backward()
        for optimizer in self.optimizers.values():
            optimizer.step()
        self.rates = {name: o.param_groups[0]["lr"] for name, o in self.optimizers.items()}
        for schedule in self.step_schedules:
            schedule.step()

    def end_epoch(self) -> None:
        for schedule in self.epoch_schedules:
            schedule.step()

    def _parts(self) -> list:
        return [*self.optimizers.values(), *self.step_schedules, *self.epoch_schedules]

    def state_dict(self) -> dict:
        return {"parts": [part.state_dict() for part in self._parts()], "rates": self.rates}

    def load_state_dict(self, state: dict) -> None:
        for part, of_part in zip(self._parts(), state["parts"], strict=True):
            part.load_state_dict(of_part)
        self.rates = state["rates"]


def dsanet_optimization(
    model: nn.Module, *, lr: float, epochs: int, planned_steps: int
) -> Optimization:
    """SG-NM: StableAdamW under a warm cosine, per step. Everything else: AdamW under a cosine, per
    epoch.

    Args:
        model: whose trainable parameters are optimised.
        lr: base learning rate of both.
        epochs: length of the cosine of the main parameters.
        planned_steps: length of the warm cosine.
    """
    trainable = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    main = [p for name, p in trainable if not name.startswith(SGNM_PREFIX)]
    sgnm = [p for name, p in trainable if name.startswith(SGNM_PREFIX)]
    main = torch.optim.AdamW(main, lr=lr, fused=True)
    sgnm = StableAdamW(sgnm, lr=lr, weight_decay=1e-4, amsgrad=True, eps=1e-10)
    warm_cosine = WarmCosineScheduler(
        sgnm,
        base_value=lr,
        final_value=0.1 * lr,
        total_iters=planned_steps,
        warmup_iters=WARMUP_STEPS,
    )
    cosine = CosineAnnealingLR(main, T_max=epochs)
    return Optimization({"lr": main, "lr_sgnm": sgnm}, (warm_cosine,), (cosine,))


def vadclip_optimization(
    model: nn.Module, *, lr: float, milestones: list[int], rate: float
) -> Optimization:
    """VadCLIP: one AdamW whose learning rate falls by the factor `rate` after certain epochs."""
    adamw = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=lr, fused=True)
    return Optimization({"lr": adamw}, (), (MultiStepLR(adamw, milestones, gamma=rate),))


def mil_optimization(model: nn.Module, *, lr: float) -> Optimization:
    """Sultani et al.: Adagrad."""
    return Optimization({"lr": torch.optim.Adagrad(model.parameters(), lr=lr)})


def make_optimization(model: nn.Module, args, planned_steps: int) -> Optimization:
    """As the options say; `planned_steps` as for `dsanet_optimization`."""
    if args.method == "mil":
        return mil_optimization(model, lr=args.lr)
    if args.method == "vadclip":
        return vadclip_optimization(
            model, lr=args.lr, milestones=args.scheduler_milestones, rate=args.scheduler_rate
        )
    return dsanet_optimization(
        model, lr=args.lr, epochs=args.max_epoch, planned_steps=planned_steps
    )
