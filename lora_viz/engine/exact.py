"""The best that adapters can reach: alternating least squares, without a learning rate."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lora_viz.core.experiment import ExperimentError, Sweep
from lora_viz.core.factored import FactoredMatrix
from lora_viz.core.run import Run, Task
from lora_viz.core.spectra import covariance_root, least_squares
from lora_viz.engine.readout import losses
from lora_viz.engine.threads import one_thread
from lora_viz.i18n.language import say
from lora_viz.layer.starts import STARTS, initial_factors
from lora_viz.layer.tasks import make_task
from lora_viz.layer.variants import is_plain, resolved

__all__ = ["solve"]


@one_thread()
@torch.inference_mode()
def solve(sweep: Sweep, *, iterations: int = 40) -> Run:
    """The factors that minimise the loss. Every recorded step solves for B given A, then for A given B, each exactly.

    With whitened inputs that is orthogonal iteration (Golub & Van Loan 2013, §8.2.4) on MᵀM, M the least-squares
    update: the excess shrinks by (σ_{r+1}/σ_r)⁴ a step. A keeps orthonormal rows there, so that nothing is inverted.
    It starts from the adapter's own A, or from Bᵀ M where A is 0. Gradient norms are NaN: none was formed.
    Raises ExperimentError for minibatches, a frozen factor, s = 0, factors that are both 0, and whatever is not s·B A
    over the base weight as it was.
    """
    sweep = resolved(sweep)
    task = make_task(sweep[0])
    for e in sweep.experiments:
        for wrong, said in (
            (e.batch != 0, say("batch={batch} has no exact solution. Valid values: 0, all samples.", batch=e.batch)),
            (e.frozen != "none", say("frozen={frozen} has one factor left. Valid values: none.", frozen=e.frozen)),
            (
                not is_plain(e),
                say(
                    "variant={variant} is not a plain s·B A over the frozen weight: that alone is solved.",
                    variant=e.variant,
                ),
            ),
            (
                STARTS[e.init].moves_base,
                say("init={init} moves the base weight. Valid values: starts that leave it.", init=e.init),
            ),
            (
                e.scaling == 0,
                say("alpha={alpha:g} switches the adapter off. Valid values: more than 0.", alpha=e.alpha),
            ),
            (e.init == "both_zero", say("init=both_zero gives no direction to start from: one factor must not be 0.")),
        ):
            if wrong:
                raise ExperimentError(said)
    best, _ = least_squares(task)
    root = torch.tensor(covariance_root(task))
    wanted = torch.tensor(best) @ root
    back = torch.linalg.pinv(root, hermitian=True)
    A: dict[int, np.ndarray] = {}
    B: dict[int, np.ndarray] = {}
    for rank in sorted({e.rank for e in sweep.experiments}):
        members = [i for i, e in enumerate(sweep.experiments) if e.rank == rank]
        bases = _iterate(_rows(sweep, members, root, wanted), wanted, iterations)
        scaling = torch.tensor([sweep[i].scaling for i in members], dtype=torch.float64)[:, None, None]
        to_A, to_B = (bases @ back).numpy(), (wanted @ bases.transpose(-1, -2) / scaling).numpy()
        for j, i in enumerate(members):
            A[i], B[i] = to_A[:, j].copy(), to_B[:, j].copy()
            A[i].flags.writeable = B[i].flags.writeable = False
    return _as_run(sweep, task, A, B)


def _rows(sweep: Sweep, members: list[int], root: Tensor, wanted: Tensor) -> Tensor:
    """(n, r, d_in): whitened rows to start from."""
    rows = []
    for i in members:
        a, b = (torch.from_numpy(np.ascontiguousarray(factor)) for factor in initial_factors(sweep[i]))
        rows.append(a @ root if a.any() else b.T @ wanted)
    return torch.stack(rows)


def _iterate(rows: Tensor, wanted: Tensor, iterations: int) -> Tensor:
    """(T, n, r, d_in): an orthonormal basis of the row space at the start and after each iteration."""
    small = wanted.T @ wanted if wanted.shape[0] >= wanted.shape[1] else None
    history = rows.new_empty(iterations + 1, *rows.shape)
    for k in range(iterations + 1):
        history[k] = rows = torch.linalg.qr(rows.transpose(1, 2))[0].transpose(1, 2)
        rows = rows @ small if small is not None else (rows @ wanted.T) @ wanted
    return history


def _as_run(sweep: Sweep, task: Task, A: dict[int, np.ndarray], B: dict[int, np.ndarray]) -> Run:
    count = len(A[0])
    nothing = np.full((count, len(sweep)), np.nan)
    loss = [losses(task, FactoredMatrix(A[i], B[i], sweep[i].scaling)) for i in range(len(sweep))]
    return Run(
        sweep=sweep,
        task=task,
        steps=np.arange(count),
        loss=np.stack(loss, axis=1),
        grad_A_norm=nothing,
        grad_B_norm=nothing,
        A=tuple(A[i] for i in range(len(sweep))),
        B=tuple(B[i] for i in range(len(sweep))),
        diverged_at=np.full(len(sweep), -1),
        device="cpu",
        engine="exact",
    )
