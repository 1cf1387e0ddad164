"""A rank-1 spike on a random weight, in the weight's own singular basis: there a vector's entries are the cosines."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

__all__ = ["draw_spike", "plant_spike"]


def draw_spike(
    rng: np.random.Generator, d: int, kind: str
) -> tuple[Float[np.ndarray, "d"], Float[np.ndarray, "d"], Float[np.ndarray, "d"]]:
    """A weight's singular values, and the spike's u and v in its basis, of length 1.

    ``kind`` "gaussian": entries N(0, 1/d); "decaying": σ_i = 1/i of the first, in random directions.
    """
    old = np.linalg.svd(rng.standard_normal((d, d)) / np.sqrt(d), compute_uv=False)
    if kind == "decaying":
        old = 2.0 / np.arange(1, d + 1)
    u, v = (x / np.linalg.norm(x) for x in rng.standard_normal((2, d)))
    return old, u, v


def plant_spike(
    old: Float[np.ndarray, "d"], u: Float[np.ndarray, "d"], v: Float[np.ndarray, "d"], theta: Float[np.ndarray, "T"]
) -> tuple[Float[np.ndarray, "T d d"], Float[np.ndarray, "T d"]]:
    """Left singular vectors of W + θuvᵀ as columns, strongest first, in W's left singular basis, and the σ."""
    tuned = np.diag(old) + theta[:, None, None] * np.outer(u, v)
    square, vectors = np.linalg.eigh(tuned @ tuned.transpose(0, 2, 1))
    return vectors[:, :, ::-1], np.sqrt(square[:, ::-1].clip(0))
