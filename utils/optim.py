"""The optimizer and schedule of the SG-NM branch: StableAdamW under a warm cosine."""

import math

import torch
from torch.optim.lr_scheduler import LRScheduler


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
            for p in group["params"]:
                if p.grad is not None:
                    self._update(p, p.grad, self.state[p], group)
        return loss

    @staticmethod
    def _update(p, grad, state, group):
        if not state:
            state["step"] = 0
            for name in ("exp_avg", "exp_avg_sq", *["max_exp_avg_sq"] * group["amsgrad"]):
                state[name] = torch.zeros_like(p)
        state["step"] += 1
        beta1, beta2 = group["betas"]
        moment, second = state["exp_avg"], state["exp_avg_sq"]
        moment.lerp_(grad, 1 - beta1)
        second.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        if group["amsgrad"]:
            second = torch.maximum(state["max_exp_avg_sq"], second, out=state["max_exp_avg_sq"])
        denominator = (second.sqrt() / math.sqrt(1 - beta2 ** state["step"])).add_(group["eps"])

        rms = (grad / denominator).norm() / math.sqrt(p.numel())
        shrink = (rms / group["clip_threshold"]).clamp(min=1.0)
        step_size = group["lr"] / (1 - beta1 ** state["step"])
        p.mul_(1 - group["lr"] * group["weight_decay"])
        p.sub_(moment / denominator * (step_size / shrink))


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
