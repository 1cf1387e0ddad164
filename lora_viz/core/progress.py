"""What a long computation says between its chunks, and where it lets itself be stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

__all__ = ["Progress", "give_way", "giving_way"]


class Progress(NamedTuple):
    """The share of the work that is done, 0 to 1, what there is to say of it, and maybe a coarse result to show now."""

    share: float
    said: str = ""
    preview: Any = None


_asked: ContextVar[Callable[[], None] | None] = ContextVar("heeded", default=None)


def give_way() -> None:
    """Give way, or stop, as whoever asked for this work wants it: for long loops, every few milliseconds.

    Raises what ``giving_way`` was given raises; does nothing where nobody asked.
    """
    call = _asked.get()
    if call is not None:
        call()


@contextmanager
def giving_way(call: Callable[[], None]) -> Iterator[None]:
    """Within this block ``give_way`` calls ``call``."""
    before = _asked.set(call)
    try:
        yield
    finally:
        _asked.reset(before)
