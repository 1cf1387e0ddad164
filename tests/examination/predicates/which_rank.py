"""Lessons on choosing the rank: each claim computed from tasks drawn and fits made anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from lora_viz.core.experiment import Sweep
from lora_viz.layer.tasks import make_task
from lora_viz.lessons.lesson import Played
from lora_viz.lessons.rank.overlap import HIGH, STARTS, TRUE_RANK
from lora_viz.lessons.training.learns_forgets import HEAD, TAIL
from tests.examination.predicates.registry import claim_of


@claim_of("energy_rule")
def the_rule_counts_noise(played: Played[Any]) -> bool:
    """Ten tasks: truncated by their outputs' principal axes, against the weights' energy with and without noise."""
    e = replace(played.settings.experiment, rank=1)
    if not e.noise:
        return False
    raised = 0
    for seed in (e.seed, *(10 * e.seed + i for i in range(1, 10))):
        task = make_task(replace(e, seed=seed))
        fit = np.linalg.lstsq(task.inputs, task.residuals, rcond=None)[0].T  # (d_out, d_in)
        axes = np.linalg.svd(task.inputs @ fit.T, full_matrices=False)[2]
        whole = np.sum((task.inputs @ task.target_delta.T) ** 2)
        left = [
            np.sum((task.inputs @ (axes[:k].T @ axes[:k] @ fit - task.target_delta).T) ** 2) / whole
            for k in range(1, len(axes) + 1)
        ]
        need = next(k for k, error in enumerate(left, 1) if error <= left[-1] + 0.05 + 1e-9)

        def rule(matrix: np.ndarray) -> int:
            energy = np.cumsum(np.linalg.svd(matrix, compute_uv=False) ** 2)
            return 1 + int(np.flatnonzero(energy >= 0.95 * energy[-1] * (1 - 1e-12))[0])

        raised += rule(fit) > max(need, rule(task.target_delta))
    return raised > 5


@claim_of("learns_forgets")
def more_rank_forgets_more_and_learns_up_to_four(played: Played[Any]) -> bool:
    """From the table of medians: sizes rise at every rank, the error turns near the four strong directions."""
    table, e = played.table, played.settings.experiment
    assert len(HEAD) == 4 and min(HEAD) > TAIL
    forgets, excess = table["forgets_median"], table["excess_median"]
    turn = int(table["rank"][excess == excess.min()][0])
    return bool(e.noise > 0 and (forgets[1:] > forgets[:-1]).all() and 3 <= turn <= 6)


@claim_of("overfit")
def low_rank_helps_with_few_samples_and_harms_with_many(played: Played[Any]) -> bool:
    """From the record's errors over seeds, as medians of the best ranks of each cell."""
    r = played.record
    if r.noise == 0:
        return False
    few = [i for i, n in enumerate(r.samples) if n <= 2 * played.settings.experiment.d_in]
    never_above = all(r.best[1, t, i] <= truth for t, truth in enumerate(r.truths) for i in few)
    full, many = r.error[1, -1, -1, -1], r.error[1, -1, :-1, -1]
    return bool(never_above and min(many) > full)


@claim_of("overlap")
def strong_is_shared_equal_is_in_no_order(played: Played[Any]) -> bool | None:
    """Cosines between trained A by dense SVDs: of the first direction, and of the target's block of equal ones."""
    e = played.settings.experiment
    e = replace(e, target_rank=TRUE_RANK[e.spectrum])
    run = played.lab.train(Sweep.over(e, rank=(e.rank, HIGH), init_seed=STARTS), "cpu", records=15)
    if (run.diverged_at >= 0).any():
        return None
    found = {
        (x.rank, x.init_seed): np.linalg.svd(run.A[i][-1].astype(float), full_matrices=False)[2]
        for i, x in enumerate(run.sweep.experiments)
    }
    pairs = [(found[e.rank, s], found[HIGH, (s + 1) % len(STARTS)]) for s in STARTS]
    first = [float(low[0] @ high[0]) ** 2 for low, high in pairs]
    sigma = np.linalg.svd(run.task.target_delta, compute_uv=False)
    tied = int(np.isclose(sigma, sigma[0], rtol=1e-9).sum())
    if tied == 1:
        return min(first) > 0.8
    if tied > e.rank:
        return None
    block = [float(np.sum((low[:tied] @ high[:tied].T) ** 2)) / tied for low, high in pairs]
    return bool(max(first) - min(first) >= 0.3 and min(block) > 0.8)
