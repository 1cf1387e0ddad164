"""The time that rooms are kept by: the wall's when the process began, and from then on one that nobody sets.

A machine whose clock is put right in the middle of a lecture would otherwise end every room, or keep none from ending.
"""

from __future__ import annotations

import time

__all__ = ["now"]

_BEGAN = time.time() - time.monotonic()


def now() -> float:
    """Seconds since 1970, as the clock stood when this process began."""
    return _BEGAN + time.monotonic()
