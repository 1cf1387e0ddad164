"""Clouds of points: how far their axes reach, where they are looked at from, and how they are drawn standing still."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

__all__ = ["limit", "still_points", "view"]

USUAL_VIEW = (-0.65, 0.42)  # yaw and pitch in radians


def limit(*sets: Float[np.ndarray, "... d"]) -> float:
    """How far the axes reach if every point is to lie inside the picture from wherever it is seen.

    The picture shows 1.35 times as much where it turns, else 1.2 times; what is left beyond the points is for their
    own size.
    """
    beyond = 1.25 if sets[0].shape[-1] == 3 else 1.12
    return max(float(np.linalg.norm(points, axis=-1).max(initial=0.0)) for points in sets) / beyond or 1.0


def view(basis: Float[np.ndarray, "k d"]) -> tuple[float, float]:
    """Yaw and pitch from which a subspace is neither edge-on nor face-on: a plane should look like one."""
    rows = basis[np.isfinite(basis).all(axis=1)]
    if basis.shape[1] != 3 or len(rows) not in (1, 2):
        return USUAL_VIEW
    normal = np.cross(rows[0], rows[1]) if len(rows) == 2 else rows[0]
    wanted = 0.75 if len(rows) == 2 else 0.2  # |cosine| between the line of sight and the normal, or the line
    best, found = np.inf, USUAL_VIEW
    for yaw in np.linspace(-np.pi, np.pi, 37):
        for pitch in (0.3, 0.42, 0.55):
            sight = np.array([-np.sin(yaw) * np.cos(pitch), np.cos(yaw) * np.cos(pitch), -np.sin(pitch)])
            miss = abs(abs(sight @ normal) / np.linalg.norm(normal) - wanted) + 0.02 * abs(yaw + 0.65)
            if miss < best:
                best, found = miss, (float(yaw), pitch)
    return found


def still_points(points: Float[np.ndarray, "n d"], **trace: object) -> go.Scatter | go.Scatter3d:
    """Points in 1, 2 or 3 dimensions as a trace of a still figure; on a line they lie at height 0."""
    flat = np.hstack([points, np.zeros((len(points), max(0, 2 - points.shape[1])))])
    kind = go.Scatter3d if flat.shape[1] == 3 else go.Scatter
    return kind(**dict(zip("xyz", flat.T, strict=False)), **trace)
