"""Sentences that several lessons say alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import ParamSpec

from lora_viz.film.style import number
from lora_viz.i18n.language import say

__all__ = ["adapters_diverged", "exactly", "in_one_text", "share_of_loss"]

P = ParamSpec("P")


def in_one_text(sentences: Callable[P, Iterator[str]]) -> Callable[P, str]:
    """The function that gives all of these sentences as one text."""

    @wraps(sentences)
    def told(*args: P.args, **kwargs: P.kwargs) -> str:
        return " ".join(sentences(*args, **kwargs))

    return told


def exactly(value: float) -> str:
    """The number in words, where an exact zero is worth saying."""
    return say("0 exactly") if value == 0 else number(value)


def share_of_loss(left: float) -> str:
    """What is left of the loss, in percent; below a hundredth of one training has found it all."""
    if left != left:
        return say("nothing finite")
    return say("less than 0.01 %") if left < 1e-4 else f"{number(100 * left)} %"


def adapters_diverged(diverged: int, adapters: int) -> str:
    """How many of a lesson's adapters diverged, and what helps."""
    return say(
        "{diverged} of {adapters} adapters diverged: lower the learning rate.", diverged=diverged, adapters=adapters
    )
