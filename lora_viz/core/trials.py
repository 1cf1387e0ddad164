"""What do several trials say together? Medians with their range, steps to a level, slopes on log axes."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

__all__ = ["first_below", "log_slope", "spread"]


def spread(values: Float[np.ndarray, "S *k"]) -> Float[np.ndarray, "3 *k"]:
    """Least, median and most over the first axis, NaN left out: the median is a trial's own number. NaN where none is.

    An infinite entry counts as the most there is: a trial that never arrived.
    """
    ordered = np.sort(values, axis=0)  # NaN last
    counts = (~np.isnan(ordered)).sum(axis=0)
    found = [
        np.take_along_axis(ordered, at[None], axis=0)[0]
        for at in (np.zeros_like(counts), np.maximum(counts - 1, 0) // 2, np.maximum(counts - 1, 0))
    ]
    return np.stack(found)


def first_below(
    steps: Float[np.ndarray, "T"], curve: Float[np.ndarray, "T N"], level: Float[np.ndarray, "N"]
) -> Float[np.ndarray, "N"]:
    """At which step does each curve first reach its level? Read between two records on a log axis; ∞ if never."""
    with np.errstate(invalid="ignore"):
        below = curve <= level
    found = np.full(curve.shape[1], np.inf)
    for i in np.flatnonzero(below.any(axis=0)):
        t = int(np.argmax(below[:, i]))
        found[i] = steps[t]
        if t and curve[t, i] > 0:
            high, low = np.log(curve[t - 1, i] / level[i]), np.log(curve[t, i] / level[i])
            found[i] = steps[t - 1] + (steps[t] - steps[t - 1]) * high / (high - low)
    return found


def log_slope(x: Float[np.ndarray, "k"], y: Float[np.ndarray, "k"]) -> float:
    """The exponent p of the y ∝ x^p that fits best on log axes; NaN with fewer than two positive points."""
    fine = (x > 0) & (y > 0) & np.isfinite(x) & np.isfinite(y)
    if fine.sum() < 2:
        return float("nan")
    return float(np.polyfit(np.log(x[fine]), np.log(y[fine]), 1)[0])
