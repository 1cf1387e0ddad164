"""Decks that visitors brought, found again by their content: after a reload, and by whoever has the link.

A link names such a deck by a fingerprint that nobody guesses. The server forgets the one that was asked for longest
ago, and all of them when it ends.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from hashlib import sha256

from lora_viz.content.decks.scenes import Deck

__all__ = ["MOST", "is_own", "keep", "kept"]

MOST = 64  # decks of at most 64 kB each
_BEGINS = "own-"
_decks: OrderedDict[str, Deck] = OrderedDict()
_lock = threading.Lock()


def is_own(name: str) -> bool:
    """Whether a link's name is that of a deck that somebody brought."""
    return name.startswith(_BEGINS)


def keep(deck: Deck) -> str:
    """The name under which this deck is found from now on: the same for the same content."""
    name = _BEGINS + sha256(repr(deck).encode()).hexdigest()[:16]
    with _lock:
        _decks[name] = deck
        _decks.move_to_end(name)
        while len(_decks) > MOST:
            _decks.popitem(last=False)
    return name


def kept(name: str) -> Deck | None:
    """The deck of this name, if it has not been forgotten."""
    with _lock:
        if name in _decks:
            _decks.move_to_end(name)
        return _decks.get(name)
