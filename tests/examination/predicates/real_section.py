"""The section Real models and files: claims computed from the files and shapes themselves."""

from __future__ import annotations

from typing import Any

import numpy as np

from lora_viz.lessons.lesson import Played
from tests.examination.predicates.registry import claim_of


@claim_of("cost_layer")
def one_percent_ends_at_d_over_200(played: Played[Any]) -> bool:
    """Multiplications by hand: 2 of 3 products stay, and each factor adds three of its own."""
    d_out, d_in = (int(side) for side in played.settings["layer"].split("×"))
    if d_out != d_in:
        return False
    ranks = [int(r) for r in played.table["rank"]]
    cheap = [r for r in ranks if 100 * r * (d_out + d_in) < d_out * d_in]
    work = [(2 * d_out * d_in + 3 * r * (d_out + d_in)) / (3 * d_out * d_in) for r in ranks]
    return cheap == [r for r in ranks if 200 * r < d_in] and min(work) >= 2 / 3


@claim_of("storage")
def truncated_saves_below_break_even(played: Played[Any]) -> bool:
    """Entries counted by adding up the sizes of the arrays, shape by shape."""
    r = played.record
    m, n = r.shape
    entries = {int(k): m * k + k + k * n for k in r.rank}
    saving = [k for k, count in entries.items() if count < m * n]
    losing = [k for k, count in entries.items() if count >= m * n]
    most = min(m, n)
    split = max(saving, default=0) < m * n / (m + n + 1) <= min(losing, default=most + 1)
    return bool(split and m * most + most + most * n > m * n)


@claim_of("two_adapters")
def ranks_of_a_sum_are_at_most_the_sum(played: Played[Any]) -> bool | None:
    """From the table, module by module."""
    t = played.table
    known = np.isfinite(t["overlap_inputs"]) & np.isfinite(t["overlap_outputs"])
    if not known.any():
        return None
    return bool((t["numerical_rank_of_sum"] <= t["rank_1"] + t["rank_2"])[known].all())
