"""The section Reference: each claim computed from runs of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from lora_viz.core.experiment import Sweep
from lora_viz.lessons.lesson import Played
from lora_viz.lessons.reference.choosing import ALPHAS, LR, RANKS
from tests.examination.predicates.registry import claim_of


@claim_of("choosing")
def the_best_rate_falls_as_alpha_grows(played: Played[Any]) -> bool | None:
    """Each rank alone, at the smallest and the largest α: the rate of least loss; None where most lie at an end."""
    e = played.settings.experiment
    at_an_end, fell = 0, []
    for rank in RANKS:
        best = []
        for alpha in ALPHAS:
            run = played.lab.train(Sweep(tuple(replace(e, alpha=alpha, rank=rank, lr=lr) for lr in LR)), records=2)
            left = np.where(np.isfinite(run.loss[-1]), run.loss[-1], np.inf)
            best.append(int(left.argmin()))
        at_an_end += sum(at in (0, len(LR) - 1) for at in best)
        fell.append(best[0] > best[-1])
    return None if at_an_end > len(ALPHAS) else all(fell)
