"""Statistics over repeated trials (seeds, draws, tasks): spread, steps to a level, exponents of power laws.

One rule for what did not end well: a trial that diverged (NaN) or never arrived (∞) counts as the worst there was.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float

__all__ = ["first_below", "log_slope", "spread"]


def spread(
    values: Float[np.ndarray, "..."], *, axis: int, worst: Literal["most", "least"] = "most"
) -> Float[np.ndarray, "3 ..."]:
    """Least, median and most over one axis, stacked in front of the others.

    The median is the usual one, the mean of the two in the middle where the count is even. What is NaN is ordered last,
    after ∞, as the worst (``worst="least"``, where more is better: first): one diverged trial of eight moves the median
    by half a place, not out, and where one in the middle is NaN so is the median. Least and most are those of the
    trials that are not NaN; NaN where there is none. ∞ counts as the most there is.
    """
    if worst == "least":
        return -spread(-values, axis=axis)[::-1]
    ordered = np.sort(np.moveaxis(values, axis, 0), axis=0)  # NaN last
    n = len(ordered)
    last = np.maximum((~np.isnan(ordered)).sum(axis=0) - 1, 0)
    most = np.take_along_axis(ordered, last[None], axis=0)[0]
    return np.stack([ordered[0], 0.5 * (ordered[(n - 1) // 2] + ordered[n // 2]), most])


def first_below(
    steps: Float[np.ndarray, "T"], curve: Float[np.ndarray, "T N"], level: Float[np.ndarray, "N"]
) -> Float[np.ndarray, "N"]:
    """The step at which each curve first reaches its level, read between two records on a log axis; ∞ if never."""
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
