"""The task of a linear autoencoder: samples that are their own labels, the factored regression with target I."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float

from lora_viz.core.experiment import Experiment
from lora_viz.core.random_streams import stream
from lora_viz.core.run import Task

__all__ = ["principal_axes", "reconstruction_task"]

LARGEST = (2.0, 1.6, 1.2)  # standard deviations along the first axes ...
OTHERS = (0.8, 0.6)  # ... and, from first to last, along all others


def principal_axes(samples: Float[np.ndarray, "n d"]) -> tuple[Float[np.ndarray, "d d"], Float[np.ndarray, "d"]]:
    """PCA: the columns are the directions of most variance about the mean, and their standard deviations."""
    centred = samples - samples.mean(axis=0)
    _, s, vt = np.linalg.svd(centred, full_matrices=False)
    return vt.T, s / np.sqrt(len(samples))


def reconstruction_task(experiment: Experiment, offset: float) -> Task:
    """Reproduce x from x: W = 0, so that ΔW = B A is decoder times encoder, and the update asked for is I.

    The samples have mean 0 to rounding, or, with an ``offset``, a mean of this length half-way between the axes of
    third and fourth largest variance.
    """
    return _draw(experiment.d_in, experiment.samples, experiment.seed, offset)


@lru_cache(maxsize=32)
def _draw(d: int, samples: int, seed: int, offset: float) -> Task:
    rng = stream("autoencoder", seed)
    axes = np.linalg.qr(rng.standard_normal((d, d)))[0]
    deviations = np.concatenate([LARGEST, np.linspace(*OTHERS, max(0, d - len(LARGEST)))])[:d]
    codes = rng.standard_normal((samples, d)) * deviations
    codes -= codes.mean(axis=0)
    x = codes @ axes.T + offset * axes[:, 2:4].sum(axis=1) / np.sqrt(2)
    covariance = x.T @ x / samples
    task = Task(
        base_weight=np.zeros((d, d)),
        target_delta=np.eye(d),
        inputs=x,
        residuals=x,
        input_covariance=covariance,
        cross_covariance=covariance,
        residual_energy=float(np.sum(x**2) / samples),
    )
    for array in (task.base_weight, task.target_delta, x, covariance):
        array.flags.writeable = False
    return task
