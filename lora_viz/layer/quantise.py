"""NF4, the sixteen numbers that a 4-bit weight can be, and starts that make up for what it loses."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from lora_viz.core.factored import FactoredMatrix

__all__ = ["BLOCK", "NF4", "loftq", "nf4", "quantised_pissa"]

BLOCK = 64  # weights that share one scale: their largest magnitude

# QLoRA's NormalFloat (Dettmers et al. 2023, arXiv:2305.14314): quantiles of a normal distribution, scaled to ±1, with
# an exact zero; eight above it and seven below. The numbers are bitsandbytes' (functional.py).
NF4: Float[np.ndarray, "16"] = np.array(
    [
        -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
        -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
        0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
    ]
)  # fmt: skip


def nf4(weight: Float[np.ndarray, "m n"], block: int = BLOCK) -> Float[np.ndarray, "m n"]:
    """A weight as NF4 stores it: each block of entries, row by row, over its largest magnitude, snapped.

    The last block may be shorter. Scales are kept exactly: QLoRA's double quantisation of them is left out.
    """
    flat = np.zeros(-(-weight.size // block) * block)
    flat[: weight.size] = weight.ravel()
    blocks = flat.reshape(-1, block)
    scale = np.abs(blocks).max(axis=1, keepdims=True)
    nearest = np.searchsorted((NF4[1:] + NF4[:-1]) / 2, blocks / np.where(scale > 0, scale, 1.0))
    return (NF4[nearest] * scale).ravel()[: weight.size].reshape(weight.shape)


Parts = tuple[Float[np.ndarray, "m n"], Float[np.ndarray, "r n"], Float[np.ndarray, "m r"]]


def loftq(weight: Float[np.ndarray, "m n"], rank: int, rounds: int = 1) -> Parts:
    """Q, A and B with W ≈ Q + B A: Q ← NF4(W − B A), B A ← the best rank-r part of W − Q, by turns, from B A = 0.

    LoftQ (Li et al. 2023, arXiv:2310.08659), Algorithm 1.
    """
    A, B = np.zeros((rank, weight.shape[1])), np.zeros((weight.shape[0], rank))
    quantised = weight
    for _ in range(rounds):
        quantised = nf4(weight - B @ A)
        A, B = _split(weight - quantised, rank)
    return quantised, A, B


def quantised_pissa(weight: Float[np.ndarray, "m n"], rank: int) -> Parts:
    """The same from PiSSA: B A is W's own best rank-r part, what is left is quantised (QPiSSA, arXiv:2404.02948)."""
    A, B = _split(weight, rank)
    return nf4(weight - B @ A), A, B


def _split(matrix: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    u, sigma, vt = np.linalg.svd(matrix, full_matrices=False)
    best = FactoredMatrix.from_svd(u[:, :rank], sigma[:rank], vt[:rank])
    return best.A, best.B
