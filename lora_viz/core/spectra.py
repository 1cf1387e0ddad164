"""Linear algebra of records: kinds of rank, truncation, least squares, exact floors, subspaces. NumPy alone."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lora_viz.core.run import Run, Task

__all__ = [
    "Ranks",
    "covariance_root",
    "full_gradient",
    "least_squares",
    "orthonormal_columns",
    "principal_angles",
    "ranks",
    "reduced_rank_floor",
    "truncate",
]


class Ranks(NamedTuple):
    """Four kinds of rank: ``bound`` is r itself, ``numerical`` counts σ > tol·σ₁, ``effective`` is exp of the entropy
    of σ/Σσ (Roy & Vetterli 2007), ``stable`` is ‖ΔW‖_F²/σ₁². The last two are NaN where ΔW = 0 (0/0).
    """

    bound: int
    numerical: int
    effective: float
    stable: float


def ranks(sigma: Float[np.ndarray, "k"], *, bound: int, tol: float = 1e-6) -> Ranks:
    """The four kinds of rank of a matrix with these singular values: [1, 1, 1, 1] gives (4, 4, 4.0, 4.0)."""
    top = sigma.max(initial=0.0)
    if top == 0:
        return Ranks(bound, 0, float("nan"), float("nan"))
    p = sigma[sigma > 0] / sigma.sum()
    return Ranks(
        bound, int((sigma > tol * top).sum()), float(np.exp(-np.sum(p * np.log(p)))), float(np.sum((sigma / top) ** 2))
    )


def truncate(matrix: Float[np.ndarray, "m n"], rank: int) -> Float[np.ndarray, "m n"]:
    """The closest matrix of this rank in every unitarily invariant norm (Eckart & Young 1936, Mirsky 1960)."""
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    return (u[:, :rank] * s[:rank]) @ vt[:rank]


@lru_cache(maxsize=32)
def covariance_root(task: Task) -> Float[np.ndarray, "d_in d_in"]:
    """C^½ of the inputs' covariance C: ‖M C^½‖_F² is the mean squared output of M on the samples."""
    if (task.input_covariance == np.eye(len(task.input_covariance))).all():
        return task.input_covariance
    values, vectors = np.linalg.eigh(task.input_covariance)
    return (vectors * np.sqrt(values.clip(0))) @ vectors.T


@lru_cache(maxsize=32)
def least_squares(task: Task) -> tuple[Float[np.ndarray, "d_out d_in"], float]:
    """The update, of any rank, that fits the samples best, and the loss 1/(2n)Σ‖y − t‖² that is left even then.

    That loss is summed over the samples: as a difference of two energies it would be rounding where nothing is left.
    """
    best = task.cross_covariance @ np.linalg.pinv(task.input_covariance, hermitian=True)
    missed = task.residuals - task.inputs @ best.T
    return best, 0.5 * float(np.sum(missed**2)) / len(missed)


def reduced_rank_floor(
    matrix: Float[np.ndarray, "d_out d_in"], root: Float[np.ndarray, "d_in d_in"], rank: int
) -> tuple[Float[np.ndarray, "d_out d_in"], float]:
    """The X of this rank that minimises ‖(M − X) C^½‖_F, and what is left: reduced-rank regression (Izenman 1975).

    X = [M C^½]_r C^−½, leaving √Σ_{i>r} σ_i(M C^½)². With C = I it is Eckart–Young's truncation.
    """
    u, s, vt = np.linalg.svd(matrix @ root, full_matrices=False)
    best = (u[:, :rank] * s[:rank]) @ vt[:rank] @ np.linalg.pinv(root, hermitian=True)
    return best, float(np.sqrt(np.sum(s[rank:] ** 2)))


def full_gradient(run: Run, adapter: int = 0) -> Float[np.ndarray, "T d_out d_in"]:
    """G = ∂L/∂W_eff at every recorded step: what full fine-tuning would follow, and LoRA never forms. Full batch."""
    return run.delta_weight(adapter) @ run.task.input_covariance - run.task.cross_covariance


def orthonormal_columns(matrix: Float[np.ndarray, "m k"], tol: float = 1e-9) -> Float[np.ndarray, "m j"]:
    """An orthonormal basis of the column space, j its numerical rank: σ > tol·σ₁; none for a zero matrix."""
    u, s, _ = np.linalg.svd(matrix, full_matrices=False)
    return u[:, s > tol * s[0]] if s[0] > 0 else u[:, :0]


def principal_angles(left: Float[np.ndarray, "m j"], right: Float[np.ndarray, "m k"]) -> Float[np.ndarray, "least"]:
    """Angles in degrees between two subspaces given by orthonormal bases, the smallest first (Björck & Golub 1973).

    Small angles come from their sines: an arccos would stop at 1e-8 rad.
    """
    if not left.shape[1] or not right.shape[1]:
        return np.empty(0)
    if left.shape[1] < right.shape[1]:
        left, right = right, left
    cosines = np.linalg.svd(left.T @ right, compute_uv=False)
    sines = np.linalg.svd(right - left @ (left.T @ right), compute_uv=False)[::-1]
    angles = np.where(cosines**2 > 0.5, np.arcsin(sines.clip(0, 1)), np.arccos(cosines.clip(0, 1)))
    return np.degrees(angles)
