"""Spreads over seeds in words and in tables: (low, median, high; …), as ``core.seeds.spread`` gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from jaxtyping import Float

from lora_viz.film.style import number
from lora_viz.i18n.language import decimal, say

__all__ = ["LOW_TO_HIGH", "low_to_high", "ranged", "readings", "spread_columns"]

LOW_TO_HIGH = ("low", "median", "high")


def ranged(spread: Float[np.ndarray, "3"], form: Callable[[float], str] = number) -> str:
    """One spread as "median (low to high)", each written by ``form``; an end that is the median is not said again."""
    low, median, high = (decimal(form(float(x))) for x in spread)
    if low == high == median:
        return median
    if high == median:
        return say("{median} (from {low})", median=median, low=low)
    return say("{median} ({low} to {high})", median=median, low=low, high=high)


def low_to_high(values: Iterable[float], form: Callable[[float], str] = number) -> str:
    """The least and the greatest of these as "1 to 8", each written by ``form``; one alone where both read alike."""
    held = tuple(values)
    low, high = (decimal(form(end)) for end in (min(held), max(held)))
    return low if low == high else say("{low} to {high}", low=low, high=high)


def readings(
    spread: Float[np.ndarray, "3 T"], form: Callable[[Float[np.ndarray, "3"]], str] = ranged
) -> tuple[str, ...]:
    """One text a frame."""
    return tuple(form(spread[:, t]) for t in range(spread.shape[1]))


def spread_columns(name: str, spread: Float[np.ndarray, "3 ..."]) -> dict[str, np.ndarray]:
    """Three columns, ``name_low``, ``name_median`` and ``name_high``."""
    return {f"{name}_{end}": values.ravel() for end, values in zip(LOW_TO_HIGH, spread, strict=True)}
