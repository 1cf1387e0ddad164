"""A stack's steps on a CPU: one by one, every product and update written where it is needed."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from lora_viz.core.experiment import Sweep
from lora_viz.core.progress import give_way
from lora_viz.engine.history import LONGEST_STEP, History
from lora_viz.engine.optim import RULES, Rule, Segment, schedule_factor
from lora_viz.engine.stack import Stack, StackedGradient, Statistics, family

__all__ = ["run_stack"]

LOOK = 16  # steps between two looks at whether anybody waits


def run_stack(sweep: Sweep, stack: Stack, start: Tensor, statistics: Statistics, kept: list[int]) -> History:
    """Train any stack from ``start``; the states at the ``kept`` steps, and when who was frozen."""
    e, total, split = sweep[0], stack.total, stack.total * sweep[0].d_in
    slot = {k: t for t, k in enumerate(kept)}
    history = start.new_empty(len(kept), start.numel())
    norms = start.new_empty(2, len(kept), total)
    spare = torch.empty_like(start)  # where the steps happen that are not recorded
    gradient = StackedGradient(stack, history, e.d_in, e.d_out)
    rules: list[Rule] = [
        RULES[name](segment, gradient.flat[segment.start : segment.stop])
        for name, segment in _segments(sweep, stack, split, history)
    ]
    longest = max(1.0, *(e.lr * max(1.0, e.lr_ratio) for e in sweep.experiments))
    frozen: dict[int, tuple[int, Tensor, Tensor]] = {}

    now = history[0].copy_(start)
    for k in range(e.steps + 1):
        if not k % LOOK:
            give_way()
        gradient(now, *statistics.at(k))
        if k in slot:
            torch.linalg.vector_norm(gradient.A, dim=1, out=norms[0, slot[k]])
            torch.linalg.vector_norm(gradient.Bt, dim=1, out=norms[1, slot[k]])
        if k == e.steps:
            break
        gradient.precondition(now)
        if not longest * math.sqrt(float(torch.dot(gradient.flat, gradient.flat))) <= LONGEST_STEP:
            _freeze(k, now, gradient, sweep, stack, rules, frozen)
        after = history[slot[k + 1]] if k + 1 in slot else spare
        factor = schedule_factor(k, schedule=e.schedule, warmup=e.warmup, steps=e.steps)
        for rule in rules:
            if len(rules) == 1:
                rule.step(k, factor, now, gradient.flat, after)
                continue
            part = slice(rule.segment.start, rule.segment.stop)
            here = now[part]
            rule.step(k, factor, here, gradient.flat[part], here if after is now else after[part])
        now = after
    diverged_at = np.full(len(sweep), -1)
    for i, (at, last_A, last_Bt) in frozen.items():
        diverged_at[i] = at
        later, own = slice(int(np.searchsorted(kept, at)), None), stack.rows[i]
        history[later, :split].view(-1, total, e.d_in)[:, own] = last_A
        history[later, split:].view(-1, total, e.d_out)[:, own] = last_Bt
    return History(history, norms, diverged_at)


def _segments(sweep: Sweep, stack: Stack, split: int, like: Tensor) -> list[tuple[str, Segment]]:
    """Parts of the flat buffer that share an update rule, as few and as large as the sweep allows."""
    d_in, d_out = sweep[0].d_in, sweep[0].d_out
    decay = [e.weight_decay if e.optimizer == "adamw" else 0.0 for e in sweep.experiments]
    segments: list[tuple[str, Segment]] = []
    for name, row, stop in stack.families:
        members = [i for i, e in enumerate(sweep.experiments) if family(e) == name]
        halves = (
            (0, d_in, [0.0 if e.frozen == "A" else e.lr for e in sweep.experiments]),
            (split, d_out, [0.0 if e.frozen == "B" else e.lr * e.lr_ratio for e in sweep.experiments]),
        )
        for offset, width, lr in halves:
            values = [_per_element(v, members, stack, row, stop, width, like) for v in (lr, decay)]
            segments.append((name, Segment(offset + row * width, offset + stop * width, *values)))
    if len(segments) == 2 and all(isinstance(v, float) for _, s in segments for v in (s.lr, s.weight_decay)):
        (name, a), (_, b) = segments
        if (a.lr, a.weight_decay) == (b.lr, b.weight_decay):
            return [(name, Segment(a.start, b.stop, a.lr, a.weight_decay))]
    return segments


def _per_element(
    values: list[float], members: list[int], stack: Stack, start: int, stop: int, width: int, like: Tensor
) -> float | Tensor:
    if len({values[i] for i in members}) == 1:
        return float(values[members[0]])
    by_row = torch.from_numpy(np.array([*values, 0.0])[stack.owner[start:stop]]).to(like.dtype)
    return by_row.repeat_interleave(width).to(like.device)


def _freeze(
    k: int,
    now: Tensor,
    gradient: StackedGradient,
    sweep: Sweep,
    stack: Stack,
    rules: list[Rule],
    frozen: dict[int, tuple[int, Tensor, Tensor]],
) -> None:
    """Take out whoever cannot step any more: keep its state, go on with zeros, whose gradient is zero for ever."""
    split = gradient.A.numel()
    A, Bt = now[:split].view_as(gradient.A), now[split:].view_as(gradient.Bt)
    for i, own in enumerate(stack.rows):
        e = sweep[i]
        step = max(1.0, e.lr * max(1.0, e.lr_ratio)) * torch.hypot(gradient.A[own].norm(), gradient.Bt[own].norm())
        if i in frozen or float(step) <= LONGEST_STEP:
            continue
        frozen[i] = (k, A[own].clone(), Bt[own].clone())
        for rows in (A, Bt, gradient.A, gradient.Bt):
            rows[own] = 0
        for rule in rules:
            rule.forget(own.start * A.shape[1], own.stop * A.shape[1])
            rule.forget(split + own.start * Bt.shape[1], split + own.stop * Bt.shape[1])
