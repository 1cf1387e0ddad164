"""The section Reference: each claim computed from runs of its own."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from peft import LoraConfig, get_peft_model
from torch import nn

from lora_viz.core.experiment import Sweep
from lora_viz.costs.parameters import PARAMETERS
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


@claim_of("config_card")
def only_s_counts(played: Played[Any]) -> bool:
    """From the file that PEFT would read: four times the rank, and the α that keeps α/r or α/√r."""
    told = json.loads(played.record.config.as_json())
    power = 0.5 if told["use_rslora"] else 1.0
    s = told["lora_alpha"] / told["r"] ** power
    kept = 4**power * told["lora_alpha"] / (4 * told["r"]) ** power
    changed = told["lora_alpha"] / (4 * told["r"]) ** power
    return bool(np.isclose(kept, s, rtol=1e-12) and not np.isclose(changed, s) and len(PARAMETERS) == 8)


@claim_of("transformer")
def modules_while_training_gone_when_merged(played: Played[Any]) -> bool:
    """PEFT itself, on a small network: factors appear as modules, and merging leaves the modules that were there."""
    assert played.record.targets
    before, adapted, merged = peft_modules()
    return any("lora_A" in name for name in adapted) and merged == before


@cache
def peft_modules() -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The modules of two linear layers before, with PEFT's LoRA, and after merging."""
    network = nn.Sequential(nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 3))
    before = tuple(name for name, _ in network.named_modules())
    adapted = get_peft_model(network, LoraConfig(r=2, target_modules=["0", "2"]))
    inside = tuple(name for name, _ in adapted.named_modules())
    merged = adapted.merge_and_unload()
    return before, inside, tuple(name for name, _ in merged.named_modules())
