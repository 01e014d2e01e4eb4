"""How a run's parameters are optimised, by method; see *Implementation details* of the paper.

The SG-NM branch has an optimizer and a schedule of its own: StableAdamW under a warm cosine.
"""

import math

import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, MultiStepLR

from utils.options.methods import OF_RTFM

WARMUP_STEPS = 100
RTFM_DECAY = 5e-3
SGNM_PREFIX = "video_anomaly_refiner."


class StableAdamW(torch.optim.Optimizer):
    """AdamW with AMSGrad whose step shrinks where a gradient is out of proportion to its history
    (Wortsman et al. 2023): every tensor's step is divided by max(1, RMS(g / √n̂) / clip_threshold).

    Args:
        params: as for any optimizer.
        lr, betas, eps, weight_decay: as in AdamW; the decay is p ← p(1 − lr·weight_decay).
        amsgrad: divide by the running maximum of the second moment.
        clip_threshold: RMS above which a step shrinks.
    """

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=1e-2,
        amsgrad=False,
        clip_threshold=1.0,
    ):
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "clip_threshold": clip_threshold,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure=None):
        """One update of every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if params:
                self._update(params, group)
        return loss

    def _update(self, params: list[torch.Tensor], group: dict) -> None:
        """All tensors of a group at once; nothing is read back from the device."""
        grads = [p.grad for p in params]
        states = [self._state(p, group) for p in params]
        moments, seconds = ([s[name] for s in states] for name in ("exp_avg", "exp_avg_sq"))
        beta1, beta2 = group["betas"]
        torch._foreach_lerp_(moments, grads, 1 - beta1)
        torch._foreach_mul_(seconds, beta2)
        torch._foreach_addcmul_(seconds, grads, grads, 1 - beta2)
        if group["amsgrad"]:
            tops = [s["max_exp_avg_sq"] for s in states]
            torch._foreach_maximum_(tops, seconds)
            seconds = tops
        denominators = torch._foreach_sqrt(seconds)
        torch._foreach_div_(denominators, [math.sqrt(1 - beta2 ** s["step"]) for s in states])
        torch._foreach_add_(denominators, group["eps"])

        shrinks = torch._foreach_norm(torch._foreach_div(grads, denominators))
        clip = group["clip_threshold"]
        torch._foreach_div_(shrinks, [clip * math.sqrt(p.numel()) for p in params])
        torch._foreach_clamp_min_(shrinks, 1.0)
        updates = torch._foreach_div(moments, denominators)
        torch._foreach_div_(updates, shrinks)
        torch._foreach_mul_(updates, [-group["lr"] / (1 - beta1 ** s["step"]) for s in states])
        torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(params, updates)

    def _state(self, p: torch.Tensor, group: dict) -> dict:
        """The state of a tensor, counted up by one update."""
        state = self.state[p]
        if not state:
            state["step"] = 0
            for name in ("exp_avg", "exp_avg_sq", *["max_exp_avg_sq"] * group["amsgrad"]):
                state[name] = torch.zeros_like(p)
        state["step"] += 1
        return state


class WarmCosineScheduler(LRScheduler):
    """Linear warm-up from 0 to `base_value`, then half a cosine to `final_value`, per step.

    With W = `warmup_iters`: step s < W has base·s/(W−1), both ends included, so the first step has
    0; step s = W + i has final + ½(base − final)(1 + cos(π·i/(total − W))); from `total_iters` on
    it is `final_value`. A run shorter than its warm-up shortens the warm-up to the run.
    """

    def __init__(self, optimizer, base_value, final_value, total_iters, warmup_iters=0):
        self.base_value = base_value
        self.final_value = final_value
        self.total_iters = total_iters
        self.warmup_iters = min(warmup_iters, total_iters)
        super().__init__(optimizer)

    def get_lr(self):
        return [self.value(self.last_epoch)] * len(self.optimizer.param_groups)

    def value(self, step: int) -> float:
        """The learning rate of step 0, 1, …"""
        if step < self.warmup_iters:
            return self.base_value * step / max(1, self.warmup_iters - 1)
        if step >= self.total_iters:
            return self.final_value
        progress = (step - self.warmup_iters) / (self.total_iters - self.warmup_iters)
        amplitude = (self.base_value - self.final_value) / 2
        return self.final_value + amplitude * (1 + math.cos(math.pi * progress))


class Optimization:
    """Optimizers that step together, and the schedules of their learning rates.

    Args:
        optimizers: by the name that the log gives their learning rate.
        step_schedules, epoch_schedules: stepped with every step, with every epoch.

    Attributes:
        rates: the learning rates of the last step, by the same names.
        steps: that were taken.
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
        self.steps = 0

    def step(self, loss: torch.Tensor) -> None:
        """One update along the gradient of the loss."""
        for optimizer in self.optimizers.values():
            optimizer.zero_grad()
        loss.backward()
        for optimizer in self.optimizers.values():
            optimizer.step()
        self.steps += 1
        self.rates = {name: o.param_groups[0]["lr"] for name, o in self.optimizers.items()}
        for schedule in self.step_schedules:
            schedule.step()

    def end_epoch(self) -> None:
        for schedule in self.epoch_schedules:
            schedule.step()

    def _parts(self) -> list:
        return [*self.optimizers.values(), *self.step_schedules, *self.epoch_schedules]

    def state_dict(self) -> dict:
        parts = [part.state_dict() for part in self._parts()]
        return {"parts": parts, "rates": self.rates, "steps": self.steps}

    def load_state_dict(self, state: dict) -> None:
        for part, of_part in zip(self._parts(), state["parts"], strict=True):
            part.load_state_dict(of_part)
        self.rates, self.steps = state["rates"], state["steps"]


def dsanet_optimization(
    model: nn.Module,
    *,
    lr: float,
    epochs: int,
    planned_steps: int,
    warmup_steps: int = WARMUP_STEPS,
) -> Optimization:
    """SG-NM: StableAdamW under a warm cosine, per step. Everything else: AdamW under a cosine, per
    epoch.

    Args:
        model: whose trainable parameters are optimised.
        lr: base learning rate of both.
        epochs: length of the cosine of the main parameters.
        planned_steps, warmup_steps: length of the warm cosine, and of its warm-up.
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
        warmup_iters=warmup_steps,
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


def rtfm_optimization(model: nn.Module, *, lr: float) -> Optimization:
    """RTFM and CLIP-TSA: Adam, whose decay is part of the gradient."""
    adam = torch.optim.Adam(model.parameters(), lr=lr, weight_decay=RTFM_DECAY, fused=True)
    return Optimization({"lr": adam})


def make_optimization(
    model: nn.Module,
    args,
    planned_steps: int,
    epochs: int | None = None,
    warmup_steps: int = WARMUP_STEPS,
) -> Optimization:
    """As the options say; the others as for `dsanet_optimization`, `--max-epoch` epochs if none are
    named."""
    if args.method == "mil":
        return mil_optimization(model, lr=args.lr)
    if args.method in OF_RTFM:
        return rtfm_optimization(model, lr=args.lr)
    if args.method == "vadclip":
        return vadclip_optimization(
            model, lr=args.lr, milestones=args.scheduler_milestones, rate=args.scheduler_rate
        )
    return dsanet_optimization(
        model,
        lr=args.lr,
        epochs=epochs or args.max_epoch,
        planned_steps=planned_steps,
        warmup_steps=warmup_steps,
    )
