"""What do several seeds say together? Least, median and most, with the diverged among them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

__all__ = ["spread"]


def spread(values: Float[np.ndarray, "*shape N"]) -> Float[np.ndarray, "3 *shape"]:
    """Least, median and most over the last axis: of those that are numbers, and NaN where most are not.

    The median counts what is NaN as largest: one diverged run of eight moves it up by half a place, not out.
    """
    ordered = np.sort(values, axis=-1)  # NaN last
    n = values.shape[-1]
    alive = np.isfinite(ordered).sum(axis=-1)
    most = np.take_along_axis(ordered, np.maximum(alive - 1, 0)[..., None], axis=-1)[..., 0]
    middle = 0.5 * (ordered[..., (n - 1) // 2] + ordered[..., n // 2])
    return np.where(np.isfinite(middle), np.stack([ordered[..., 0], middle, most]), np.nan)
