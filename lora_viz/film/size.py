"""How large may a film be? Counted before it is packed: what a browser is sent has a limit, whatever a file asks."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from lora_viz.core.refusals import Refusal
from lora_viz.film.protocol import FilmError
from lora_viz.i18n.language import say

__all__ = ["FILM_MOST", "FilmTooLarge", "check_size", "packed_size"]

FILM_MOST = 64_000_000  # bytes; the largest of the lessons has a tenth


class FilmTooLarge(FilmError, Refusal):
    """One sentence: how large it would be, and what is allowed."""


def packed_size(value: Any) -> int:
    """About how many bytes it takes packed: arrays as float32, texts as they are."""
    if isinstance(value, np.ndarray):
        return 4 * value.size
    if isinstance(value, str):
        return len(value) + 3
    if isinstance(value, tuple):
        return 2 + sum(map(packed_size, value))
    if is_dataclass(value):
        return sum(len(field.name) + 4 + packed_size(getattr(value, field.name)) for field in fields(value))
    return 8


def check_size(film: Any, most: int = FILM_MOST) -> None:
    """Raise FilmTooLarge where a browser would be sent more than ``most`` bytes."""
    size = packed_size(film)
    if size > most:
        raise FilmTooLarge(say("The moving picture would have {size:,.0f} MB: up to {most:,.0f} are sent to a browser. "
                               "Its numbers can be taken along below.", size=size / 1e6, most=most / 1e6))  # fmt: skip
