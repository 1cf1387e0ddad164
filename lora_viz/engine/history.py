"""What the steps of a run leave behind, on whichever device they were taken, and when a step is no step any more."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor

__all__ = ["LONGEST_STEP", "History"]

# A step longer than this is no step any more: a few more, each the cube of the last, and there are no numbers left.
LONGEST_STEP = 1e8


class History(NamedTuple):
    """What is left of a run: states (T, flat), row norms of both gradients (2, T, total), who froze when (N)."""

    states: Tensor
    norms: Tensor
    diverged_at: np.ndarray
