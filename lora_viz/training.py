"""What happens when these adapters are trained? One engine: a stack of any adapters on one task, as one batch."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lora_viz.dense import Member, train_dense
from lora_viz.experiment import Experiment, ExperimentError, Sweep
from lora_viz.inits import INITS, initial_factors
from lora_viz.optim import RULES, Rule, Segment, schedule_factor
from lora_viz.run import GradientCheck, Run, Task, recorded_steps
from lora_viz.spectra import covariance_root, factor_gradients, full_gradient, least_squares
from lora_viz.stack import Stack, StackedGradient, family, pack
from lora_viz.tasks import batches, make_task
from lora_viz.variants import VARIANTS, is_plain, resolved

__all__ = ["autograd_check", "available_devices", "losses", "train", "use_one_thread"]

# A step longer than this is no step any more: a few more, each the cube of the last, and there are no numbers left.
LONGEST_STEP = 1e8


def available_devices() -> tuple[str, ...]:
    """Where can be trained here?"""
    return ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)


def train(sweep: Sweep, device: str = "cpu", *, records: int = 161, task: Task | None = None) -> Run:
    """Train every adapter of a sweep as one batch and record at most ``records`` steps of each.

    What they learn is the sweep's own task, or ``task`` where that is another one of the same shape.
    Same sweep, same Run, bit for bit on a CPU. Adapters do not touch each other: one whose next step is not a number,
    or longer than LONGEST_STEP, is frozen where it is and marked, the rest go on. In the run's sweep every variant has
    set its own fields. Raises ExperimentError for a device that is not there.
    """
    if device not in available_devices():
        raise ExperimentError(f"device={device} is not here: allowed are {', '.join(available_devices())}.")
    if device == "cpu":
        use_one_thread()
    with torch.inference_mode():
        sweep = resolved(sweep)
        task = make_task(sweep[0]) if task is None else task
        others = [i for i, e in enumerate(sweep.experiments) if not _fits_the_stack(e)]
        if not others:
            return _train(sweep, device, records, task)
        plain = [i for i in range(len(sweep)) if i not in set(others)]
        stacked = _train(Sweep(tuple(sweep[i] for i in plain)), device, records, task) if plain else None
        dense = _train_others(sweep, others, device, records, task)
        return _join(sweep, plain, stacked, others, dense, device, records, task)


def _fits_the_stack(e: Experiment) -> bool:
    """The packed stack knows ΔW = s·B A over the original base weight, and nothing else."""
    return is_plain(e) and not INITS[e.init].moves_base


def _train_others(sweep: Sweep, others: list[int], device: str, records: int, task: Task) -> list[Member]:
    e = sweep[0]
    for other in (sweep[i] for i in others):
        if other.optimizer == "scaled_gd":
            what = f"init={other.init}" if is_plain(other) else f"variant={other.variant}"
            raise ExperimentError(f"optimizer=scaled_gd is not possible with {what}: it is a step of plain A and B.")
    like = torch.empty(0, dtype=getattr(torch, e.dtype), device=device)
    return train_dense(
        [(sweep[i], VARIANTS[sweep[i].variant].form) for i in others],
        task,
        _Statistics(task, e, like).at,
        kept=recorded_steps(e.steps, records),
        longest_step=LONGEST_STEP,
        device=device,
    )


def _join(
    sweep: Sweep,
    plain: list[int],
    stacked: Run | None,
    others: list[int],
    members: list[Member],
    device: str,
    records: int,
    task: Task,
) -> Run:
    """One run of what the packed stack trained and what it could not take."""
    e, n = sweep[0], len(sweep)
    steps = np.array(recorded_steps(e.steps, records))
    loss, grad, diverged = np.full((len(steps), n), np.nan), np.empty((2, len(steps), n)), np.empty(n, dtype=int)
    found: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray | None, dict[str, np.ndarray]]] = {}
    if stacked is not None:
        loss[:, plain], diverged[plain] = stacked.loss, stacked.diverged_at
        grad[0][:, plain], grad[1][:, plain] = stacked.grad_A_norm, stacked.grad_B_norm
        found |= {i: (a, b, None, {}) for i, a, b in zip(plain, stacked.A, stacked.B, strict=True)}
    losses_of = _Losses(task)
    for i, member in zip(others, members, strict=True):
        found[i] = member.A, member.B, member.rest, member.parameters
        grad[:, :, i], diverged[i] = member.grad_norms, member.diverged_at
        alive = len(steps) if member.diverged_at < 0 else int((steps <= member.diverged_at).sum())
        delta = sweep[i].scaling * (member.B[:alive].astype(float) @ member.A[:alive].astype(float))
        if member.rest is not None:
            delta += member.rest[:alive].astype(float)
        loss[:alive, i] = losses_of.of_update(delta)
    A, B, rest, parameters = zip(*(found[i] for i in range(n)), strict=True)
    return Run(
        sweep=sweep,
        task=task,
        steps=steps,
        loss=loss,
        grad_A_norm=grad[0],
        grad_B_norm=grad[1],
        A=A,
        B=B,
        diverged_at=diverged,
        device=device,
        rest=rest,
        parameters=parameters,
    )


def use_one_thread() -> None:
    """A second thread costs more than it brings at these sizes, and 20 to 45 times more in company."""
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)


def _train(sweep: Sweep, device: str, records: int, task: Task) -> Run:
    e = sweep[0]
    dtype = getattr(torch, e.dtype)
    stack = pack(sweep, dtype, device)
    total, split = stack.total, stack.total * e.d_in

    kept = recorded_steps(e.steps, records)
    slot = {k: t for t, k in enumerate(kept)}
    history = torch.empty(len(kept), total * (e.d_in + e.d_out), dtype=dtype, device=device)
    norms = torch.empty(2, len(kept), total, dtype=dtype, device=device)
    spare = torch.empty_like(history[0])  # where the steps happen that are not recorded
    gradient = StackedGradient(stack, history, e.d_in, e.d_out)
    rules: list[Rule] = [
        RULES[name](segment, gradient.flat[segment.start : segment.stop])
        for name, segment in _segments(sweep, stack, split, history)
    ]
    statistics = _Statistics(task, e, history)
    longest = max(1.0, *(e.lr * max(1.0, e.lr_ratio) for e in sweep.experiments))
    frozen: dict[int, tuple[int, Tensor, Tensor]] = {}

    now = history[0]
    _fill(now, sweep, stack, split, task)
    for k in range(e.steps + 1):
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
    return _record(sweep, task, device, kept, history.cpu(), norms.cpu(), split, stack, frozen)


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
    by_row = torch.zeros(stop - start, dtype=like.dtype)
    for i in members:
        by_row[stack.rows[i].start - start : stack.rows[i].stop - start] = values[i]
    return by_row.repeat_interleave(width).to(like.device)


def _fill(state: Tensor, sweep: Sweep, stack: Stack, split: int, task: Task) -> None:
    start = torch.zeros(state.shape, dtype=torch.float64)
    A, Bt = start[:split].view(stack.total, -1), start[split:].view(stack.total, -1)
    for own, e in zip(stack.rows, sweep.experiments, strict=True):
        a, b = initial_factors(e, task)
        A[own], Bt[own] = torch.from_numpy(a), torch.from_numpy(b.T)
    state.copy_(start)


class _Statistics:
    """What does a step need to know of the data? Covariances of all samples, or of its batch."""

    def __init__(self, task: Task, e: Experiment, like: Tensor) -> None:
        def there(array: np.ndarray) -> Tensor:
            return torch.tensor(array, dtype=like.dtype, device=like.device)

        self.order = torch.from_numpy(batches(e)).to(like.device) if e.batch else None
        if self.order is None:
            identity = bool((task.input_covariance == np.eye(e.d_in)).all())
            cross = there(task.cross_covariance)
            self.all = (None if identity else there(task.input_covariance), cross, cross.T.contiguous())
        else:
            self.inputs, self.residuals = there(task.inputs), there(task.residuals)

    def at(self, k: int) -> tuple[Tensor | None, Tensor, Tensor]:
        if self.order is None:
            return self.all
        x, r = self.inputs[self.order[k]], self.residuals[self.order[k]]
        return x.T @ x / len(x), r.T @ x / len(x), x.T @ r / len(x)


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
    sweep: Sweep,
    task: Task,
    device: str,
    kept: list[int],
    history: Tensor,
    norms: Tensor,
    split: int,
    stack: Stack,
    frozen: dict[int, tuple[int, Tensor, Tensor]],
) -> Run:
    steps = np.array(kept)
    all_A = history[:, :split].view(len(kept), stack.total, -1).numpy()
    all_Bt = history[:, split:].view(len(kept), stack.total, -1).numpy()
    squares = norms.double().square().numpy()
    loss, grad = np.empty((len(kept), len(sweep))), np.empty((2, len(kept), len(sweep)))
    losses_of = _Losses(task)
    A, B = [], []
    for i, own in enumerate(stack.rows):
        a, b = all_A[:, own].copy(), all_Bt[:, own].transpose(0, 2, 1).copy()
        grad[:, :, i] = np.sqrt(squares[:, :, own].sum(axis=2))
        loss[:, i] = np.nan
        alive = slice(None)
        if i in frozen:
            at, last_A, last_Bt = frozen[i]
            later = steps > at
            a[steps >= at], b[steps >= at] = last_A.cpu().numpy(), last_Bt.cpu().numpy().T
            grad[:, later | ~np.isfinite(grad[0, :, i] + grad[1, :, i]), i] = np.nan
            alive = slice(0, int((~later).sum()))
        loss[alive, i] = losses_of.of(a[alive], b[alive], sweep[i].scaling)
        for array in (a, b):
            array.flags.writeable = False
        A.append(a)
        B.append(b)
    return Run(
        sweep=sweep,
        task=task,
        steps=steps,
        loss=loss,
        grad_A_norm=grad[0],
        grad_B_norm=grad[1],
        A=tuple(A),
        B=tuple(B),
        diverged_at=np.array([frozen[i][0] if i in frozen else -1 for i in range(len(sweep))]),
        device=device,
    )


def losses(
    task: Task, *, A: Float[np.ndarray, "T r d_in"], B: Float[np.ndarray, "T d_out r"], scaling: float
) -> Float[np.ndarray, "T"]:
    """L = 1/(2n)Σ‖y − t‖² over all samples, read out in float64 and without cancellation.

    L = L_least + ½‖(ΔW − M) C^½‖² with C = XᵀX/n and M the least-squares update: a sum of squares near the minimum too.
    """
    return _Losses(task).of(A, B, scaling)


class _Losses:
    """The part of the loss that all adapters of a task share, computed once."""

    def __init__(self, task: Task) -> None:
        best, self.least = least_squares(task)
        self.root = covariance_root(task)
        self.wanted = best @ self.root
        self.round = bool((self.root == np.eye(len(self.root))).all())

    def of_update(self, delta: np.ndarray) -> Float[np.ndarray, "T"]:
        missing = ((delta if self.round else delta @ self.root) - self.wanted).reshape(len(delta), -1)
        return self.least + 0.5 * np.einsum("ti,ti->t", missing, missing)

    def of(self, A: np.ndarray, B: np.ndarray, scaling: float) -> Float[np.ndarray, "T"]:
        a = A.astype(float) if self.round else A.astype(float) @ self.root
        missing = (scaling * B.astype(float)) @ a
        missing -= self.wanted
        flat = missing.reshape(len(missing), -1)
        return self.least + 0.5 * np.einsum("ti,ti->t", flat, flat)


def autograd_check(run: Run, adapter: int = 0) -> GradientCheck:
    """Does autograd agree with the formulas, at every recorded step? On the samples, in float64."""
    e, task = run.sweep[adapter], run.task
    a, b = (torch.tensor(x[adapter], dtype=torch.float64, requires_grad=True) for x in (run.A, run.B))
    x, r = torch.tensor(task.inputs), torch.tensor(task.residuals)
    W = torch.tensor(task.base_weight)
    targets = r + x @ W.T
    rest = run.rest[adapter] if run.rest else None
    if rest is not None:
        W = W + torch.tensor(rest)
    if e.batch:
        order = batches(e)[run.steps]
        x, targets = x[order], targets[order]
    y = x @ W.mT + e.scaling * (x @ a.transpose(1, 2)) @ b.transpose(1, 2)
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
