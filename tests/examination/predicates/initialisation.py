"""Initialisation: each claim computed from the runs, the sizes or the first steps behind it."""

from __future__ import annotations

from typing import Any

import numpy as np

from lora_viz.lessons.lesson import Played
from lora_viz.lessons.training import init_ab, init_alignment, init_race, init_size
from tests.examination.predicates.registry import claim_of
from tests.examination.predicates.training import middle


@claim_of("init_race")
def random_factors_raise_the_loss_but_briefly(played: Played[Any]) -> bool | None:
    """Losses of every seed, sorted: of both random against B = 0, whose first loss is the base model's."""
    e = played.settings.experiment
    run = played.lab.train(init_race.race_sweep(e), "cpu", records=61)
    losses: dict[str, list[np.ndarray]] = {}
    for i, x in enumerate(run.sweep.experiments):
        losses.setdefault(x.init, []).append(run.loss[:, i].astype(float))
    random = losses.get("both_random") or losses["both_random_small"]
    theirs, own = ([middle([float(v) for v in at]) for at in np.transpose(x)] for x in (random, losses["B_zero"]))
    if e.optimizer != "sgd":
        return False
    if not np.isfinite([theirs[-1], own[-1]]).all():
        return None
    if theirs[0] <= 1.005 * own[0]:
        return False
    caught = [int(step) for step, a, b in zip(run.steps, theirs, own, strict=True) if a <= 1.005 * b]
    return bool(caught and caught[0] <= run.steps[-1] / 4)


@claim_of("init_size")
def variance_of_a_product(played: Played[Any]) -> bool:
    """Variances and slopes by hand, from the root mean squares of every seed."""
    sigma = float(played.settings["sigma"])
    sizes = played.lab.compute(
        init_size.start_sizes, played.settings.experiment, ranks=init_size.RANKS, inits=tuple(init_size.STARTS),
        sigma=sigma,
    )  # fmt: skip
    r = sizes.ranks.astype(float)
    median = np.array([middle([float(v) for v in row]) for row in sizes.rms])
    near = np.abs(median**2 / (r * sigma**4) - 1).max() <= 0.2

    def slope(power: float) -> float:
        return float(np.polyfit(np.log(r), np.log(median * r**power), 1)[0])

    return bool(near and abs(slope(-0.5)) < 0.1 and slope(-1) < -0.1)


@claim_of("init_ab")
def the_scale_matters(played: Played[Any]) -> bool | None:
    """Of each start in the narrowest and the widest layer: the least median over the rates, at the last step."""
    best: dict[str, list[float]] = {}
    for run in played.lab.train_each(init_ab.ab_sweeps(played.settings.experiment), "cpu", records=11):
        found: dict[str, dict[float, list[float]]] = {}
        for i, x in enumerate(run.sweep.experiments):
            found.setdefault(x.init, {}).setdefault(x.lr, []).append(float(run.loss[-1, i]))
        for init, rates in found.items():
            medians = [middle(losses) for losses in rates.values()]
            best.setdefault(init, []).append(min((m for m in medians if m == m), default=np.inf))
    a, b, small = (best[init] for init in ("B_zero", "A_zero", "A_zero_small"))
    ends = [a[0], a[-1], b[0], b[-1], small[-1]]
    if not np.isfinite([*ends, small[0]]).all() or not all(ends):
        return None
    worse = b[-1] > 2 * a[-1] and b[-1] / a[-1] > 1.1 * b[0] / a[0]
    return bool(worse and 0.5 * a[-1] <= small[-1] <= 2 * a[-1])


@claim_of("init_alignment")
def as_far_as_rank_allows(played: Played[Any]) -> bool | None:
    """Cosines of the dense first updates with the gradient of the data, against the gradient's own truncations."""
    e = played.settings.experiment
    run = played.lab.train(init_alignment.alignment_sweep(e, init_alignment.RANKS), "cpu", records=2)
    G = -(run.task.residuals.T @ run.task.inputs) / len(run.task.inputs)
    sigma = np.linalg.svd(G, compute_uv=False)

    def most(rank: int) -> float:
        return float(np.linalg.norm(sigma[:rank]) / np.linalg.norm(sigma))

    random, reached = [], []
    for i, x in enumerate(run.sweep.experiments):
        before, after = run.delta_weight(i).astype(float)
        step = after - before
        if not step.any() or not np.isfinite(step).all():
            return None
        cosine = -float(np.sum(step * G) / (np.linalg.norm(step) * np.linalg.norm(G)))
        if x.init == "B_zero" and x.rank == 8:
            random.append(cosine / most(8))
        if x.init == "lora_ga":
            reached.append(cosine / most(2 * x.rank))
    return bool(e.optimizer == "sgd" and middle(random) < 0.9 and min(reached) > 0.99)
