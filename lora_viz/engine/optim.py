"""Update rules: SGD, Adam, AdamW and scaled GD on a stack of factors, many adapters in one call.

A stack lies in one flat buffer; a ``Segment`` is a run of it that shares an update rule. The rules are torch.optim's
to rounding: constant factors are folded together so that a step makes as few passes over memory as it can.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["DAMPING", "RULES", "Adam", "Rule", "ScaledGd", "Segment", "Sgd", "schedule_factor"]

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8  # torch.optim's defaults; no lesson needs others
DAMPING = 1e-8  # δ of scaled GD


@dataclass(slots=True)
class Segment:
    """A part of the flat buffer, its learning rate and decay: a float where all elements agree."""

    start: int
    stop: int
    lr: float | Tensor
    weight_decay: float | Tensor


class Sgd:
    """θ ← θ − η ∇. A rule writes the state after update ``k`` (from 0) into ``out``; ``factor`` is the schedule's."""

    def __init__(self, segment: Segment, like: Tensor) -> None:
        self.segment = segment

    def step(self, k: int, factor: float, now: Tensor, grad: Tensor, out: Tensor) -> None:
        lr = self.segment.lr
        if isinstance(lr, Tensor):
            torch.addcmul(now, grad, lr, value=-factor, out=out)
        else:
            torch.add(now, grad, alpha=-factor * lr, out=out)

    def forget(self, start: int, stop: int) -> None:
        """Clear what is remembered of the elements ``start`` to ``stop`` of the flat buffer: here nothing is."""


class ScaledGd(Sgd):
    """A ← A − η(BᵀB + δI)⁻¹∇A, B ← B − η∇B(AAᵀ + δI)⁻¹ (Tong, Ma & Chi 2021; LoRA: Zhang & Pilanci 2024).

    The step itself is SGD's: the stack, which knows whose rows are whose, multiplies the gradients beforehand. For
    whoever starts at B = 0 the first ∇A is 0, so δ decides nothing there.
    """


class Adam:
    """Adam (Kingma & Ba 2015), with AdamW's decoupled weight decay (Loshchilov & Hutter 2019) where it is not 0.

    Where one learning rate serves the whole segment, torch's own fused kernel does the step in one pass; else public
    operations do, with both bias corrections moved out of the arrays.
    """

    def __init__(self, segment: Segment, like: Tensor) -> None:
        self.segment = segment
        self.first = torch.zeros_like(like)
        self.second = torch.zeros_like(like)
        self.count = [torch.zeros((), dtype=torch.float32, device=like.device)]
        self.root = torch.empty_like(like)
        self.scratch = torch.empty_like(like)
        self.shrink = torch.as_tensor(segment.lr * segment.weight_decay, dtype=like.dtype, device=like.device)
        self.decays = bool(self.shrink.any())

    def step(self, k: int, factor: float, now: Tensor, grad: Tensor, out: Tensor) -> None:
        lr, decay = self.segment.lr, self.segment.weight_decay
        if isinstance(lr, float) and isinstance(decay, float):
            if out is not now:
                out.copy_(now)
            self.count[0].fill_(k + 1)
            torch._fused_adamw_(
                [out], [grad], [self.first], [self.second], [], self.count,
                lr=factor * lr,
                beta1=BETA1, beta2=BETA2, weight_decay=decay, eps=EPS, amsgrad=False, maximize=False,
            )  # fmt: skip
            return
        self.first.lerp_(grad, 1 - BETA1)
        self.second.mul_(BETA2).addcmul_(grad, grad, value=1 - BETA2)
        correction = math.sqrt(1 - BETA2 ** (k + 1))
        torch.sqrt(self.second, out=self.root).add_(EPS * correction)
        torch.mul(self.first, lr, out=self.scratch)
        if self.decays:
            now = torch.addcmul(now, now, self.shrink, value=-factor, out=out)
        torch.addcdiv(now, self.scratch, self.root, value=-factor * correction / (1 - BETA1 ** (k + 1)), out=out)

    def forget(self, start: int, stop: int) -> None:
        inside = slice(max(start - self.segment.start, 0), max(stop - self.segment.start, 0))
        self.first[inside] = 0
        self.second[inside] = 0


Rule = Sgd | Adam
RULES: dict[str, type[Rule]] = {
    "sgd": Sgd,
    "scaled_gd": ScaledGd,
    "adam": Adam,
}  # by family: AdamW is Adam with a decay


def schedule_factor(k: int, *, schedule: str, warmup: int, steps: int) -> float:
    """What the learning rate is multiplied by at update ``k``: linear warm-up from 0, then constant or linear decay.

    The same numbers as transformers' ``get_constant_schedule_with_warmup`` and ``get_linear_schedule_with_warmup``.
    """
    if k < warmup:
        return k / warmup
    if schedule == "linear":
        return max(0.0, (steps - k) / max(1, steps - warmup))
    return 1.0
