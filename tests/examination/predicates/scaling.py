"""Scaling and α: each claim computed from the first steps and the runs behind it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from lora_viz.lessons.lesson import Played
from lora_viz.lessons.training import alpha, scaling_first_step, scaling_training
from tests.examination.predicates.registry import claim_of, says_of
from tests.examination.predicates.training import middle


@claim_of("scaling_first_step")
def three_things_decide(played: Played[Any]) -> bool:
    """Slopes of each seed by polynomials; then two combinations that differ in one thing alone, and in freedom."""
    e = played.settings.experiment
    ranks = tuple(r for r in scaling_first_step.RANKS if r <= e.d_in)
    updates = played.lab.compute(
        scaling_first_step.first_updates, e, ranks=ranks, inits=tuple(scaling_first_step.STARTS)
    )
    x = np.log(np.array(ranks, float))
    free = {}
    for o, i, s in product(*map(range, updates.progress.shape[:3])):
        slopes = [float(np.polyfit(x, np.log(seed), 1)[0]) for seed in updates.progress[o, i, s].T]
        free[o, i, s] = abs(middle(slopes)) < 0.1
    return all(
        any(free[a] != free[b] for a in free for b in free if [k for k in range(3) if a[k] != b[k]] == [axis])
        for axis in range(3)
    )


@claim_of("scaling_training")
def a_high_rank_needs_a_larger_rate(played: Played[Any]) -> bool | None:
    """Each seed's own losses by rank, and the rates of the map, by hand."""
    settings = played.settings
    rules, rates = (
        played.lab.train(sweep, "cpu", records=scaling_training.RECORDS) for sweep in scaling_training.sweeps(settings)
    )
    ended: dict[int, list[float]] = {}
    for i, x in enumerate(rules.sweep.experiments):
        if x.scaling_rule == "lora":
            last = float(rules.loss[-1, i])
            ended.setdefault(x.rank, []).append(last if last == last else np.inf)
    medians = {rank: middle(found) for rank, found in ended.items()}
    if not np.isfinite(list(medians.values())).any():
        return None
    top = max(ended)
    seeds = list(zip(*ended.values(), strict=True))
    worse = sum(ended[top][k] > 1.1 * min(seed) for k, seed in enumerate(seeds))
    own = min(medians, key=lambda rank: medians[rank])
    if settings.experiment.optimizer != "sgd" or worse * 2 <= len(seeds) or own == top:
        return False
    if settings.experiment.scaling_rule != "lora":
        return None
    tried: dict[tuple[int, float], list[float]] = {}
    for i, x in enumerate(rates.sweep.experiments):
        tried.setdefault((x.rank, x.lr), []).append(float(rates.loss[-1, i]))

    begun = float(np.nanmin(rules.loss[0])) or 1.0

    def best(rank: int) -> float:
        """The lowest rate that ends as low as any, but for a billionth of the loss at the start: less is rounding."""
        own = {lr: middle(found) / begun for (r, lr), found in tried.items() if r == rank}
        least = min((loss for loss in own.values() if loss == loss), default=np.nan)
        return min((lr for lr, loss in own.items() if loss - least <= 1e-9), default=min(own))

    return best(top) > best(own)


@claim_of("alpha")
def the_same_run_only_with_both_rescaled(played: Played[Any]) -> bool | None:
    """Dense updates of each start's runs, at every step that is finite in both."""
    run = played.lab.train(alpha.identity_sweep(played.settings.experiment), "cpu")
    largest, twins, alone = 0.0, [], []
    if (run.diverged_at[:2] >= 0).any():
        return None
    if run.sweep[0].scaling == 1:
        return None
    for first in range(0, len(run.sweep), 4):
        own, twin, other = (run.delta_weight(first + i).astype(float) for i in range(3))
        fine = [np.isfinite(run.loss[:, first] + run.loss[:, first + i]) for i in range(3)]
        largest = max(largest, float(np.abs(own[fine[0]]).max()))
        twins.append(float(np.abs(twin - own)[fine[1]].max()))
        alone.append(float(np.abs(other - own)[fine[2]].max()))
    if not largest:
        return None
    return max(twins) <= 1e-3 * largest < min(alone)


@says_of("scaling_first_step")
def the_norm_falls_faster(played: Played[Any]) -> Iterator[str]:
    """SGD from Kaiming under α/r, at ranks far below d: the slope of ‖ΔW₁‖ is below that of the useful part."""
    e = played.settings.experiment
    ranks = tuple(r for r in scaling_first_step.RANKS if r <= e.d_in)
    updates = played.lab.compute(
        scaling_first_step.first_updates, e, ranks=ranks, inits=tuple(scaling_first_step.STARTS)
    )
    low = sum(8 * r <= e.d_in for r in ranks)
    x = np.log(np.array(ranks[:low], float))
    useful, norm = (
        middle([float(np.polyfit(x, np.log(seed[:low]), 1)[0]) for seed in values[0, 0, 0].T])
        for values in (updates.progress, updates.size)
    )
    if ("half a power below" in played.maths) != (-0.75 < norm - useful < -0.25):
        yield f"maths: the slope of ‖ΔW₁‖ is {norm - useful:.2f} from that of the useful part"
