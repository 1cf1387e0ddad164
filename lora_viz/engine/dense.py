"""Training of what does not fit into the packed stack: adapters that form their update and its gradient G explicitly.

Any parametrisation, adapters of one shape as one batch, under the same optimiser rules, schedules and limits as the
packed stack. A step costs d_out × d_in numbers an adapter, where the stack's costs rank × (d_out + d_in).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lora_viz.core.experiment import Experiment
from lora_viz.core.progress import give_way
from lora_viz.core.run import Task
from lora_viz.engine.optim import RULES, Rule, Segment, schedule_factor
from lora_viz.engine.stack import family
from lora_viz.layer.parametrisation import Parametrisation, State

__all__ = ["Member", "train_dense"]

Statistics = Callable[[int], tuple[Tensor | None, Tensor, Tensor]]  # of step k: XᵀX/n (None: identity), RᵀX/n, its ᵀ


@dataclass(slots=True)
class Member:
    """What one adapter leaves: its factors, what ΔW has beyond s·B A, its other parameters, and when it diverged."""

    A: np.ndarray
    B: np.ndarray
    rest: np.ndarray | None
    parameters: dict[str, np.ndarray]
    grad_norms: np.ndarray
    diverged_at: int


def train_dense(
    members: Sequence[tuple[Experiment, Parametrisation]],
    task: Task,
    statistics: Statistics,
    *,
    kept: Sequence[int],
    longest_step: float,
    device: str,
) -> list[Member]:
    """Train adapters that share a task, each with its own parametrisation; the state after ``kept`` steps is kept."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for i, (e, form) in enumerate(members):
        groups.setdefault((form, e.rank, family(e)), []).append(i)
    done: dict[int, Member] = {}
    for (form, *_), own in groups.items():
        group = _Group(form, [members[i][0] for i in own], task, len(kept), device)
        group.train(statistics, {k: t for t, k in enumerate(kept)}, longest_step)
        done |= dict(zip(own, group.members(np.array(kept)), strict=True))
    return [done[i] for i in range(len(members))]


class _Group:
    """Some adapters of one parametrisation and shape: their parameters in one flat buffer, one after the other."""

    def __init__(self, form: Parametrisation, own: list[Experiment], task: Task, records: int, device: str) -> None:
        self.form, self.own = form, own
        self.like = torch.empty(0, dtype=getattr(torch, own[0].dtype), device=device)
        starts = [form.start(e, task) for e in own]
        shapes = {name: (len(own), *starts[0][0][name].shape) for name in form.sides}
        self.now, self.p = self._buffer(shapes)
        self.gradient, self.grads = self._buffer(shapes)
        for name, stacked in self.p.items():
            stacked.copy_(self._there(np.stack([p[name] for p, _ in starts])))
        self.fixed = {name: self._there(np.stack([f[name] for _, f in starts])) for name in starts[0][1]}
        self.s = self._there(np.array([e.scaling for e in own]))[:, None, None]
        self.rules = [self._rule(name) for name in form.sides]
        self.history = {n: x.new_empty(records, *x.shape) for n, x in (*self.p.items(), *self._moving().items())}
        self.norms = self.like.new_zeros(2, records, len(own))
        self.dead: dict[int, tuple[int, State]] = {}

    def _there(self, array: np.ndarray) -> Tensor:
        return torch.tensor(array, dtype=self.like.dtype, device=self.like.device)

    def _buffer(self, shapes: dict[str, tuple[int, ...]]) -> tuple[Tensor, State]:
        sizes = [math.prod(shape) for shape in shapes.values()]
        flat = self.like.new_zeros(sum(sizes))
        parts = flat.split(sizes)
        return flat, {name: part.view(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}

    def _moving(self) -> State:
        return {name: self.fixed[name] for name in self.form.moving}

    def _rule(self, name: str) -> tuple[Rule, Tensor, Tensor]:
        """The optimiser of one parameter of all members, and its part of the state and of the gradient."""
        side = self.form.sides[name]
        here, grad = self.p[name].view(-1), self.grads[name].view(-1)
        lr = [0.0 if e.frozen == side else e.lr * (e.lr_ratio if side == "B" else 1.0) for e in self.own]
        decay = [e.weight_decay if e.optimizer == "adamw" else 0.0 for e in self.own]
        each = here.numel() // len(self.own)

        def each_element(values: list[float]) -> float | Tensor:
            same = len(set(values)) == 1
            return float(values[0]) if same else self._there(np.array(values)).repeat_interleave(each)

        segment = Segment(0, here.numel(), each_element(lr), each_element(decay))
        return RULES[family(self.own[0])](segment, grad), here, grad

    def train(self, statistics: Statistics, slot: dict[int, int], longest_step: float) -> None:
        e, form, memory = self.own[0], self.form, State()
        longest = max(1.0, *(e.lr * max(1.0, e.lr_ratio) for e in self.own))
        for k in range(e.steps + 1):
            give_way()
            covariance, cross, _ = statistics(k)
            delta = form.delta(self.p, self.fixed, self.s)
            G = (delta if covariance is None else delta @ covariance) - cross
            form.refresh(k, G, self.p, self.fixed)
            for name, grad in form.gradients(self.p, self.fixed, self.s, G).items():
                self.grads[name].copy_(grad)
            for i in self.dead:
                for grad in self.grads.values():
                    grad[i] = 0
            if k in slot:
                self._keep(slot[k])
            if k == e.steps:
                break
            if not longest * math.sqrt(float(torch.dot(self.gradient, self.gradient))) <= longest_step:
                self._freeze(k, longest_step)
            factor = schedule_factor(k, schedule=e.schedule, warmup=e.warmup, steps=e.steps)
            for rule, here, grad in self.rules:
                rule.step(k, factor, here, grad, here)
            form.after_step(k, self.own, self.p, self.grads, self.fixed, memory)

    def _keep(self, t: int) -> None:
        for name, x in (*self.p.items(), *self._moving().items()):
            self.history[name][t] = x
        for side, norms in zip("AB", self.norms, strict=True):
            parts = [self.grads[n].flatten(1) for n, own in self.form.sides.items() if own == side]
            if parts:
                norms[t] = torch.linalg.vector_norm(torch.cat(parts, dim=1), dim=1)

    def _freeze(self, k: int, longest_step: float) -> None:
        """Take out whoever cannot step any more: keep its state, go on with zeros and without gradient."""
        for i, e in enumerate(self.own):
            size = math.sqrt(sum(float(g[i].double().square().sum()) for g in self.grads.values()))
            if i in self.dead or max(1.0, e.lr * max(1.0, e.lr_ratio)) * size <= longest_step:
                continue
            self.dead[i] = k, {name: x[i].clone() for name, x in (*self.p.items(), *self._moving().items())}
            for (rule, here, _), name in zip(self.rules, self.form.sides, strict=True):
                each = here.numel() // len(self.own)
                rule.forget(i * each, (i + 1) * each)
                self.p[name][i] = 0
                self.grads[name][i] = 0

    def members(self, steps: np.ndarray) -> list[Member]:
        """One record an adapter; who diverged keeps its last finite state."""
        history = {name: x.cpu() for name, x in self.history.items()}
        norms, made = self.norms.cpu().double().numpy(), []
        for i in range(len(self.own)):
            own = {name: x[:, i].clone() for name, x in history.items()}
            grads, at = norms[:, :, i].copy(), -1
            if i in self.dead:
                at, last = self.dead[i]
                for name, x in own.items():
                    x[torch.from_numpy(steps >= at)] = last[name].cpu()
                grads[:, (steps > at) | ~np.isfinite(grads.sum(axis=0))] = np.nan
            fixed = {n: own[n] if n in self.form.moving else x[i : i + 1].cpu() for n, x in self.fixed.items()}
            p, s = {name: own[name] for name in self.form.sides}, self.s[i : i + 1].cpu()
            a, b = self.form.factors(p, fixed, s)
            rest = self.form.rest(p, fixed, s)
            more = {name: own[name].numpy() for name in (*p, *self.form.told) if name not in ("A", "B")}
            arrays = [a.numpy(), b.numpy(), *more.values(), *([] if rest is None else [rest.numpy()])]
            for array in arrays:
                array.flags.writeable = False
            made.append(Member(arrays[0], arrays[1], None if rest is None else arrays[-1], more, grads, at))
        return made
