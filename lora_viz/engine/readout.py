"""Losses and gradient norms of recorded factors, of a whole stack at once, in float64."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lora_viz.core.experiment import Sweep
from lora_viz.core.factored import FactoredMatrix
from lora_viz.core.run import Task
from lora_viz.core.spectra import covariance_root, least_squares
from lora_viz.engine.history import History
from lora_viz.engine.stack import Stack

__all__ = ["losses", "losses_of_update", "read_out"]

CHUNK = 4_000_000  # entries of ΔW at a time: they stay in the cache of a CPU and fill a GPU


def losses(task: Task, factored: FactoredMatrix) -> Float[np.ndarray, "T"]:
    """L = 1/(2n)Σ‖y − t‖² over all samples, read out in float64 and without cancellation.

    L = L_least + ½‖(ΔW − M) C^½‖² with C = XᵀX/n and M the least-squares update: a sum of squares near the minimum too.
    """
    return losses_of_update(task, factored.in_float64().dense())


def losses_of_update(task: Task, delta: Float[np.ndarray, "T d_out d_in"]) -> Float[np.ndarray, "T"]:
    """The same for any update ΔW."""
    best, least = least_squares(task)
    missing = (delta - best) @ covariance_root(task)
    return least + 0.5 * np.einsum("tij,tij->t", missing, missing)


def read_out(
    history: History, stack: Stack, sweep: Sweep, task: Task
) -> tuple[Float[np.ndarray, "T N"], Float[np.ndarray, "two T N"]]:
    """The loss of every recorded state, as ``losses`` has it, and the norms of ∇A and ∇B. Where the states lie."""
    states = history.states
    T, split = len(states), stack.total * sweep[0].d_in
    all_A, all_Bt = states[:, :split].view(T, stack.total, -1), states[:, split:].view(T, stack.total, -1)
    best, least = least_squares(task)
    root = covariance_root(task)
    wanted = torch.tensor(best @ root, device=states.device)
    stretch = None if (root == np.eye(len(root))).all() else torch.tensor(root, device=states.device)
    loss = torch.empty(T, len(sweep), dtype=torch.float64, device=states.device)
    norms = torch.empty(2, T, len(sweep), dtype=torch.float64, device=states.device)
    ranks = np.array([e.rank for e in sweep.experiments])
    starts = np.array([own.start for own in stack.rows])
    scaling = torch.tensor([e.scaling for e in sweep.experiments], device=states.device, dtype=torch.float64)
    at_once = max(1, CHUNK // (T * wanted.numel()) * (16 if states.is_cuda else 1))
    for rank in np.unique(ranks).tolist():
        equal = np.flatnonzero(ranks == rank)
        for few in np.array_split(equal, -(-len(equal) // at_once)):
            i = torch.from_numpy(few).to(states.device)
            rows = torch.from_numpy((starts[few, None] + np.arange(rank)).ravel()).to(states.device)
            loss[:, i] = _of(all_A[:, rows], all_Bt[:, rows], scaling[i], rank, wanted, stretch)
            norms[:, :, i] = history.norms[:, :, rows].double().square().view(2, T, len(few), rank).sum(-1).sqrt()
    return (loss.mul_(0.5).add_(least)).cpu().numpy(), norms.cpu().numpy()


def _of(A: Tensor, Bt: Tensor, scaling: Tensor, rank: int, wanted: Tensor, stretch: Tensor | None) -> Tensor:
    """(T, n): ‖(ΔW − M) C^½‖² of n adapters of one rank, their rows lying one after the other."""
    T, n = len(A), len(scaling)
    a = A.double() if stretch is None else A.double() @ stretch
    b = Bt.double().view(T, n, rank, -1) * scaling[:, None, None]
    missing = torch.bmm(b.view(T * n, rank, -1).transpose(1, 2), a.view(T * n, rank, -1))
    missing -= wanted
    return missing.view(T * n, -1).square_().sum(1).view(T, n)
