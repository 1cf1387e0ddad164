"""The section Real models and files: claims computed from the files and shapes themselves."""

from __future__ import annotations

from typing import Any

import numpy as np

from lora_viz.lessons.lesson import Played
from tests.examination.predicates.registry import claim_of


@claim_of("cost")
def one_percent_ends_at_d_over_200(played: Played[Any]) -> bool:
    """Multiplications by hand: 2 of 3 products stay, and each factor adds three of its own."""
    d_out, d_in = (int(side) for side in played.settings["layer"].split("×"))
    if d_out != d_in:
        return False
    ranks = [int(r) for r in played.table["rank"]]
    cheap = [r for r in ranks if 100 * r * (d_out + d_in) < d_out * d_in]
    work = [(2 * d_out * d_in + 3 * r * (d_out + d_in)) / (3 * d_out * d_in) for r in ranks]
    return cheap == [r for r in ranks if 200 * r < d_in] and min(work) >= 2 / 3


@claim_of("two_adapters")
def ranks_of_a_sum_are_at_most_the_sum(played: Played[Any]) -> bool | None:
    """From the table, module by module."""
    t = played.table
    known = np.isfinite(t["overlap_inputs"]) & np.isfinite(t["overlap_outputs"])
    if not known.any():
        return None
    return bool((t["numerical_rank_of_sum"] <= t["rank_1"] + t["rank_2"])[known].all())
