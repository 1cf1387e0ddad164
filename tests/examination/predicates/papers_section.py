"""Lessons on single papers: each claim computed from the runs or the matrices behind it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from lora_viz.lessons.lesson import Played
from tests.examination.predicates.registry import claim_of


@claim_of("asymmetry")
def the_inputs_decide_which_factor_to_freeze(played: Played[Any]) -> bool:
    """From the table of medians: alike in the first row of a square layer, and ever more in favour of B."""
    e, t = played.settings.experiment, played.table
    rank = played.record.ranks[played.record.start]
    own = t["rank"] == rank
    b, a = t["train_B_median"][own], t["train_A_median"][own]
    if e.d_in != e.d_out or abs(b[0] - a[0]) > 0.05 * max(a[0], 1e-12):
        return False
    return bool(
        b[-1] < a[-1] and all(now - before < 1e-3 for before, now in zip((b - a)[:-1], (b - a)[1:], strict=True))
    )


@claim_of("capacity")
def about_one_bit_per_parameter(played: Played[Any]) -> bool:
    """Entropies by hand, of this training and of the measured grid where its scale does not end."""
    r = played.record

    def bits(right: np.ndarray, n: np.ndarray) -> float:
        p = np.clip(right, 1e-15, 1 - 1e-15)
        known = n * (1 + p * np.log2(p) + (1 - p) * np.log2(1 - p))
        return float(np.max(known[right >= 0.5], initial=0.0))

    if not 0.5 <= bits(r.live[-1], r.samples) / r.parameters <= 1.5:
        return False
    free = [i for i in range(len(r.ranks)) if not r.measured[1, i, -1] >= 0.99]
    known = [r.measured_bits[1, i] for i in free]
    return all(1 < after / before < 3 for before, after in pairwise(known))


@claim_of("intruders")
def a_spike_becomes_a_direction_like_any_random_one(played: Played[Any]) -> bool | None:
    """Counts and cosines by size, from the table alone."""
    r, t = played.record, played.table
    if np.sqrt(2 * np.log(r.d) / r.d) > r.epsilon:
        return None
    has = t["intruders_median"] >= 1
    lasting = has[-1] and not has.all()
    return bool(lasting and t["closest_median"][-1] <= r.random.max())


@claim_of("large_batch")
def few_steps_cost_a_small_rank_more(played: Played[Any]) -> bool | None:
    """Medians over the seeds of each seed's least error over full fine-tuning's, by sorting."""
    least = np.sort(played.record.raced.error, axis=3)[..., 0]
    with np.errstate(invalid="ignore"):
        ratio = np.median(least / least[:, :1], axis=0)
    first, last, whole = ratio[1, 0], ratio[1, -1], ratio[-1, -1]
    if not np.isfinite([first, last, whole]).all():
        return None
    return bool(last > 1.2 and last > 1.2 * first and whole < 1.2)


@claim_of("width")
def the_ratio_of_best_rates_grows(played: Played[Any]) -> bool | None:
    """Seed by seed from the losses: the best of each method at both ends, and whether the grid holds it."""
    own = played.record.raced
    i, grew, edge = min(2, len(own.racers) - 1), 0, 0
    for errors in own.error:
        best = {(k, at): int(errors[k, at].argmin()) for k in (0, i) for at in (0, -1)}
        edge += any(place in (0, len(own.lr) - 1) for place in best.values())
        ratio = {at: own.lr[best[i, at]] / own.lr[best[0, at]] for at in (0, -1)}
        grew += ratio[-1] > 1.01 * ratio[0]
    return None if edge > own.seeds / 4 else grew > 0.75 * own.seeds
