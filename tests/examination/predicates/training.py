"""The section Training: each claim computed from the run itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from lora_viz.core.run import Run
from lora_viz.lessons.lesson import Played
from lora_viz.lessons.training import balance, conditioning, race, rank_over_time, saddles, wake_up
from tests.examination.predicates.registry import claim_of


def middle(values: list[float]) -> float:
    """The usual median, ∞ and NaN as the worst: sorted by hand."""
    ordered = sorted(values, key=lambda v: (np.isnan(v), v))
    n = len(ordered)
    return 0.5 * (ordered[(n - 1) // 2] + ordered[n // 2])


def first_step(below: np.ndarray) -> float:
    """The first step at which it is true; ∞ if never."""
    found = np.flatnonzero(below)
    return float(found[0]) if len(found) else np.inf


@claim_of("balance")
def a_drift_proportional_to_eta(played: Played[Any]) -> bool | None:
    """From the factors at the end alone, at the largest and at the smallest η."""
    e = played.settings.experiment
    runs = played.lab.train_each(balance.sweeps(e), "cpu", records=e.steps * 8 + 1)
    ends = []
    for run in runs:
        if (run.diverged_at >= 0).any():
            return None
        drift = []
        for i in range(len(run.sweep)):
            (A0, B0), (A, B) = ((run.A[i][t].astype(float), run.B[i][t].astype(float)) for t in (0, -1))
            before, after = A0 @ A0.T - B0.T @ B0, A @ A.T - B.T @ B
            drift.append(float(np.linalg.norm(after - before) / (np.linalg.norm(before) or 1.0)))
        ends.append(middle(drift))
    if not all(ends):
        return None
    return bool(8**0.8 <= ends[0] / ends[-1] <= 8**1.25)


@claim_of("rank_over_time")
def never_above_the_number_of_samples(played: Played[Any]) -> bool | None:
    """Ranks of the dense updates, of the first seed."""
    sweeps = rank_over_time.sweeps(played.settings)
    above, e = False, played.settings.experiment
    runs = list(played.lab.train_each(sweeps, "cpu", records=81))
    if any((run.diverged_at >= 0).any() for run in runs):
        return None
    for run in runs:
        n = run.experiment.batch or run.experiment.samples
        dense = run.delta_weight(0)
        if dense[0].any():
            return False
        above |= bool((np.linalg.matrix_rank(dense, rtol=1e-6) > n).any())
    if above:
        return False
    return None if e.steps == 0 or e.rank == 1 else True


@claim_of("wake_up")
def zero_then_equal_amounts(played: Played[Any]) -> bool | None:
    """∇A = s·BᵀG from factors and data by hand, over the first two steps."""
    e = played.settings.experiment
    (run,) = played.lab.train_each((wake_up.sweep(e),), "cpu", records=e.steps + 1)
    if (run.diverged_at >= 0).any():
        return None

    def grad_A(i: int, t: int) -> float:
        x, s = run.task.inputs, run.sweep[i].scaling
        G = (run.delta_weight(i)[t] @ x.T - run.task.residuals.T) @ x / len(x)
        return float(np.linalg.norm(s * run.B[i][t].T @ G))

    members = {a: [i for i, x in enumerate(run.sweep.experiments) if x.alpha == a] for a in (e.alpha, 2 * e.alpha)}
    shown = members[e.alpha][0]
    if e.steps < 2 or not any(grad_A(shown, t) for t in (1, 2)):
        return None
    if e.warmup or grad_A(shown, 0) != 0 or abs(grad_A(shown, 2) / grad_A(shown, 1) - 2) > 0.05:
        return False
    if e.optimizer != "sgd":
        return True
    one, two = (middle([grad_A(i, 1) for i in members[a]]) for a in (e.alpha, 2 * e.alpha))
    return bool(abs(two / one - 4) <= 0.4)


@claim_of("race")
def fewer_at_one_rate_more_at_the_best(played: Played[Any]) -> bool | None:
    """Steps counted on the recorded losses of every task, between two records on a log axis."""
    e = played.settings.experiment
    steps: dict[tuple[int, bool], dict[float, list[float]]] = {}
    for run in played.lab.train_each(race.race_sweeps(e), "cpu", records=61):
        for i, x in enumerate(run.sweep.experiments):
            method = (x.rank, x.init == "identity")
            steps.setdefault(method, {}).setdefault(x.lr, []).append(reached(run, i, 0.01))
    full = next(found for (_, is_full), found in steps.items() if is_full)
    lora = [found for (_, is_full), found in steps.items() if not is_full]
    rates = sorted(full)
    common = [lr for lr in rates if all(np.isfinite(middle(found[lr])) for found in (full, *lora))]
    lr = common[0] if common else rates[0]
    at_best = [middle([min(task) for task in zip(*found.values(), strict=True)]) for found in (full, *lora)]
    fastest, best = min(middle(found[lr]) for found in lora), min(at_best[1:])
    if not all(np.isfinite(x) for x in (fastest, middle(full[lr]), best, at_best[0])):
        return None
    return bool(fastest < middle(full[lr]) and (best > at_best[0] or e.optimizer != "sgd"))


def reached(run: Run, i: int, goal: float) -> float:
    """The step at which the loss of one member is first below this part of the first, on a log axis; ∞ if never."""
    loss = run.loss[:, i] / run.loss[0, i] if run.loss[0, i] else run.loss[:, i]
    t = first_step(loss <= goal)
    if not np.isfinite(t) or t == 0:
        return t
    now, before = int(t), int(t) - 1
    if loss[now] <= 0:
        return float(run.steps[now])
    share = np.log(loss[before] / goal) / np.log(loss[before] / loss[now])
    return float(run.steps[before] + share * (run.steps[now] - run.steps[before]))


@claim_of("saddles")
def the_strongest_first(played: Played[Any]) -> bool | None:
    """uᵢᵀ ΔW vᵢ from dense updates: the order of the very small start, and the time from first to last of both."""
    e = played.settings.experiment
    (run,) = played.lab.train_each((saddles.sweep(e),), "cpu", records=saddles.RECORDS)
    if (run.diverged_at >= 0).any():
        return None
    u, sigma, vt = np.linalg.svd(run.task.target_delta)
    k = min(e.rank, max(e.true_rank, 1), 6)
    if k < 2:
        return None
    if (np.diff(sigma[:k]) >= -1e-9).any():
        return False
    medians = {}
    for init in saddles.STARTS:
        times = []
        for i, x in enumerate(run.sweep.experiments):
            if x.init == init:
                along = np.einsum("ok,toi,ki->tk", u[:, :k], run.delta_weight(i), vt[:k])
                times.append([_half(run.steps, along[:, j], sigma[j]) for j in range(k)])
        medians[init] = [middle(list(column)) for column in zip(*times, strict=True)]
    small, default = (np.array(medians[init]) for init in saddles.STARTS)
    if not np.isfinite(np.append(small, default)).all():
        return None
    return bool((np.diff(small) > 0).all() and np.ptp(default) < small[-1] - small[0])


def _half(steps: np.ndarray, along: np.ndarray, sigma: float) -> float:
    """When the missing part of a direction is half of it, read between two records on a log axis."""
    missing = sigma - along
    t = first_step(missing <= sigma / 2)
    if not np.isfinite(t) or t == 0:
        return t
    now, before = int(t), int(t) - 1
    if missing[now] <= 0:
        return float(steps[now])
    share = np.log(missing[before] / (sigma / 2)) / np.log(missing[before] / missing[now])
    return float(steps[before] + share * (steps[now] - steps[before]))


@claim_of("conditioning")
def more_steps_at_every_kappa(played: Played[Any]) -> bool | None:
    """Steps of every member by hand, the better rate chosen by hand: more at each κ, but not for scaled GD."""
    stretched = played.settings["stretched"]
    sweeps = conditioning.stretched_sweeps(played.settings.experiment, stretched)
    medians: dict[str, list[float]] = {}
    for run in played.lab.train_each(sweeps, "cpu", records=conditioning.RECORDS):
        found: dict[tuple[str, float], list[tuple[float, float]]] = {}
        for i, x in enumerate(run.sweep.experiments):
            end = run.loss[-1, i] / run.loss[0, i]
            found.setdefault((x.optimizer, x.lr), []).append((reached(run, i, 1e-8), end if end == end else np.inf))
        for rule in dict.fromkeys(name for name, _ in found):
            tried = [
                (sum(np.isinf(t) for t, _ in own), middle([t for t, _ in own]), middle([end for _, end in own]))
                for (name, _), own in found.items()
                if name == rule
            ]
            medians.setdefault(rule, []).append(min(tried)[1])
    if not all(np.isfinite(found[0]) for found in medians.values()):
        return None
    if stretched != "target":
        return False
    grows = all(
        later >= 0.98 * earlier
        for rule in ("sgd", "adam")
        for earlier, later in zip(medians[rule], medians[rule][1:], strict=False)
    )
    return bool(grows and medians["scaled_gd"][-1] < 1.3 * medians["scaled_gd"][0])
