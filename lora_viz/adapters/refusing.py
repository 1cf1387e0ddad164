"""How a file is refused: one kind of error, one sentence, and what is from the file said in a few printable letters."""

from __future__ import annotations

import reprlib

from lora_viz.core.refusals import Refusal

__all__ = ["AdapterError", "short"]

_FEW = reprlib.Repr()  # what is nested deep or has thousands of digits is never written out whole
_FEW.maxlevel, _FEW.maxlist, _FEW.maxdict, _FEW.maxtuple, _FEW.maxstring, _FEW.maxlong = 3, 8, 4, 8, 60, 60


class AdapterError(Refusal):
    """One sentence that names what was given and what is allowed."""


def short(given: object, most: int = 60) -> str:
    """A value from a file, fit to stand in a sentence: printable, and no longer than it needs to be."""
    if isinstance(given, str):
        text: str = given[: most + 1]
    elif isinstance(given, int) and abs(given) >= 10**60:
        text = "10⁶⁰ …"  # Python refuses to write numbers of 4,300 digits
    else:
        text = str(given) if isinstance(given, int | float) else _FEW.repr(given)
    seen = "".join(c if c.isprintable() else "?" for c in text[: most + 1])
    return seen if len(seen) <= most else seen[: most - 1] + "…"
