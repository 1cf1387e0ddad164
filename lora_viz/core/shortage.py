"""What is said when the machine has no memory, no thread or no room on its disk left: a sentence, not a traceback."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from lora_viz.core.refusals import Refusal
from lora_viz.i18n.language import say

__all__ = ["NO_ROOM", "OutOfMemory", "told_when_short"]

# A file cannot be written because nothing more fits, or because nothing may be written there at all.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
# How torch and Python tell it in a RuntimeError; NumPy and Python's own objects raise MemoryError.
_SIGNS = ("can't allocate memory", "out of memory", "not enough memory", "can't start new thread")


class OutOfMemory(Refusal):
    """This needs more memory than there is now."""


@contextmanager
def told_when_short() -> Iterator[None]:
    """Raises OutOfMemory for every way in which a library says that memory or threads are used up."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(sign in str(error) for sign in _SIGNS):
            raise
        raise OutOfMemory(
            say("This takes more memory than the server has now: choose something smaller, or try again in a minute.")
        ) from error
