"""One product and its factors: a gradient step of both, their balance, and the ways to move the product."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

__all__ = ["balance", "balance_drift", "gradient_step", "product_jacobian", "turn"]


def turn(r: int, angle: float) -> Float[np.ndarray, "r r"]:
    """A rotation by this angle, in radians, in each plane of neighbouring axes, one after the other."""
    out = np.eye(r)
    for i in range(r - 1):
        plane = np.eye(r)
        plane[i : i + 2, i : i + 2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        out = out @ plane
    return out


def gradient_step(
    A: Float[np.ndarray, "*T r n"], B: Float[np.ndarray, "*T m r"], wanted: Float[np.ndarray, "m n"], lr: float
) -> tuple[Float[np.ndarray, "*T r n"], Float[np.ndarray, "*T m r"]]:
    """Both factors after one step of size ``lr`` down L = ½‖B A − wanted‖²."""
    missing = B @ A - wanted
    return A - lr * np.swapaxes(B, -1, -2) @ missing, B - lr * missing @ np.swapaxes(A, -1, -2)


def balance(A: Float[np.ndarray, "*T r n"], B: Float[np.ndarray, "*T m r"]) -> Float[np.ndarray, "*T r r"]:
    """BᵀB − AAᵀ, which gradient flow conserves."""
    return np.swapaxes(B, -1, -2) @ B - A @ np.swapaxes(A, -1, -2)


def balance_drift(
    A: Float[np.ndarray, "r n"], B: Float[np.ndarray, "m r"], wanted: Float[np.ndarray, "m n"], lr: float, steps: int
) -> float:
    """‖change of the balance‖ over so many gradient steps; NaN where they diverge."""
    start = balance(A, B)
    for _ in range(steps):
        A, B = gradient_step(A, B, wanted, lr)
        if not np.abs(B).max() < 1e6:
            return float("nan")
    return float(np.linalg.norm(balance(A, B) - start))


def product_jacobian(A: Float[np.ndarray, "r n"], B: Float[np.ndarray, "m r"]) -> Float[np.ndarray, "parameters"]:
    """Singular values of (dB, dA) ↦ dB A + B dA: how many are not 0 is how many ways the product can move."""
    whole = np.hstack([np.kron(np.eye(len(B)), A.T), np.kron(B, np.eye(A.shape[1]))])
    found = np.linalg.svd(whole, compute_uv=False)
    return np.pad(found, (0, whole.shape[1] - len(found)))
