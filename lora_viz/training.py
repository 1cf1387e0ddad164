"""What happens when these adapters are trained? One engine: a stack of any adapters on one task, as one batch."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from lora_viz.experiment import ExperimentError, Sweep
from lora_viz.kernels import ENGINES, choose, shares, width_for
from lora_viz.kernels.fused import allows_tf32, run_fused
from lora_viz.kernels.graph import run_graph
from lora_viz.kernels.several import train_shares
from lora_viz.kernels.steps import LONGEST_STEP, History
from lora_viz.lora import initial_factors
from lora_viz.optim import RULES, Rule, Segment, schedule_factor
from lora_viz.readout import losses, read_out
from lora_viz.run import GradientCheck, Run, Task, recorded_steps
from lora_viz.spectra import factor_gradients, full_gradient
from lora_viz.stack import Stack, StackedGradient, Statistics, family, pack, rows_from
from lora_viz.tasks import batches, make_task

__all__ = ["autograd_check", "available_devices", "initial_state", "losses", "train", "use_one_thread"]


def available_devices() -> tuple[str, ...]:
    """Where can be trained here?"""
    return ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)


def train(sweep: Sweep, device: str = "cpu", *, records: int = 161, factors: bool = True, engine: str = "auto") -> Run:
    """Train every adapter of a sweep as one batch and record at most ``records`` steps of each.

    Same sweep, same Run, bit for bit on a CPU. Adapters do not touch each other: one whose next step is not a number,
    or longer than LONGEST_STEP, is frozen where it is and marked, the rest go on. "cuda" takes every GPU it sees.
    Without ``factors`` the Run has losses and norms but no A and B: what a map of thousands needs.
    ``engine`` is one of ENGINES; "auto" chooses (see ``kernels.choose``). Raises ExperimentError for a device that is
    not there.
    """
    if device not in available_devices():
        raise ExperimentError(f"device={device} is not here: allowed are {', '.join(available_devices())}.")
    if engine not in ENGINES:
        raise ExperimentError(f"engine={engine} is unknown: allowed are {', '.join(ENGINES)}.")
    if device == "cpu":
        use_one_thread()
    parts = shares(sweep, device, records)
    if len(parts) == 1:
        return _train(sweep, parts[0].device, records, factors, engine)
    return train_shares(sweep, parts, lambda few, where: _train(few, where, records, factors, engine))


def use_one_thread() -> None:
    """A second thread costs more than it brings at these sizes, and 20 to 45 times more in company."""
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)


@torch.inference_mode()
def _train(sweep: Sweep, device: str, records: int, factors: bool, engine: str) -> Run:
    e, task = sweep[0], make_task(sweep[0])
    chosen = choose(sweep, device, engine)
    stack = pack(sweep, getattr(torch, e.dtype), device, width_for(sweep, chosen))
    kept = recorded_steps(e.steps, records)
    start = initial_state(sweep, stack, device)
    run = {"stack": _run_stack, "graph": run_graph, "fused": run_fused}[chosen]
    history = run(sweep, stack, start, Statistics(task, e, start), kept)
    return _record(sweep, task, device, chosen, kept, history, stack, factors)


def _run_stack(sweep: Sweep, stack: Stack, start: Tensor, statistics: Statistics, kept: list[int]) -> History:
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
        gradient(now, *statistics.at(k))
        if k in slot:
            torch.linalg.vector_norm(gradient.A, dim=1, out=norms[0, slot[k]])
            torch.linalg.vector_norm(gradient.Bt, dim=1, out=norms[1, slot[k]])
        if k == e.steps:
            break
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
    """Which runs of the flat buffer share an update rule? As few and as large as the sweep allows."""
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


def initial_state(sweep: Sweep, stack: Stack, device: str) -> Tensor:
    """The flat state at step 0; equal starts are drawn once."""
    e = sweep[0]
    first: dict[tuple[object, ...], int] = {}
    drawn: list[tuple[np.ndarray, np.ndarray]] = [(np.zeros((1, e.d_in)), np.zeros((1, e.d_out)))]  # nobody's row
    count, begins = 1, []
    for x in sweep.experiments:
        key = x.init, x.rank, x.init_seed
        if key not in first:
            first[key] = count
            a, b = initial_factors(x)
            drawn.append((a, b.T))
            count += x.rank
        begins.append(first[key])
    ranks = np.array([x.rank for x in sweep.experiments])
    source = np.zeros(stack.total, dtype=int)
    source[rows_from(np.array([own.start for own in stack.rows]), ranks)] = rows_from(np.array(begins), ranks)
    at = torch.from_numpy(source).to(device)
    A, Bt = (torch.from_numpy(np.concatenate(parts)) for parts in zip(*drawn, strict=True))
    dtype = getattr(torch, e.dtype)
    return torch.cat([part.to(device, dtype)[at].flatten() for part in (A, Bt)])


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


def _record(
    sweep: Sweep, task: Task, device: str, engine: str, kept: list[int], history: History, stack: Stack, factors: bool
) -> Run:
    e, steps, at = sweep[0], np.array(kept), history.diverged_at
    loss, grad = read_out(history, stack, sweep, task)
    later = (at >= 0) & (steps[:, None] > at)
    loss[later] = np.nan
    grad[:, later | ~np.isfinite(grad.sum(axis=0))] = np.nan
    A, B = [], []
    if factors:
        states, split = history.states.cpu().numpy(), stack.total * e.d_in
        all_A = states[:, :split].reshape(len(kept), stack.total, -1)
        all_Bt = states[:, split:].reshape(len(kept), stack.total, -1)
        for own in stack.rows:
            A.append(all_A[:, own].copy())
            B.append(all_Bt[:, own].transpose(0, 2, 1).copy())
            A[-1].flags.writeable = B[-1].flags.writeable = False
    return Run(
        sweep=sweep,
        task=task,
        steps=steps,
        loss=loss,
        grad_A_norm=grad[0],
        grad_B_norm=grad[1],
        A=tuple(A),
        B=tuple(B),
        diverged_at=at,
        device=device.split(":")[0],
        engine=engine + (", TF32" if history.states.is_cuda and e.dtype == "float32" and allows_tf32() else ""),
    )


def autograd_check(run: Run, adapter: int = 0) -> GradientCheck:
    """Does autograd agree with the formulas, at every recorded step? On the samples, in float64."""
    e, task = run.sweep[adapter], run.task
    a, b = (torch.tensor(x[adapter], dtype=torch.float64, requires_grad=True) for x in (run.A, run.B))
    x, r = torch.tensor(task.inputs), torch.tensor(task.residuals)
    W = torch.tensor(task.base_weight)
    targets = r + x @ W.T
    if e.batch:
        order = batches(e)[run.steps]
        x, targets = x[order], targets[order]
    y = x @ W.T + e.scaling * (x @ a.transpose(1, 2)) @ b.transpose(1, 2)
    (0.5 * ((y - targets) ** 2).sum() / x.shape[-2]).backward()
    assert a.grad is not None and b.grad is not None
    by_autograd = a.grad.numpy(), b.grad.numpy()
    G = full_gradient(run, adapter)
    if e.batch:  # the gradient of the batch that each step saw
        seen, wrong = x.numpy(), r[order].numpy()
        G = (run.delta_weight(adapter) @ np.swapaxes(seen, 1, 2) - np.swapaxes(wrong, 1, 2)) @ seen / e.batch
    by_formula = factor_gradients(G=G, A=run.A[adapter], B=run.B[adapter], scaling=e.scaling)
    return GradientCheck(
        run.steps,
        *(np.sqrt(np.sum(g**2, axis=(1, 2))) for g in (*by_autograd, *by_formula)),
        *(np.abs(p - q).max(axis=(1, 2)) for p, q in zip(by_autograd, by_formula, strict=True)),
    )
