"""A low-rank matrix kept as its factors: s·B A with its shape, product, norm and singular values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

__all__ = ["FactoredMatrix"]

WELL = 0.01  # least over largest eigenvalue of a Gram matrix from which on its Cholesky factor is as exact as QR
SAFE = 30  # numbers between 2^−30 and 2^30 can be squared, multiplied and summed, in float32 too


@dataclass(frozen=True, slots=True, eq=False)
class FactoredMatrix:
    """s·B A from A (…, rank, d_in), B (…, d_out, rank) and the scaling s; leading axes are steps, or layers.

    Everything is in the number format of the factors. Norm and singular values come from the factors, the product is
    not formed for them; they are NaN where a factor is not finite. Raises ValueError for factors that do not fit.
    """

    A: Float[np.ndarray, "... _ d_in"]
    B: Float[np.ndarray, "... d_out _"]
    scaling: float = 1.0

    def __post_init__(self) -> None:
        a, b = self.A.shape, self.B.shape
        if min(len(a), len(b)) < 2 or a[:-2] != b[:-2] or a[-2] != b[-1]:
            raise ValueError(f"A is {a} and B is {b}: B needs a column for every row of A, and both the same batch.")

    @classmethod
    def from_svd(
        cls,
        u: Float[np.ndarray, "d_out k"],
        sigma: Float[np.ndarray, "k"],
        vt: Float[np.ndarray, "k d_in"],
        scaling: float = 1.0,
    ) -> FactoredMatrix:
        """U Σ Vᵀ as s·B A with the singular values split evenly: B = ±U√(Σ/|s|), A = √(Σ/|s|) Vᵀ. s is not 0."""
        root = np.sqrt(sigma / abs(scaling))
        return cls(root[:, None] * vt, u * (root if scaling > 0 else -root), scaling)

    @property
    def rank(self) -> int:
        """Rows of A and columns of B."""
        return int(self.A.shape[-2])

    @property
    def shape(self) -> tuple[int, int]:
        """(d_out, d_in)."""
        return int(self.B.shape[-2]), int(self.A.shape[-1])

    @property
    def rank_bound(self) -> int:
        """The most that the rank of the product can be."""
        return min(self.rank, *self.shape)

    def __getitem__(self, at: Any) -> FactoredMatrix:
        """One of a batch, or a part of it: ``factored[-1]``, ``factored[:n]``."""
        return FactoredMatrix(self.A[at], self.B[at], self.scaling)

    def __add__(self, other: FactoredMatrix) -> FactoredMatrix:
        """The sum, its rank the sum of both: s·[B, B₂]·[A; A₂], or [sB, s₂B₂]·[A; A₂] where the scalings differ."""
        same = self.scaling == other.scaling
        parts = (self.B, other.B) if same else (self.scaling * self.B, other.scaling * other.B)
        A, B = np.concatenate([self.A, other.A], axis=-2), np.concatenate(parts, axis=-1)
        return FactoredMatrix(A, B, self.scaling if same else 1.0)

    def __sub__(self, other: FactoredMatrix) -> FactoredMatrix:
        """The difference, as exact as its factors: no large product is taken from another."""
        return self + FactoredMatrix(other.A, -other.B, other.scaling)

    def in_float64(self) -> FactoredMatrix:
        """The same with factors in float64."""
        return FactoredMatrix(self.A.astype(float), self.B.astype(float), self.scaling)

    def dense(self) -> Float[np.ndarray, "*T d_out d_in"]:
        """The product s·B A, in the number format of the factors."""
        return self.scaling * (self.B @ self.A)

    def gradients(
        self, G: Float[np.ndarray, "*T d_out d_in"]
    ) -> tuple[Float[np.ndarray, "*T rank d_in"], Float[np.ndarray, "*T d_out rank"]]:
        """∇A = s·Bᵀ G and ∇B = s·G Aᵀ: the shadows that the full gradient G casts on the factors."""
        return self.scaling * np.swapaxes(self.B, -1, -2) @ G, self.scaling * G @ np.swapaxes(self.A, -1, -2)

    def svd(self) -> tuple[Float[np.ndarray, "*T d_out k"], Float[np.ndarray, "*T k"], Float[np.ndarray, "*T k d_in"]]:
        """U, σ and Vᵀ of the product, k = min(rank, d_out, d_in): QR of both factors, SVD of what is left of them."""
        b, a, size = self._alone()
        (left, L), (right, R) = _reduced(b), _reduced(a)
        u, sigma, vt = np.linalg.svd(L @ np.swapaxes(R, -1, -2), full_matrices=False)
        u, v = u if left is None else left @ u, vt if right is None else vt @ np.swapaxes(right, -1, -2)
        return u * (-1.0 if self.scaling < 0 else 1.0), size(sigma), v

    def singular_values(self) -> Float[np.ndarray, "*T k"]:
        """σ of the product, largest first, k = min(rank, d_out, d_in) of them."""
        small, size = self._small()
        return size(np.linalg.svd(small, compute_uv=False))

    def norm(self) -> Float[np.ndarray, "*T"]:
        """Frobenius norm of the product."""
        small, size = self._small()
        return size(np.linalg.norm(small, axis=(-2, -1))[..., None])[..., 0]

    def _small(self) -> tuple[Float[np.ndarray, "*T j i"], Callable[[np.ndarray], np.ndarray]]:
        """What QR leaves of B times what it leaves of Aᵀ: the singular values of B A in a matrix of that size."""
        b, a, size = self._alone()
        L, R = (m if m.shape[-2] <= m.shape[-1] else _triangle(m) for m in (b, a))
        return L @ np.swapaxes(R, -1, -2), size

    def _alone(
        self,
    ) -> tuple[
        Float[np.ndarray, "*T d_out rank"], Float[np.ndarray, "*T d_in rank"], Callable[[np.ndarray], np.ndarray]
    ]:
        """B and Aᵀ, 0 where not finite and over a power of two where too large or small to be squared; and what gives
        values (*T, k) of their product its size.
        """
        batch = self.A.shape[:-2]
        fine, exponent, alone = np.ones(batch, dtype=bool), np.zeros(batch, dtype=int), []
        for m in (self.B, np.swapaxes(self.A, -1, -2)):
            top = np.maximum(m.max(axis=(-2, -1), initial=0.0), -m.min(axis=(-2, -1), initial=0.0))  # NaN if one is
            fine = fine & np.isfinite(top)
            if not np.isfinite(top).all():
                m = np.where(np.isfinite(top)[..., None, None], m, 0.0)
            own = np.frexp(top)[1]
            own = np.where(np.isfinite(top) & (abs(own) > SAFE), own, 0)
            if own.any():
                m = np.ldexp(m, -own[..., None, None])
            exponent = exponent + own
            alone.append(m)

        def size(values: Float[np.ndarray, "*T k"]) -> Float[np.ndarray, "*T k"]:
            with np.errstate(over="ignore"):
                return np.where(fine[..., None], np.ldexp(abs(self.scaling) * values, exponent[..., None]), np.nan)

        return alone[0], alone[1], size


def _triangle(m: Float[np.ndarray, "*T d rank"]) -> Float[np.ndarray, "*T rank rank"]:
    """R of its QR, rows up to their sign.

    A tall matrix whose columns, each over its own length, are far from dependent gives it by Cholesky from its Gram
    matrix in a quarter of the time: what that loses is rounding times the condition of that matrix, at most 1/WELL,
    whatever the columns' lengths are (Demmel 1989; Stathopoulos & Wu 2002).
    """
    d, rank = m.shape[-2:]
    if m.ndim == 2 and m.dtype == np.float64 and rank >= 16 and d >= 8 * rank:
        gram = m.T @ m
        lengths = np.sqrt(np.diag(gram))
        if lengths.all():
            gram = gram / lengths[:, None] / lengths
            values = np.linalg.eigvalsh(gram)
            if values[0] > WELL * values[-1]:
                return np.linalg.cholesky(gram).T * lengths
    return np.asarray(np.linalg.qr(m, mode="r"))


def _reduced(m: Float[np.ndarray, "*T d rank"]) -> tuple[np.ndarray | None, np.ndarray]:
    """Its QR; None and itself where that leaves as much of it."""
    if m.shape[-2] <= m.shape[-1]:
        return None, m
    q, r = np.linalg.qr(m)
    return q, r
