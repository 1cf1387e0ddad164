"""Small matrices with a known spectrum, drawn from named streams."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from lora_viz.core.random_streams import stream

__all__ = ["SPECTRA", "drawn_matrix", "low_rank_factors", "noisy_low_rank", "spectrum", "with_noise"]

SPECTRA = ("flat", "power", "exponential", "random")


def spectrum(name: str, k: int) -> Float[np.ndarray, "k"]:
    """k singular values that are all 1, 1/i or 0.7^(i−1)."""
    i = np.arange(1, k + 1, dtype=float)
    return {"flat": np.ones(k), "power": 1 / i, "exponential": 0.7 ** (i - 1)}[name]


def drawn_matrix(name: str, d_out: int, d_in: int, seed: int) -> Float[np.ndarray, "d_out d_in"]:
    """A matrix with this spectrum and random singular vectors; "random" has independent standard normal entries."""
    rng = stream("matrix", seed)
    if name == "random":
        return rng.standard_normal((d_out, d_in))
    k = min(d_out, d_in)
    left = np.linalg.qr(rng.standard_normal((d_out, k)))[0]
    right = np.linalg.qr(rng.standard_normal((d_in, k)))[0]
    return (left * spectrum(name, k)) @ right.T


def low_rank_factors(
    d_out: int, d_in: int, rank: int, seed: int, name: str = "factors"
) -> tuple[Float[np.ndarray, "rank d_in"], Float[np.ndarray, "d_out rank"]]:
    """A (rank, d_in) and B (d_out, rank) of standard normal entries, drawn row by row: rank r is a prefix of r+1."""
    A = stream(f"{name} A", seed).standard_normal((rank, d_in))
    B = stream(f"{name} B", seed).standard_normal((rank, d_out)).T
    return A, B


def noisy_low_rank(
    d_out: int, d_in: int, rank: int, noise: float, seed: int
) -> tuple[Float[np.ndarray, "d_out d_in"], Float[np.ndarray, "d_out d_in"]]:
    """A matrix of exactly this rank with entries of variance about 1, and the same with normal noise on every entry.

    Neither rank nor noise level re-rolls the other: the noise is one draw, scaled.
    """
    A, B = low_rank_factors(d_out, d_in, rank, seed, "clean")
    clean = B @ A / np.sqrt(rank)
    return clean, with_noise(clean, noise, seed)


def with_noise(matrix: Float[np.ndarray, "m n"], noise: float, seed: int) -> Float[np.ndarray, "m n"]:
    """The matrix with normal noise of this standard deviation on every entry: one draw a seed, scaled."""
    return matrix + noise * stream("noise on a matrix", seed).standard_normal(matrix.shape)
