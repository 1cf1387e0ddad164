"""The section Start: each claim computed from the run, or from the numbers that are worked out."""

from __future__ import annotations

from typing import Any

import numpy as np

from lora_viz.core.experiment import Sweep
from lora_viz.core.run import Run
from lora_viz.layer.worked import PRINTED, PRINTED_STEP, parse_matrix
from lora_viz.lessons.lesson import Played
from lora_viz.lessons.start import challenges, follow
from tests.examination.predicates.basics import the_run
from tests.examination.predicates.registry import claim_of


@claim_of("machine")
def the_side_path_learns(played: Played[Any]) -> bool | None:
    """The loss of the dense update over all samples, before and after, with the frozen weight as it was drawn."""
    run = the_run(played)
    if run.diverged_at[0] >= 0:
        return None
    x, missing = run.task.inputs, run.task.residuals
    first, last = (
        float(np.sum((missing - x @ run.delta_weight()[t].astype(float).T) ** 2)) for t in (0, len(run.steps) - 1)
    )
    if not first:
        return None
    assert played.record.W.shape == run.task.base_weight.shape and (run.task.base_weight == played.record.W).all()
    return last < 0.5 * first


@claim_of("follow")
def nothing_for_a_while_b_is_zero(played: Played[Any]) -> bool | None:
    """∂L/∂A by finite differences of the loss, from the matrices as they are written."""
    name = played.settings["example"]
    W, A, B, X, T = (parse_matrix(played.settings[f"{name}_{called}"], called) for called in follow.FIELDS)
    s, rows = played.settings[f"{name}_s"], follow.EXAMPLES[name].rows
    n = X.shape[0] if rows else X.shape[1]

    def loss(a: np.ndarray) -> float:
        effective = W + s * B @ a
        y = X @ effective if rows else effective @ X
        return float(np.sum((y - T) ** 2) / (2 * n))

    moved = []
    for i, j in np.ndindex(*A.shape):
        up, down = A.copy(), A.copy()
        up[i, j] += 1e-3
        down[i, j] -= 1e-3
        moved.append(loss(up) != loss(down))
    if B.any():
        return False if any(moved) else None
    return not any(moved)


@claim_of("mistake")
def some_printed_numbers_are_wrong(played: Played[Any]) -> bool | None:
    """One step of y = x (W + B A) by hand, against the print."""
    if not played.settings["reveal"]:
        return None
    x, W, A, B, t, eta = PRINTED.X, PRINTED.W, PRINTED.A, PRINTED.B, PRINTED.T, 0.1
    g = x @ (W + B @ A) - t
    grad_A, grad_B = (x @ B).T @ g, x.T @ (g @ A.T)
    new_A, new_B = A - eta * grad_A, B - eta * grad_B
    right = {"∇A": grad_A, "∇B": grad_B, "A new": new_A, "B new": new_B, "W_eff new": W + new_B @ new_A}
    name = played.settings["matrix"]
    return bool(np.abs(right[name] - PRINTED_STEP[name]).max() > 0.0051)


@claim_of("challenges")
def the_goal_is_reached(played: Played[Any]) -> bool:
    """Every goal in its own words, measured again on a run of its own."""
    e, key = challenges.experiment(played.settings), challenges.KEYS[played.settings["challenge"] - 1]
    run: Run = played.lab.train(Sweep((e,)), "cpu", records=e.steps + 1)
    left, alive = float(run.loss[-1, 0] / run.loss[0, 0]), run.diverged_at[0] < 0
    still = all(np.array_equal(a, run.A[0][0]) for a in run.A[0][: run.last() + 1])
    delta, target = run.delta_weight()[run.last()].astype(float), run.task.target_delta
    sigma = np.linalg.svd(delta, compute_uv=False)
    match key:
        case "few":
            return bool(run.loss[-1, 0] < 0.01 and e.rank * (e.d_in + e.d_out) <= 200)
        case "bf16":
            W = run.task.base_weight
            return bool(alive and delta.any() and _unchanged(W, delta) >= 0.9)
        case "still":
            return still and e.frozen == "none"
        case "still_learning":
            return still and bool(float(run.loss[run.last(), 0] / run.loss[0, 0]) < 0.25)
        case "diverge":
            return not alive and e.lr <= 0.05
        case "rank_one":
            return bool(e.rank == 8 and np.sum(sigma > 1e-6 * sigma[0]) == 1) if sigma[0] else False
        case "clean":
            return bool(np.linalg.norm(delta - target) < 0.25 * np.linalg.norm(target))
    return bool(left < 0.1 and e.rank == 24 and e.lr == 0.005)


def _unchanged(W: np.ndarray, delta: np.ndarray) -> float:
    import torch

    narrow = torch.tensor(W).bfloat16()
    return float(((narrow + torch.tensor(delta).bfloat16()) == narrow).double().mean())
