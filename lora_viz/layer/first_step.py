"""The size of the very first update, in closed form from G, A₀ and s, for many ranks, starts and rules at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from lora_viz.core.experiment import CHOICES, Experiment, ExperimentError
from lora_viz.core.run import FirstUpdates
from lora_viz.i18n.language import say
from lora_viz.layer.starts import initial_factors
from lora_viz.layer.tasks import make_task

__all__ = ["first_updates"]


def first_updates(e: Experiment, *, ranks: Iterable[int], inits: Iterable[str], seeds: int = 8) -> FirstUpdates:
    """The first update of SGD and Adam from each of these starts with B = 0, at each rank, under each scaling rule.

    With B₀ = 0 only B moves: B₁ = −η·u with u = s·G A₀ᵀ for SGD and its sign for Adam (ε = 0), and ΔW₁ = s·B₁A₀. No
    (d_out, d_in) product is formed: ‖u A₀‖² is the inner product of uᵀu and A₀A₀ᵀ. Raises ExperimentError for a start
    whose B is not 0.
    """
    task = make_task(e)
    G = -task.cross_covariance  # at ΔW = 0
    size_G = float(np.linalg.norm(G)) or 1.0
    ranks, inits, rules = tuple(ranks), tuple(inits), CHOICES["scaling_rule"]
    shape = (len(inits), len(rules), len(ranks), seeds)
    progress, size = np.empty((2, *shape)), np.empty((2, *shape))
    grad_B = np.empty(shape)
    for i, init in enumerate(inits):
        for j, rank in enumerate(ranks):
            own = replace(e, init=init, rank=rank)
            s = np.array([replace(own, scaling_rule=rule).scaling for rule in rules])
            for k in range(seeds):
                a, b = initial_factors(replace(own, init_seed=e.init_seed + k), task)
                if b.any():
                    raise ExperimentError(
                        say("init={init} starts with B ≠ 0. An initialisation with B = 0 is needed.", init=init)
                    )
                shadow, gram = G @ a.T, a @ a.T  # ∇B = s·shadow
                grad_B[i, :, j, k] = s * np.linalg.norm(shadow)
                for o, (u, power) in enumerate(((shadow, s**2), (np.sign(shadow), s))):
                    progress[o, i, :, j, k] = e.lr * power * np.sum(u * shadow) / size_G
                    size[o, i, :, j, k] = e.lr * power * np.sqrt(np.sum((u.T @ u) * gram))
    return FirstUpdates(
        optimizers=("sgd", "adam"),
        inits=inits,
        rules=rules,
        ranks=np.array(ranks),
        progress=progress,
        size=size,
        grad_B=grad_B,
    )
