"""The rooms of this process: in its memory, or in Redis or Valkey where ``LORA_PLAYGROUND_REDIS`` names one."""

from __future__ import annotations

import os
from functools import cache
from typing import NamedTuple

from lora_viz.i18n.language import say
from lora_viz.rooms.clock import now
from lora_viz.rooms.limits import Limit
from lora_viz.rooms.refused import RoomError
from lora_viz.rooms.room import Room, drawn_code, drawn_secret, opened
from lora_viz.rooms.store import Memory, Store

__all__ = ["SHARED", "Key", "open_room", "store"]

SHARED = "LORA_PLAYGROUND_REDIS"  # redis://host:6379/0
_OPENING = Limit("opening", 12, 1 / 60)
_DRAWS = 50


class Key(NamedTuple):
    """What a presenter has of a room: its code, which everybody may know, and the secret, which nobody else may."""

    code: str
    secret: str


@cache
def store() -> Store:
    """Where this process keeps its rooms. Raises ValueError: what the environment names cannot be used."""
    named = os.environ.get(SHARED, "").strip()
    if not named:
        return Memory()
    try:
        from lora_viz.rooms.shared_store import Shared  # needs a package that nothing else does
    except ModuleNotFoundError:
        raise ValueError(f"{SHARED} is set, but the package redis is not installed: pip install redis.") from None
    try:
        return Shared(named)
    except ValueError as error:
        raise ValueError(f"{SHARED} is no address of a Redis ({error}). Valid: redis://host:6379/0.") from None


def open_room(client: str = "", kept: Store | None = None) -> tuple[Room, Key]:
    """A new room and its key. Raises RoomError: this client opened too many, or there are too many."""
    own = kept or store()
    if client and not own.allows(_OPENING, client):
        raise RoomError(say("Too many rooms were opened from here: wait a minute."), 429)
    for _ in range(_DRAWS):
        key = Key(drawn_code(), drawn_secret())
        room = opened(key.code, key.secret, now())
        if own.add(room):
            return room, key
    raise RoomError(say("No free code was found: try again."), 503)
