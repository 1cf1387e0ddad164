"""The files of all visitors together, held in memory up to a limit: the oldest are let go for the new.

``HELD`` are those of this process. The environment variable LORA_PLAYGROUND_UPLOADS_MB sets its limit, 1000 at first,
100 on a host with little memory.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Hashable

from lora_viz.adapters.source import InMemory
from lora_viz.core.host import limit

__all__ = ["HELD", "HeldFiles"]

LEAST = 4096  # bytes that even an empty file counts for: its name and its place cost memory too
NAMES_MOST = 100_000  # files of which is still known that they were let go


class HeldFiles:
    """Files by their key, each with an owner. No thread needs to hold anything while it asks."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._lock = threading.Lock()
        self._files: OrderedDict[Hashable, tuple[Hashable, InMemory]] = OrderedDict()  # oldest first
        self._gone: OrderedDict[Hashable, tuple[Hashable, InMemory]] = OrderedDict()
        self._dropped: weakref.WeakSet[InMemory] = weakref.WeakSet()  # no longer wanted, but still shown somewhere
        self._bytes = 0  # of ``_files``

    def keep(self, key: Hashable, owner: Hashable, name: str, data: bytes) -> InMemory:
        """Hold a file, and let go the oldest until all fit; one that is larger than the limit is let go at once."""
        held = InMemory(data, name)
        with self._lock:
            self._drop(key)
            self._files[key] = owner, held
            self._bytes += _size(held)
            if self._bytes + sum(map(_size, self._dropped)) > self.most:
                for old in self._dropped:
                    old.let_go()
            while self._bytes > self.most:
                oldest, (whose, old) = self._files.popitem(last=False)
                self._bytes -= _size(old)
                old.let_go()
                self._gone[oldest] = whose, old
            while len(self._gone) > NAMES_MOST:
                self._gone.popitem(last=False)
        return held

    def find(self, key: Hashable) -> InMemory | None:
        """The file, maybe let go; None where there is none of this key."""
        with self._lock:
            found = self._files.get(key) or self._gone.get(key)
        return None if found is None else found[1]

    def drop(self, key: Hashable) -> None:
        """Its owner wants it no longer. It counts for as long as somebody else still holds it."""
        with self._lock:
            self._drop(key)

    def drop_all(self, owner: Hashable) -> None:
        """The same with every file of this owner."""
        with self._lock:
            for files in (self._files, self._gone):
                for key in [key for key, (whose, _) in files.items() if whose == owner]:
                    self._drop(key)

    @property
    def bytes(self) -> int:
        """What is held now."""
        with self._lock:
            return self._bytes + sum(map(_size, self._dropped))

    def _drop(self, key: Hashable) -> None:
        self._gone.pop(key, None)
        found = self._files.pop(key, None)
        if found is not None:
            self._bytes -= _size(found[1])
            self._dropped.add(found[1])


def _size(held: InMemory) -> int:
    return 0 if held.gone else max(LEAST, len(held))


HELD = HeldFiles(limit("LORA_PLAYGROUND_UPLOADS_MB", 1000, 100) * 1_000_000)
