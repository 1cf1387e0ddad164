"""A module's factors as they are stored, read a block of rows at a time: a large one never lies in memory as float64.

What is asked of B·A (singular values, angles, distances) needs only what QR leaves of each factor, r×r: it is taken
block by block (Demmel et al. 2012, TSQR). Factors that are taken together are reduced on one basis.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lora_viz.adapters.stored import widened
from lora_viz.core.factored import FactoredMatrix

__all__ = ["LARGE", "RANK_MOST", "Factors", "Tall", "reduced"]

RANK_MOST = 1024
LARGE = 2_000_000  # numbers from which on a module is reduced before it is measured
BLOCK = 1 << 20  # numbers


class Tall(NamedTuple):
    """A factor with its short side across: Aᵀ (d_in, r) or B (d_out, r), the numbers as they are stored."""

    raw: np.ndarray
    dtype: str

    def blocks(self) -> Iterator[Float[np.ndarray, "n r"]]:
        """All rows in float64, some at a time."""
        rows = max(BLOCK // max(1, self.raw.shape[1]), 4 * self.raw.shape[1], 1)
        for at in range(0, max(1, len(self.raw)), rows):
            with np.errstate(invalid="ignore"):  # a damaged file may hold NaNs that signal
                yield widened(self.raw[at : at + rows], self.dtype).astype(np.float64)

    def whole(self) -> Float[np.ndarray, "d r"]:
        """All rows in float64."""
        with np.errstate(invalid="ignore"):
            return widened(self.raw, self.dtype).astype(np.float64)


class Factors(NamedTuple):
    """One update of a file: ``part`` names it where a pair of tensors holds several.

    ``divisor`` is what its kind divides α by (None: its rank; 0: α is not used). ``times`` (A₁, B₁): the update is
    (B₁A₁) ⊗ (BA), too large to be written as one pair: it is known by its singular values alone.
    """

    part: str
    A: Tall
    B: Tall
    divisor: float | None = None
    times: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def rank(self) -> int:
        own = int(self.A.raw.shape[1])
        return own if self.times is None else min(own * len(self.times[0]), *self.shape)

    @property
    def shape(self) -> tuple[int, int]:
        """(d_out, d_in)."""
        rows, columns = len(self.B.raw), len(self.A.raw)
        return (rows, columns) if self.times is None else (rows * len(self.times[1]), columns * self.times[0].shape[1])

    @property
    def large(self) -> bool:
        return self.A.raw.size + self.B.raw.size > LARGE

    def product(self, scaling: float = 1.0) -> FactoredMatrix:
        """s·B A, its factors in float64."""
        return FactoredMatrix(np.ascontiguousarray(self.A.whole().T), self.B.whole(), scaling)


def reduced(*factors: Tall) -> list[Float[np.ndarray, "k r"]]:
    """What QR leaves of each, on one basis for all: every product of two of them is that of what is left.

    The factors have as many rows as each other; what is not finite counts as 0. Those that have fewer rows than columns
    are left as they are: QR would leave as much of them.
    """
    width = sum(factor.raw.shape[1] for factor in factors)
    if len(factors[0].raw) <= width:
        return [np.nan_to_num(factor.whole(), posinf=0, neginf=0) for factor in factors]
    whole: np.ndarray = np.zeros((0, width))
    tops = [max(float(np.abs(np.nan_to_num(b, posinf=0, neginf=0)).max(initial=0.0)) for b in f.blocks())
            for f in factors]  # fmt: skip
    powers = [0 if not top or 2.0**-300 < top < 2.0**300 else int(np.frexp(top)[1]) for top in tops]
    for blocks in zip(*(factor.blocks() for factor in _evenly(factors)), strict=True):
        fine = [
            np.ldexp(np.nan_to_num(block, posinf=0, neginf=0), -power)
            for block, power in zip(blocks, powers, strict=True)
        ]
        whole = np.asarray(np.linalg.qr(np.concatenate([whole, np.concatenate(fine, axis=1)]), mode="r"))
    with np.errstate(over="ignore"):
        parts = np.split(whole, np.cumsum([factor.raw.shape[1] for factor in factors])[:-1], axis=1)
        return [np.ldexp(part, power) for part, power in zip(parts, powers, strict=True)]


class _Even(NamedTuple):
    factor: Tall
    rows: int

    def blocks(self) -> Iterator[Float[np.ndarray, "n r"]]:
        for at in range(0, max(1, len(self.factor.raw)), self.rows):
            yield Tall(self.factor.raw[at : at + self.rows], self.factor.dtype).whole()


def _evenly(factors: tuple[Tall, ...]) -> list[_Even]:
    """The same in blocks of as many rows each."""
    width = sum(factor.raw.shape[1] for factor in factors)
    return [_Even(factor, max(BLOCK // width, 4 * width)) for factor in factors]
