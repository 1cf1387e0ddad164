"""Sentences that several lessons say alike."""

from __future__ import annotations

import numpy as np

from lora_viz.film.style import number
from lora_viz.i18n.language import say

__all__ = ["adapters_diverged", "exactly", "step_or_never"]


def exactly(value: float) -> str:
    """The number in words, where an exact zero is worth saying."""
    return say("0 exactly") if value == 0 else number(value)


def step_or_never(step: float) -> str:
    """The step in words, where some never arrive: ∞."""
    return f"{step:.0f}" if np.isfinite(step) else say("never")


def adapters_diverged(diverged: int, adapters: int) -> str:
    """How many of a lesson's adapters diverged, and what helps."""
    return say(
        "{diverged} of {adapters} adapters diverged: lower the learning rate.", diverged=diverged, adapters=adapters
    )
