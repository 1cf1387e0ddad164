"""The size of the factors at the start, and of their product, at many ranks and for many seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from lora_viz.core.experiment import Experiment
from lora_viz.core.run import StartSizes
from lora_viz.layer.starts import initial_factors
from lora_viz.layer.starts.both_random_small import SMALL
from lora_viz.layer.tasks import make_task

__all__ = ["both_random", "start_sizes"]


def both_random(e: Experiment, sigma: float) -> Experiment:
    """The same with entries of standard deviation σ in both factors."""
    return replace(e, init="both_random_small", init_scale=sigma * math.sqrt(3 * e.d_in) / SMALL)


def start_sizes(
    e: Experiment, *, ranks: Iterable[int], inits: Iterable[str], sigma: float, seeds: int = 8
) -> StartSizes:
    """Measure B A with entries of standard deviation σ in both factors, and A under each start.

    The product's start is ``both_random_small`` scaled up. Raises ExperimentError where σ is out of its range.
    """
    task = make_task(e)
    ranks, inits = tuple(ranks), tuple(inits)
    both = both_random(e, sigma)
    energy = float(np.trace(task.input_covariance))
    entries = np.empty((len(ranks), e.d_out * e.d_in))
    rms = np.empty((len(ranks), seeds))
    variance, output = (np.empty((len(inits), len(ranks), seeds)) for _ in range(2))
    for j, rank in enumerate(ranks):
        for k in range(seeds):
            seed = e.init_seed + k
            a, b = initial_factors(replace(both, rank=rank, init_seed=seed), task)
            product = b @ a
            rms[j, k] = np.sqrt(np.mean(product**2))
            if k == 0:
                entries[j] = product.ravel()
            for i, init in enumerate(inits):
                a, _ = initial_factors(replace(e, init=init, rank=rank, init_seed=seed), task)
                variance[i, j, k] = np.mean(a**2)
                output[i, j, k] = np.sum((a @ task.input_covariance) * a) / energy
    return StartSizes(
        ranks=np.array(ranks), inits=inits, sigma=sigma, entries=entries, rms=rms, variance=variance, output=output
    )
