"""What a long computation says between its chunks, before its result."""

from typing import Any, NamedTuple

__all__ = ["Progress"]


class Progress(NamedTuple):
    """The share of the work that is done, 0 to 1, what there is to say of it, and maybe a coarse result to show now."""

    share: float
    said: str = ""
    preview: Any = None
