"""How far a long computation is: what it says between its chunks, before its result."""

from typing import NamedTuple

__all__ = ["Progress"]


class Progress(NamedTuple):
    """The share of the work that is done, 0 to 1, and what there is to say of it."""

    share: float
    said: str = ""
