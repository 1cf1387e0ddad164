"""A small matrix taken apart: image of the unit vectors, null space, kinds of rank, eigenvalues and singular values."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lora_viz.core.refusals import Refusal
from lora_viz.core.spectra import Ranks, ranks
from lora_viz.i18n.language import say

__all__ = ["ShapeRank", "TooLarge", "shape_rank"]

MOST = 3
FINE, COARSE = 1e-12, 1e-2
WALK = np.linspace(-1.5, 1.5, 31)


class TooLarge(Refusal):
    """One sentence: how large the matrix is, and how large it may be."""


class ShapeRank(NamedTuple):
    """A matrix, the unit sphere and its image, and a walk x + t·z along the direction z that the matrix shrinks most.

    ``sigma``, ``left`` (rows u_i) and ``right`` (rows v_i, a whole basis of the inputs) are its SVD; z = v_n spans part
    of the null space where there is one. ``moved`` is ‖M(x + t z) − M x‖. ``fine`` and ``coarse`` are the kinds of rank
    with tolerances 1e-12 and 1e-2. ``turned`` is the angle in degrees between v₁ and M v₁, ``eigen`` the real
    eigenvalues and ``twice`` = ‖M² − M‖/‖M‖; NaN, empty and NaN for a matrix that is not square. ``stretch`` is the
    largest ‖M x‖ over the drawn unit vectors.
    """

    matrix: Float[np.ndarray, "m n"]
    noise: float
    sigma: Float[np.ndarray, "k"]
    left: Float[np.ndarray, "k m"]
    right: Float[np.ndarray, "n n"]
    inputs: Float[np.ndarray, "points n"]
    outputs: Float[np.ndarray, "points m"]
    walk: Float[np.ndarray, "T"]
    walked: Float[np.ndarray, "T n"]
    arrived: Float[np.ndarray, "T m"]
    moved: Float[np.ndarray, "T"]
    fine: Ranks
    coarse: Ranks
    turned: float
    eigen: Float[np.ndarray, "e"]
    twice: float
    stretch: float


def shape_rank(matrix: Float[np.ndarray, "m n"], *, noise: float = 0.0, seed: int = 0) -> ShapeRank:
    """Take a matrix of at most 3×3, with normal noise of this size on every entry, apart. Raises TooLarge."""
    m, n = matrix.shape
    if max(m, n) > MOST:
        raise TooLarge(say("M is {rows}×{columns}: at most {most}×{most} can be drawn.", rows=m, columns=n, most=MOST))
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n,))
    x *= 0.7 / np.linalg.norm(x)
    matrix = matrix + noise * rng.standard_normal(matrix.shape)
    left, sigma, right = np.linalg.svd(matrix)
    inputs = _sphere(n)
    outputs = inputs @ matrix.T
    z = right[-1]
    walked = x + WALK[:, None] * z
    arrived = walked @ matrix.T
    k = len(sigma)
    turned, eigen, twice = float("nan"), np.empty(0), float("nan")
    if m == n:
        length = float(np.linalg.norm(matrix @ right[0]))
        if length > 0:
            turned = float(np.degrees(np.arccos(np.clip(right[0] @ matrix @ right[0] / length, -1, 1))))
            twice = float(np.linalg.norm(matrix @ matrix - matrix) / np.linalg.norm(matrix))
        values = np.linalg.eigvals(matrix)
        # a double eigenvalue splits by √ε: below that a part that is not real is rounding
        eigen = np.sort(values.real[np.abs(values.imag) <= 1e-7 * max(1.0, float(sigma[0]))])[::-1]
    return ShapeRank(
        matrix=matrix,
        noise=noise,
        sigma=sigma,
        left=left.T[:k],
        right=right,
        inputs=inputs,
        outputs=outputs,
        walk=WALK,
        walked=walked,
        arrived=arrived,
        moved=np.linalg.norm(WALK[:, None] * (matrix @ z), axis=1),
        fine=ranks(sigma, bound=k, tol=FINE),
        coarse=ranks(sigma, bound=k, tol=COARSE),
        turned=turned,
        eigen=eigen,
        twice=twice,
        stretch=float(np.linalg.norm(outputs, axis=1).max()),
    )


def _sphere(n: int) -> Float[np.ndarray, "points n"]:
    """Unit vectors all around: two, a circle, or a sphere (Fibonacci's spiral)."""
    if n == 1:
        return np.array([[-1.0], [1.0]])
    if n == 2:
        angle = np.arange(72) * 2 * np.pi / 72
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)
    i = np.arange(220) + 0.5
    height, around = 1 - 2 * i / 220, np.pi * (1 + 5**0.5) * i
    ring = np.sqrt(1 - height**2)
    return np.stack([ring * np.cos(around), ring * np.sin(around), height], axis=1)
