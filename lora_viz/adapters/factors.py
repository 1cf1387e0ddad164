"""A module's factors as they are stored, read a block of rows at a time: a large one never lies in memory as float64.

What is asked of B·A (singular values, angles, distances) needs only what QR leaves of each factor, r×r: it is taken
block by block (Demmel et al. 2012, TSQR). Factors that are taken together are reduced on one basis.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lora_viz.adapters.keys import Pair
from lora_viz.adapters.stored import AdapterError, Weights, short, widened
from lora_viz.core.factored import FactoredMatrix
from lora_viz.i18n.language import say

__all__ = ["LARGE", "RANK_MOST", "Factors", "Tall", "read_factors", "reduced"]

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
    """One update of a file: ``part`` names it where a pair of tensors holds several."""

    part: str
    A: Tall
    B: Tall

    @property
    def rank(self) -> int:
        return int(self.A.raw.shape[1])

    @property
    def shape(self) -> tuple[int, int]:
        """(d_out, d_in)."""
        return len(self.B.raw), len(self.A.raw)

    @property
    def large(self) -> bool:
        return self.A.raw.size + self.B.raw.size > LARGE

    def product(self, scaling: float = 1.0) -> FactoredMatrix:
        """s·B A, its factors in float64."""
        return FactoredMatrix(np.ascontiguousarray(self.A.whole().T), self.B.whole(), scaling)


def read_factors(weights: Weights, pair: Pair) -> list[Factors]:
    """The factors of a pair, nothing of them widened; convolutions are flattened. Raises AdapterError: do not fit.

    loralib's fused layers hold several updates in one pair: each is answered by itself, with a name for it.
    """
    A, B = _matrix(weights, pair.A), _matrix(weights, pair.B)
    r = B.raw.shape[1]
    if math.prod(weights.entries[pair.B].shape[2:]) != 1:
        raise AdapterError(say("{name} has shape {shape}: only A may be wider than one point.", name=short(pair.B),
                               shape=weights.entries[pair.B].shape))  # fmt: skip
    if r and len(B.raw) and pair.scheme == "loralib" and len(A.raw) in (2 * r, 3 * r):
        parts = len(A.raw) // r
        if len(B.raw) % parts == 0:
            split = zip(np.split(A.raw, parts), np.split(B.raw, parts), strict=True)
            return [
                _fitting(pair, Factors(f" (part {i + 1} of {parts})", Tall(a.T, A.dtype), Tall(b, B.dtype)))
                for i, (a, b) in enumerate(split)
            ]
    if len(A.raw) != r:
        raise AdapterError(say("{path}: A is {A} and B is {B}: B needs a column for every row of A.",
                               path=short(pair.path), A=f"{len(A.raw)}×{A.raw.shape[1]}",
                               B=f"{len(B.raw)}×{r}"))  # fmt: skip
    return [_fitting(pair, Factors("", Tall(A.raw.T, A.dtype), B))]


def _fitting(pair: Pair, found: Factors) -> Factors:
    if not 1 <= found.rank <= RANK_MOST or not all(found.shape):
        raise AdapterError(say("{path} has rank {rank}: read are 1 to {most} in a layer of some size.",
                               path=short(pair.path), rank=found.rank, most=RANK_MOST))  # fmt: skip
    return found


def _matrix(weights: Weights, name: str) -> Tall:
    shape, stored = weights.entries[name].shape, weights.stored(name)
    if len(shape) < 2:
        raise AdapterError(say("{name} has shape {shape}: a LoRA factor is a matrix.", name=short(name), shape=shape))
    return Tall(stored.reshape(shape[0], math.prod(shape[1:])), weights.entries[name].dtype)


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
