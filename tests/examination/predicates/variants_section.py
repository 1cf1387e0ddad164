"""The section Variants and quantisation: each claim computed from the runs behind it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from lora_viz.core.experiment import Sweep
from lora_viz.layer.quantise import loftq, nf4
from lora_viz.lessons.lesson import Played
from lora_viz.lessons.variants import quantised_start, requantised, variants
from tests.examination.predicates.registry import claim_of


@claim_of("adalora")
def pruning_finds_the_ranks(played: Played[Any]) -> bool | None:
    """From what each set kept at its end, and what the best of equal ranks would leave of flat or decaying targets."""
    r = played.record
    if r.diverged == r.sets:
        return None
    right = sum(tuple(kept) == (1, 2, 4, 8) for kept in r.ends.tolist())
    leaves = r.equal_floor.max() > 1e-12
    return bool(played.settings["budget"] == 15 and 2 * right > len(r.ends) and leaves)


@claim_of("dora")
def dora_rotates_less(played: Played[Any]) -> bool | None:
    """Angles by arccos of each row with its own, of the trained weights; the median over eight starts."""
    e = played.settings.experiment
    run = played.lab.train(Sweep.over(e, variant=("dora", "lora"), init_seed=range(8)), "cpu", records=61)
    W, target = run.task.base_weight, run.task.base_weight + run.task.target_delta

    def angles(weight: np.ndarray) -> np.ndarray:
        cos = np.sum(weight * W, axis=1) / np.linalg.norm(weight, axis=1) / np.linalg.norm(W, axis=1)
        return np.degrees(np.arccos(np.clip(cos, -1, 1)))

    goal = angles(target)
    found: dict[str, list[float]] = {"dora": [], "lora": []}
    for i, own in enumerate(run.sweep.experiments):
        fine = np.isfinite(run.loss[-1, i])
        last = W + run.delta_weight(i)[-1].astype(float)
        found[own.variant].append(float(np.abs(angles(last) - goal).mean()) if fine else np.inf)
    dora, lora = (np.sort(found[name]) for name in ("dora", "lora"))
    if not np.isfinite([dora[3], dora[4], lora[3], lora[4]]).all():
        return None
    return bool(goal.mean() < 0.05 and (lora[3] + lora[4]) / 2 - (dora[3] + dora[4]) / 2 >= 0.05)


@claim_of("phase_map")
def one_setting_makes_up_for_the_other(played: Played[Any]) -> bool:
    """Cell by cell from what remains: some of each kind, and the lowest good cells fall to the right."""
    left, x, y = played.record.left[-1], played.record.x, played.record.y
    good = [(x[j], y[i]) for i, j in zip(*np.nonzero(left <= 0.01), strict=True)]
    gone = int((~(left <= 2)).sum())
    if not good or not gone or gone + len(good) == left.size:
        return False
    first = min(a for a, _ in good)
    return bool(min(b for a, b in good if a == first) >= 2 * min(b for _, b in good))


@claim_of("quantised_start")
def pissa_wins_where_sigma_decay(played: Played[Any]) -> bool:
    """Eight weights of each kind, rounded anew at rank 8."""
    wins = {}
    for kind in quantised_start.KINDS:
        wins[kind] = 0
        for seed in range(played.settings["seed"], played.settings["seed"] + 8):
            W = quantised_start._weight(seed, kind)
            Q, A, B = loftq(W, 8, 5)
            u, s, vt = np.linalg.svd(W)
            top = (u[:, :8] * s[:8]) @ vt[:8]
            wins[kind] += bool(np.linalg.norm(W - top - nf4(W - top)) < np.linalg.norm(W - Q - B @ A))
    return wins["decaying"] > 4 > wins["gaussian"]


@claim_of("variants")
def none_wins_everywhere(played: Played[Any]) -> bool | None:
    """The losses of the runs themselves, over what least squares leaves, as medians of eight; and the map's cells."""
    e = played.settings.experiment
    run = played.lab.train(variants.variant_sweep(e), "cpu", records=41)
    X, T = run.task.inputs, run.task.residuals
    least = 0.5 * float(np.sum((T - X @ np.linalg.lstsq(X, T, rcond=None)[0]) ** 2)) / len(X)
    whole = 0.5 * float(np.sum(T**2)) / len(X) - least

    def median(name: str) -> float:
        own = [run.loss[-1, i] for i, x in enumerate(run.sweep.experiments) if x.variant == name]
        values = np.sort(np.nan_to_num(np.array(own), nan=np.inf))
        return max(0.0, (float(values[3] + values[4]) / 2 - least) / whole)

    dora, lora, xs = (median(name) for name in ("dora", "lora", "lora_xs"))
    if not np.isfinite([dora, lora, xs]).all():
        return None
    cells = {name: np.median(own, axis=1) for name, own in zip(
        variants.measured()["variants"], np.array(variants.measured()["left"]), strict=True)}  # fmt: skip
    winners = {min(cells, key=lambda name: cells[name][k]) for k in range(5)}
    if len(winners) < 2:
        return False
    if replace(e).task == "row_rescale":
        return dora <= 0.02 and lora > 10 * dora
    return xs <= 0.02 if e.task == "inside_top" else xs >= 0.5


@claim_of("requantised")
def a_small_update_is_rounded_away(played: Played[Any]) -> bool | None:
    """The networks' own accuracies and errors, sorted, in the format shown."""
    _, run = requantised.merged(played.settings, played.lab)
    f = list(requantised.FORMATS).index(played.settings["weight_format"])
    at = min(range(len(run.sizes)), key=lambda t: abs(np.log(run.sizes[t] / 0.01)))
    lost, apart, plain = (float(np.median(x)) for x in (run.lost[at, f], run.apart[f], run.plain))
    if not np.isfinite([lost, apart, plain]).all():
        return None
    return apart >= plain - 0.02 and lost > 0.5
