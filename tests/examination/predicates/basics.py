"""The section Basics: each claim computed from the run itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from lora_viz.core.experiment import Sweep
from lora_viz.core.run import Run
from lora_viz.lessons.basics.rank import SWEPT
from lora_viz.lessons.lesson import Played
from tests.examination.predicates.registry import claim_of


def the_run(played: Played[Any], **options: Any) -> Run:
    """The run behind a lesson that trains one adapter, every step of it kept."""
    e = played.settings.experiment
    return played.lab.train(Sweep((e,)), "cpu", records=e.steps + 1, **options)


@claim_of("gradient_flow")
def b_first_and_alone(played: Played[Any]) -> bool | None:
    """Read off the factors alone: B is 0, A is not, and at the first step that changes B, A is as it was."""
    run = the_run(played)
    A, B = run.A[0], run.B[0]
    if B[0].any() or not A[0].any():
        return False
    changed = [t for t in range(len(B)) if np.isfinite(run.loss[t, 0]) and (B[t] != B[0]).any()]
    if not changed:
        return None
    return bool(np.array_equal(A[changed[0]], A[0]))


@claim_of("bottleneck")
def nothing_leaves_col_b(played: Played[Any]) -> bool | None:
    """The last update as a dense matrix: its columns lie in the span of B's, and it maps A's kernel to 0."""
    e = played.settings.experiment
    run = played.lab.train(Sweep((e,)), "cpu")
    last = run.last()
    A, B = run.A[0][last].astype(float), run.B[0][last].astype(float)
    delta = e.scaling * B @ A
    if not delta.any() or e.rank >= max(e.d_in, e.d_out):
        return None
    rest = delta - B @ np.linalg.lstsq(B, delta, rcond=None)[0]
    kernel = np.eye(e.d_in) - A.T @ np.linalg.lstsq(A.T, np.eye(e.d_in), rcond=None)[0]
    size = np.abs(delta).max()
    return bool(np.abs(rest).max() < 1e-5 * size and np.abs(delta @ kernel).max() < 1e-5 * size)


@claim_of("rank")
def a_floor_known_before_training(played: Played[Any]) -> bool | None:
    """Losses, not errors: none ends below that of the best update of its rank; then the clean loss by rank."""
    e = played.settings.experiment
    run = played.lab.train(Sweep.over(replace(e, rank=1), rank=SWEPT, init_seed=range(5)), "cpu", records=2)
    task = run.task
    X, T = task.inputs, task.residuals
    fit = np.linalg.lstsq(X, T, rcond=None)[0]
    sigma = np.linalg.svd(X @ fit, compute_uv=False)
    unexplained = np.sum((T - X @ fit) ** 2)
    ended: dict[int, list[tuple[float, float]]] = {}
    for i, own in enumerate(run.sweep.experiments):
        if run.diverged_at[i] < 0:
            delta = run.delta_weight(i)[-1].astype(float)
            missed = float(np.sum((T - X @ delta.T) ** 2) - unexplained)
            clean = float(np.sum((X @ (delta - task.target_delta).T) ** 2))
            ended.setdefault(own.rank, []).append((missed, clean))
    if not ended:
        return None
    whole = float(np.sum(sigma**2)) or 1.0
    for rank, found in ended.items():
        floor = float(np.sum(sigma[rank:] ** 2))
        if np.sqrt(max(0.0, min(m for m, _ in found)) / whole) < np.sqrt(floor / whole) * (1 - 1e-6) - 1e-5:
            return False
    clean_of = {rank: float(np.median(np.sqrt([c for _, c in found]))) for rank, found in ended.items()}
    own_rank = min((rank for rank in ended if rank >= e.true_rank), default=None)
    above = [clean_of[rank] for rank in ended if rank > e.true_rank]
    if own_rank is None or not above:
        return True
    size = float(np.linalg.norm(X @ task.target_delta.T)) or 1.0
    return not (min(above) < 0.98 * clean_of[own_rank] and clean_of[own_rank] > 1e-6 * size)


@claim_of("merge")
def merged_is_the_same_but_for_rounding(played: Played[Any]) -> bool | None:
    """Merge by hand: in float64 the two paths agree, and torch's own bfloat16 sum loses an update of 1e-5 of W."""
    e = played.settings.experiment
    run = played.lab.train(Sweep((e,)), "cpu", records=2)
    last = run.last()
    A, B = run.A[0][last].astype(float), run.B[0][last].astype(float)
    W, x = run.task.base_weight, run.task.inputs
    delta = e.scaling * B @ A
    if not delta.any():
        return None
    delta *= 1e-5 * np.linalg.norm(W) / np.linalg.norm(delta)
    apart, merged = x @ W.T + x @ delta.T, x @ (W + delta).T
    same = np.linalg.norm(apart - merged) < 1e-12 * np.linalg.norm(apart)
    narrow = torch.tensor(W).bfloat16()
    moved = (narrow + torch.tensor(delta).bfloat16()) != narrow
    return bool(same and moved.double().mean() < 0.1)
