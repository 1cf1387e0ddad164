"""Exact fits of every rank to few noisy samples, and what each generalises to: no training, no step size."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lora_viz.core.random_streams import stream

__all__ = ["Design", "Fits", "Samples", "draw_samples", "fit_all_ranks", "stopped_early", "teacher"]


class Design(NamedTuple):
    """Inputs from N(0, I), not whitened, and their SVD X = P S Vᵀ: one draw a seed."""

    inputs: Float[np.ndarray, "S n d_in"]
    left: Float[np.ndarray, "S n k"]
    sigma: Float[np.ndarray, "S k"]
    right: Float[np.ndarray, "S k d_in"]


class Samples(NamedTuple):
    """A design and the noisy labels of a teacher on it: (seeds, n, d_out)."""

    design: Design
    labels: Float[np.ndarray, "S n d_out"]


class Fits(NamedTuple):
    """For each seed and rank 0 … min(d_out, n, d_in): what the fit costs on new inputs, and how long it is.

    ``excess`` is ‖ΔW_r − ΔW*‖² = E‖(ΔW_r − ΔW*)x‖², the clean test error; ``size`` ‖ΔW_r‖²; ``train`` the mean squared
    error on the samples. The last rank is full fine-tuning's: ordinary least squares, of least norm where n < d_in.
    """

    excess: Float[np.ndarray, "S R"]
    size: Float[np.ndarray, "S R"]
    train: Float[np.ndarray, "S R"]


def teacher(
    sigma: Float[np.ndarray, "k"], d_out: int, d_in: int, seeds: int, seed: int
) -> Float[np.ndarray, "S d_out d_in"]:
    """Hidden updates with these singular values in random directions, one a seed."""
    rng = stream("teacher", seed)
    left = np.linalg.qr(rng.standard_normal((seeds, d_out, min(d_out, d_in))))[0]
    right = np.linalg.qr(rng.standard_normal((seeds, d_in, min(d_out, d_in))))[0]
    k = len(sigma)
    return (left[:, :, :k] * sigma) @ right[:, :, :k].transpose(0, 2, 1)


def draw_samples(target: Float[np.ndarray, "S d_out d_in"], n: int, noise: float, seed: int) -> Samples:
    """n samples for each seed; fewer samples are the first of more, and noise is the same noise, made larger."""
    seeds, d_out, d_in = target.shape
    design = _design(seeds, n, d_in, seed)
    return Samples(design, design.inputs @ target.transpose(0, 2, 1) + noise * _blur(seeds, n, d_out, seed))


@lru_cache(maxsize=16)
def _design(seeds: int, n: int, d_in: int, seed: int) -> Design:
    x = np.stack([stream("few inputs", seed, i).standard_normal((n, d_in)) for i in range(seeds)])
    if n < 2 * d_in:
        return Design(x, *np.linalg.svd(x, full_matrices=False))
    square, right = np.linalg.eigh(x.transpose(0, 2, 1) @ x)  # well conditioned, and a fraction of the work
    sigma, right = np.sqrt(square[:, ::-1]), right[:, :, ::-1]
    return Design(x, x @ (right / sigma[:, None]), sigma, right.transpose(0, 2, 1))


@lru_cache(maxsize=16)
def _blur(seeds: int, n: int, d_out: int, seed: int) -> Float[np.ndarray, "S n d_out"]:
    return np.stack([stream("few noise", seed, i).standard_normal((n, d_out)) for i in range(seeds)])


def fit_all_ranks(samples: Samples, target: Float[np.ndarray, "S d_out d_in"]) -> Fits:
    """Reduced-rank regression (Izenman 1975) at every rank: ΔW_r = U_r U_rᵀ ΔW_full, U of the fitted outputs.

    With X = P S Vᵀ the fitted outputs are P Pᵀ Y; U are the right singular vectors of Pᵀ Y.
    """
    (x, p, s, vt), y = samples
    n, d_out = x.shape[1], y.shape[2]
    seen = p.transpose(0, 2, 1) @ y  # (S, k, d_out)
    full = (seen / s[:, :, None]).transpose(0, 2, 1) @ vt
    _, values, ut = np.linalg.svd(seen, full_matrices=True)
    most = min(n, x.shape[2], d_out)
    kept = ut @ full  # row i: what direction u_i of the outputs learnt
    wanted = ut @ target
    missing = np.sum(wanted**2, axis=2)
    wrong = np.sum((kept - wanted) ** 2, axis=2)[:, :most]
    first = np.concatenate([np.zeros((len(x), 1)), np.cumsum(wrong - missing[:, :most], axis=1)], axis=1)
    energy = np.concatenate([np.zeros((len(x), 1)), np.cumsum(values[:, :most] ** 2, axis=1)], axis=1)
    size = np.concatenate([np.zeros((len(x), 1)), np.cumsum(np.sum(kept[:, :most] ** 2, axis=2), axis=1)], axis=1)
    return Fits(
        excess=(missing.sum(axis=1, keepdims=True) + first).clip(0),  # exact fits leave rounding of either sign
        size=size,
        train=(np.sum(y**2, axis=(1, 2))[:, None] - energy).clip(0) / n,
    )


def stopped_early(
    samples: Samples, target: Float[np.ndarray, "S d_out d_in"], times: Float[np.ndarray, "P"]
) -> tuple[Float[np.ndarray, "S P"], Float[np.ndarray, "S P"]]:
    """Clean test error and ‖ΔW‖² of full fine-tuning by gradient flow from 0, stopped at these times.

    ΔW(t) = ΔW_full V (1 − e^{−s²t/n}) Vᵀ: each input direction is learnt at its own pace.
    """
    (x, p, s, vt), y = samples
    learnt = (p.transpose(0, 2, 1) @ y) / s[:, :, None]  # row j: what ΔW_full does to input direction j
    wanted = vt @ target.transpose(0, 2, 1)
    share = -np.expm1(-(s[:, None, :] ** 2) * times[:, None] / x.shape[1])  # (S, P, k)
    long, along, size = (np.sum(a * b, axis=2) for a, b in ((learnt, learnt), (learnt, wanted), (wanted, wanted)))
    unseen = np.sum(target**2, axis=(1, 2)) - size.sum(axis=1)
    excess = np.einsum("spk,sk->sp", share**2, long) - 2 * np.einsum("spk,sk->sp", share, along)
    return (excess + (size.sum(axis=1) + unseen)[:, None]).clip(0), np.einsum("spk,sk->sp", share**2, long)
