"""What a test expects of a page is seen within a tenth of a second after it came, not within half a second."""

from __future__ import annotations

import time
from functools import wraps
from typing import Any

from playwright._impl.frame import Frame

__all__ = ["SPAN", "look_often"]

SPAN = 2_400  # ms: the driver looks each half second, but each tenth where it may wait for less than 2.5 seconds


def look_often() -> None:
    """Ask the driver again and again for a short span, until what is expected came or its own time has passed.

    What is expected and how long it may take stay as they are; only the pauses between two looks are shorter.
    """
    once = Frame._expect

    @wraps(once)
    async def expected(self: Frame, selector: Any, expression: str, options: Any, title: Any) -> Any:
        end = time.monotonic() + options["timeout"] / 1000
        while True:
            left = max((end - time.monotonic()) * 1000, 1)
            result = await once(self, selector, expression, options | {"timeout": min(left, SPAN)}, title)
            over = result["matches"] != bool(options.get("isNot")) or left <= SPAN
            if over or not result.get("timedOut"):
                return result

    Frame._expect = expected  # type: ignore[method-assign]
