"""The section Understanding rank: each claim computed from the matrices themselves."""

from __future__ import annotations

from typing import Any

import numpy as np

from lora_viz.core.spectra import truncate
from lora_viz.layer.matrices import drawn_matrix, noisy_low_rank
from lora_viz.lessons.lesson import Played
from lora_viz.lessons.rank.denoise import D_IN, D_OUT, DRAWS
from lora_viz.networks.digits import digits_matrix
from tests.examination.predicates.registry import claim_of


@claim_of("matrix")
def rank_counts_directions(played: Played[Any]) -> bool:
    """The outputs of the unit vectors, as a matrix of points, have M's rank."""
    r = played.record
    tall = np.linalg.matrix_rank(r.outputs, tol=1e-9 * max(np.linalg.norm(r.outputs, 2), 1e-300))
    return bool(tall == np.linalg.matrix_rank(r.matrix, tol=1e-12 * np.linalg.norm(r.matrix, 2)))


@claim_of("truncation")
def nobody_beats_the_svd(played: Played[Any]) -> bool:
    """Truncate anew at every rank, and let random column spaces and alternating least squares compete."""
    e = played.record
    m, size = e.matrix, np.linalg.norm(e.matrix)
    sigma = np.linalg.svd(m, compute_uv=False)
    rng = np.random.default_rng(0)
    for k in range(1, len(sigma)):
        own = np.linalg.norm(m - truncate(m, k)) / size
        if abs(own - np.sqrt(np.sum(sigma[k:] ** 2)) / size) > 1e-12:
            return False
        q = np.linalg.qr(rng.standard_normal((m.shape[0], k)))[0]
        for _ in range(3):  # the best rows for these columns, then the best columns for those rows
            rows = np.linalg.qr(m.T @ q)[0]
            q = np.linalg.qr(m @ rows)[0]
            if np.linalg.norm(m - q @ (q.T @ m)) / size < own - 1e-12:
                return False
    return bool(min(e.searched[1:-1] - e.svd[1:-1]) > -1e-12 and min(e.sketched[1:-1] - e.svd[1:-1]) > -1e-12)


@claim_of("denoise")
def least_at_the_true_rank(played: Played[Any]) -> bool:
    """Nine draws, truncated one by one."""
    e = played.settings.experiment
    if not e.noise:
        return False
    hits = 0
    for seed in range(100 * e.seed, 100 * e.seed + DRAWS):
        clean, noisy = noisy_low_rank(D_OUT, D_IN, e.target_rank, e.noise, seed)
        if played.settings["matrix_of"] == "digits":
            u, sigma, vt = np.linalg.svd(digits_matrix(seed))
            r = e.target_rank
            kept = u[:, :r] @ np.diag(sigma[:r]) @ vt[:r]
            clean = kept * np.sqrt(kept.size) / np.linalg.norm(kept)
            still, shaken = noisy_low_rank(*clean.shape, 1, 1.0, seed)
            noisy = clean + e.noise * (shaken - still)
        errors = [np.linalg.norm(truncate(noisy, k) - clean) for k in range(min(clean.shape) + 1)]
        hits += int(np.argmin(errors)) == e.target_rank
    return hits > DRAWS / 2


@claim_of("gauge")
def same_product_another_step(played: Played[Any]) -> bool:
    """Redo one step of plain gradient descent from the first and the last pair, on a target of our own."""
    r = played.record
    products = r.B @ r.A
    if np.abs(products - products[0]).max() > 1e-9 * np.abs(products[0]).max():
        return False
    target = drawn_matrix("random", *products.shape[1:], 3)

    def step(A: np.ndarray, B: np.ndarray) -> np.ndarray:
        error = B @ A - target
        return (B - r.lr * error @ A.T) @ (A - r.lr * B.T @ error) - B @ A

    first = step(r.A[0], r.B[0])
    return (
        max(float(np.linalg.norm(step(a, b) - first) / np.linalg.norm(first)) for a, b in zip(r.A, r.B, strict=True))
        > 1e-3
    )


@claim_of("subspace")
def the_sum_has_rank_2r(played: Played[Any]) -> bool:
    """Numerical ranks by numpy, ends and between."""
    r = played.record
    ranks = np.linalg.matrix_rank(r.mix, tol=1e-10 * np.linalg.norm(r.mix, 2, axis=(1, 2)))
    return bool(ranks[0] == ranks[-1] == r.r and (ranks[1:-1] == 2 * r.r).all())


@claim_of("few_numbers")
def three_kinds_of_few(played: Played[Any]) -> bool:
    """Ranks of the updates shown, by numpy."""
    identity, _, sparse, dense = played.record.updates
    full, high, one = (np.linalg.matrix_rank(x, tol=1e-10 * np.linalg.norm(x, 2)) for x in (identity, sparse, dense))
    return bool(full == len(identity) and 3 * high >= len(identity) and one == 1 and dense.all())


@claim_of("autoencoder")
def the_subspace_but_not_the_axes(played: Played[Any]) -> bool | None:
    """Projectors by SVDs of the data, with and without their mean, against the product at the end."""
    r = played.record
    if r.diverged or not len(r.steps):
        return None
    centred = played.settings["centred"] == "centred"
    near = r.to_pca[2, -1] < 1e-2
    own = np.linalg.norm(r.product[-1] - r.projector)
    assert r.to_pca[0, -1] - 1e-9 <= own <= r.to_pca[2, -1] + 1e-9
    if not centred:
        return False if near else (True if r.to_moment[2, -1] < 1e-2 else None)
    if not near:
        return None
    return bool(r.rank > 1 and r.spread[0] <= 0.99)
