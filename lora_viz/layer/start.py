"""What a start is: how A and B are before the first step; and the draws that starts have in common.

A start either leaves the base weight alone, and then ΔW₀ = s·B₀A₀, or moves it to W − s·B₀A₀ so that the layer
computes what it did before; then ΔW = s(B A − B₀A₀), the layer's weight minus the original one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from lora_viz.core.experiment import Experiment, ExperimentError
from lora_viz.core.factored import FactoredMatrix
from lora_viz.core.random_streams import stream
from lora_viz.core.run import Task
from lora_viz.i18n.language import say

__all__ = ["Factors", "Start", "even_split", "gaussian_A", "triplets", "uniform_A", "uniform_B", "zero_A", "zero_B"]

Factors = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """One start. ``factors`` gives A (rank, d_in) and B (d_out, rank) in float64; ``rule`` is LaTeX.

    ``short``, its name on a pill, ``label`` and ``source`` are still to say. ``moves_base``: the base weight becomes
    W − s·B₀A₀, and the layer computes the same at step 0. ``cheats``: it needs the answer that training is to find.
    """

    short: str
    label: str
    rule: str
    source: str
    factors: Callable[[Experiment, Task], Factors]
    moves_base: bool = False
    cheats: bool = False


def _uniform(name: str, e: Experiment, width: int, bound: float) -> Float[np.ndarray, "r width"]:
    # Drawn row by row: rank r's rows are the first r of rank r+1's. B's columns are drawn as rows for the same reason.
    return stream(name, e.seed, e.init_seed).uniform(-1, 1, (e.rank, width)) * bound


def uniform_A(e: Experiment, scale: float = 1.0) -> Float[np.ndarray, "r d_in"]:
    """Entries uniform within ±scale/√d_in."""
    return _uniform("A", e, e.d_in, scale / math.sqrt(e.d_in))


def uniform_B(e: Experiment, bound: float | None = None) -> Float[np.ndarray, "d_out r"]:
    """Entries uniform within ±bound, 1/√r if none is given."""
    return _uniform("B", e, e.d_out, 1 / math.sqrt(e.rank) if bound is None else bound).T


def gaussian_A(e: Experiment, std: float) -> Float[np.ndarray, "r d_in"]:
    """Entries normal with this standard deviation."""
    return stream("A gaussian", e.seed, e.init_seed).standard_normal((e.rank, e.d_in)) * std


def zero_A(e: Experiment) -> Float[np.ndarray, "r d_in"]:
    """All zeros."""
    return np.zeros((e.rank, e.d_in))


def zero_B(e: Experiment) -> Float[np.ndarray, "d_out r"]:
    """All zeros."""
    return np.zeros((e.d_out, e.rank))


def even_split(u: np.ndarray, sigma: np.ndarray, vt: np.ndarray, e: Experiment) -> Factors:
    """Factors of equal weight with s·B A = U Σ Vᵀ. Raises ExperimentError where s is 0."""
    if e.scaling == 0:
        raise ExperimentError(
            say(
                "alpha={alpha:g} is not possible with init={init}: its factors are divided by s.",
                alpha=e.alpha,
                init=e.init,
            )
        )
    found = FactoredMatrix.from_svd(u, sigma, vt, e.scaling)
    return found.A, found.B


@lru_cache(maxsize=32)
def triplets(task: Task, what: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """U, σ, Vᵀ of the base weight "W", of the "target", or of the first full gradient "G"."""
    matrix = {"W": task.base_weight, "target": task.target_delta, "G": -task.cross_covariance}[what]
    return np.linalg.svd(matrix, full_matrices=False)
