"""What became of the computations that were asked for: counts that only grow, and what each one took."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Literal, NamedTuple

__all__ = ["Counts", "End", "Heard", "Took"]

End = Literal["computed", "failed", "dropped"]


class Took(NamedTuple):
    """One computation that has ended. ``dropped`` is one for which nobody waited any more, once it had begun."""

    key: Hashable
    end: End
    waited: float  # seconds from the first asking until it began
    ran: float  # seconds from its beginning to its end, with pauses and with what it asked for inside
    cpu: float  # seconds of its thread's processor time in them
    inside: bool  # computed inside another one, whose ``ran`` and ``cpu`` hold these


class Counts(NamedTuple):
    """How many askers found a result (``kept``), waited for one under way (``joined``), or had one begun (``asked``);
    how the begun ones ended; and what there is now.
    """

    kept: int = 0
    joined: int = 0
    asked: int = 0
    computed: int = 0
    failed: int = 0
    dropped: int = 0
    queued: int = 0  # now: not begun
    running: int = 0  # now: threads at work, those that give way among them
    bytes: int = 0  # now: what is kept


Heard = Callable[[Took], None]
