"""Sentences that several lessons say alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import ParamSpec

import numpy as np

from lora_viz.film.style import number
from lora_viz.i18n.language import say

__all__ = ["adapters_diverged", "exactly", "sentences", "share_of_loss", "step_or_never"]

P = ParamSpec("P")


def sentences(told: Callable[P, Iterator[str]]) -> Callable[P, str]:
    """The function whose text is the sentences that this one yields."""

    @wraps(told)
    def text(*given: P.args, **named: P.kwargs) -> str:
        return " ".join(told(*given, **named))

    return text


def exactly(value: float) -> str:
    """The number in words, where an exact zero is worth saying."""
    return say("0 exactly") if value == 0 else number(value)


def share_of_loss(left: float) -> str:
    """What is left of the loss, in percent; below a hundredth of one training has found it all."""
    if left != left:
        return say("nothing finite")
    return say("less than 0.01 %") if left < 1e-4 else f"{number(100 * left)} %"


def step_or_never(step: float) -> str:
    """The step in words, where some never arrive: ∞."""
    return f"{step:.0f}" if np.isfinite(step) else say("never")


def adapters_diverged(diverged: int, adapters: int) -> str:
    """How many of a lesson's adapters diverged, and what helps."""
    return say(
        "{diverged} of {adapters} adapters diverged: lower the learning rate.", diverged=diverged, adapters=adapters
    )
