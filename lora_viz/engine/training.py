"""Training: a sweep of any adapters on one task, as one batch, into a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lora_viz.core.experiment import Experiment, ExperimentError, Sweep
from lora_viz.core.factored import FactoredMatrix
from lora_viz.core.progress import Progress
from lora_viz.core.run import GradientCheck, Run, Task, joined, recorded_steps
from lora_viz.core.spectra import full_gradient
from lora_viz.engine.dense import train_dense
from lora_viz.engine.history import LONGEST_STEP, History
from lora_viz.engine.kernels import ENGINES, Share, choose, shares, width_for
from lora_viz.engine.kernels.fused import allows_tf32, run_fused
from lora_viz.engine.kernels.graph import run_graph
from lora_viz.engine.kernels.several import train_shares
from lora_viz.engine.readout import losses, losses_of_update, read_out
from lora_viz.engine.stack import Stack, Statistics, pack, rows_from
from lora_viz.engine.stepping import run_stack
from lora_viz.engine.threads import one_thread
from lora_viz.i18n.language import say
from lora_viz.layer.starts import STARTS, initial_factors
from lora_viz.layer.tasks import batches, make_task
from lora_viz.layer.variants import VARIANTS, is_plain, resolved

__all__ = ["LONGEST_STEP", "autograd_check", "available_devices", "initial_state", "losses", "train"]


def available_devices() -> tuple[str, ...]:
    """The devices that can train here."""
    return ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)


class _Wanted(NamedTuple):
    """What is the same for all shares of a sweep."""

    records: int
    task: Task
    factors: bool
    engine: str


@one_thread()
def train(
    sweep: Sweep,
    device: str = "cpu",
    *,
    records: int = 161,
    task: Task | None = None,
    factors: bool = True,
    engine: str = "auto",
    told: Callable[[Progress], None] | None = None,
) -> Run:
    """Train every adapter of a sweep as one batch and record at most ``records`` steps of each.

    What they learn is the sweep's own task, or ``task`` where that is another one of the same shape.
    Same sweep, same Run, bit for bit on a CPU. Adapters do not touch each other: one whose next step is not a number,
    or longer than LONGEST_STEP, is frozen where it is and marked, the rest go on. In the run's sweep every variant has
    set its own fields. "cuda" takes every GPU it sees, "ray" every core of a Ray cluster, with the bits of "cpu" where
    its processors are of one kind. Without ``factors`` the run has losses and norms but no A and B: what a map of
    thousands needs. ``engine`` is one of ENGINES; "auto" chooses, see ``kernels.choose``. ``told`` hears how much is
    done of a sweep that is cut into shares.
    Raises ExperimentError for a device that is not there.
    """
    if device not in (*available_devices(), "ray"):
        raise ExperimentError(
            say(
                "device={device} is not here. Valid values: {devices}.",
                device=device,
                devices=", ".join(available_devices()),
            )
        )
    if engine not in ENGINES:
        raise ExperimentError(
            say("engine={engine} is unknown. Valid values: {engines}.", engine=engine, engines=", ".join(ENGINES))
        )
    sweep = resolved(sweep)
    wanted = _Wanted(records, make_task(sweep[0]) if task is None else task, factors, engine)
    others = [i for i, e in enumerate(sweep.experiments) if not _fits_the_stack(e)]
    plain = sorted(set(range(len(sweep))) - set(others))
    runs: list[tuple[list[int], Run]] = []
    for work, members in ((_train_others, others), (_train, plain)):
        if members:
            few = sweep if len(members) == len(sweep) else Sweep(tuple(sweep[i] for i in members))
            on_one_gpu = work is _train_others and device == "cuda"
            cut = [Share(device, list(range(len(few))))] if on_one_gpu else shares(few, device, records)
            runs += [([members[i] for i in own], run) for own, run in train_shares(few, cut, work, wanted, told)]
    return runs[0][1] if len(runs) == 1 else joined(sweep, runs)


def _fits_the_stack(e: Experiment) -> bool:
    """The packed stack knows ΔW = s·B A over the original base weight, and nothing else."""
    return is_plain(e) and not STARTS[e.init].moves_base


@torch.inference_mode()
def _train_others(wanted: _Wanted, sweep: Sweep, device: str) -> Run:
    """What the packed stack cannot take."""
    e, n = sweep[0], len(sweep)
    records, task, factors, _ = wanted
    for x in sweep.experiments:
        if x.optimizer == "scaled_gd":
            what = f"init={x.init}" if is_plain(x) else f"variant={x.variant}"
            raise ExperimentError(
                say("optimizer=scaled_gd is not possible with {what}: it is a step of plain A and B.", what=what)
            )
    like = torch.empty(0, dtype=getattr(torch, e.dtype), device=device)
    steps = np.array(recorded_steps(e.steps, records))
    members = train_dense(
        [(x, VARIANTS[x.variant].form) for x in sweep.experiments],
        task,
        Statistics(task, e, like).at,
        kept=steps.tolist(),
        longest_step=LONGEST_STEP,
        device=device,
    )
    loss = np.full((len(steps), n), np.nan)
    for i, (x, member) in enumerate(zip(sweep.experiments, members, strict=True)):
        alive = len(steps) if member.diverged_at < 0 else int((steps <= member.diverged_at).sum())
        delta = FactoredMatrix(member.A, member.B, x.scaling)[:alive].in_float64().dense()
        if member.rest is not None:
            delta += member.rest[:alive].astype(float)
        loss[:alive, i] = losses_of_update(task, delta)
    return Run(
        sweep=sweep,
        task=task,
        steps=steps,
        loss=loss,
        grad_A_norm=np.stack([member.grad_norms[0] for member in members], axis=1),
        grad_B_norm=np.stack([member.grad_norms[1] for member in members], axis=1),
        A=tuple(member.A for member in members) if factors else (),
        B=tuple(member.B for member in members) if factors else (),
        diverged_at=np.array([member.diverged_at for member in members]),
        device=device,
        rest=tuple(member.rest for member in members) if factors else (),
        parameters=tuple(member.parameters for member in members) if factors else (),
        engine="dense",
    )


@torch.inference_mode()
def _train(wanted: _Wanted, sweep: Sweep, device: str) -> Run:
    e = sweep[0]
    records, task, factors, engine = wanted
    chosen = choose(sweep, device, engine)
    stack = pack(sweep, getattr(torch, e.dtype), device, width_for(sweep, chosen))
    kept = recorded_steps(e.steps, records)
    start = initial_state(sweep, stack, device, task)
    run = {"stack": run_stack, "graph": run_graph, "fused": run_fused}[chosen]
    history = run(sweep, stack, start, Statistics(task, e, start), kept)
    return _record(sweep, task, device, chosen, kept, history, stack, factors)


def initial_state(sweep: Sweep, stack: Stack, device: str, task: Task) -> Tensor:
    """The flat state at step 0; equal starts are drawn once."""
    e = sweep[0]
    first: dict[tuple[object, ...], int] = {}
    drawn: list[tuple[np.ndarray, np.ndarray]] = [(np.zeros((1, e.d_in)), np.zeros((1, e.d_out)))]  # nobody's row
    count, begins = 1, []
    for x in sweep.experiments:
        key = x.init, x.rank, x.init_seed, x.init_scale, STARTS[x.init].cheats and x.scaling
        if key not in first:
            first[key] = count
            a, b = initial_factors(x, task)
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


@one_thread()
def autograd_check(run: Run, adapter: int = 0) -> GradientCheck:
    """Autograd's gradients beside the formulas', at every recorded step: on the samples, in float64."""
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
    by_formula = run.factored(adapter).gradients(G)
    return GradientCheck(
        run.steps,
        *(np.sqrt(np.sum(g**2, axis=(1, 2))) for g in (*by_autograd, *by_formula)),
        *(np.abs(p - q).max(axis=(1, 2)) for p, q in zip(by_autograd, by_formula, strict=True)),
    )
