"""The files of all visitors together, held in memory up to a limit: the oldest are let go for the new.

``HELD`` are those of this process. The environment variable LORA_PLAYGROUND_UPLOADS_MB sets its limit, 1000 at first.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Hashable

from lora_viz.adapters.source import InMemory

__all__ = ["HELD", "HeldFiles"]

LEAST = 4096  # bytes that even an empty file counts for: its name and its place cost memory too


class HeldFiles:
    """Files by their key, each with an owner. No thread needs to hold anything while it asks."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._lock = threading.Lock()
        self._files: OrderedDict[Hashable, tuple[Hashable, InMemory]] = OrderedDict()  # oldest first
        self._dropped: weakref.WeakSet[InMemory] = weakref.WeakSet()  # no longer wanted, but still shown somewhere

    def keep(self, key: Hashable, owner: Hashable, name: str, data: bytes) -> InMemory:
        """Hold a file, and let go the oldest until all fit; one that is larger than the limit is let go at once."""
        held = InMemory(data, name)
        with self._lock:
            self._drop(key)
            self._files[key] = owner, held
            self._make_room()
        return held

    def find(self, key: Hashable) -> InMemory | None:
        """The file, maybe let go; None where there is none of this key."""
        found = self._files.get(key)
        return None if found is None else found[1]

    def drop(self, key: Hashable) -> None:
        """Its owner wants it no longer. It counts for as long as somebody else still holds it."""
        with self._lock:
            self._drop(key)

    def drop_all(self, owner: Hashable) -> None:
        """The same with every file of this owner."""
        with self._lock:
            for key in [key for key, (whose, _) in self._files.items() if whose == owner]:
                self._drop(key)

    @property
    def bytes(self) -> int:
        """What is held now."""
        with self._lock:
            return self._size()

    def _drop(self, key: Hashable) -> None:
        found = self._files.pop(key, None)
        if found is not None and not found[1].gone:
            self._dropped.add(found[1])

    def _size(self) -> int:
        files = (*(held for _, held in self._files.values()), *self._dropped)
        return sum(LEAST if held.gone else max(LEAST, len(held)) for held in files)

    def _make_room(self) -> None:
        over = self._size() - self.most
        for held in [*self._dropped, *(held for _, held in self._files.values())]:
            if over <= 0:
                return
            if not held.gone:
                over -= max(LEAST, len(held)) - LEAST
                held.let_go()
        while over > 0 and len(self._files) > 1:  # so many that their names alone are too much
            self._files.popitem(last=False)
            over -= LEAST


def _limit() -> int:
    given = os.environ.get("LORA_PLAYGROUND_UPLOADS_MB", "1000")
    if not given.isascii() or not given.isdigit() or len(given) > 9:
        raise ValueError(f"LORA_PLAYGROUND_UPLOADS_MB={given} is not possible: allowed is a whole number of megabytes.")
    return int(given) * 1_000_000


HELD = HeldFiles(_limit())
