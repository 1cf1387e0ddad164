"""Where rooms are kept: one interface, and the store in this process's memory.

Rooms end after four hours, and are bounded in number, phones and bytes. What cannot be raises RoomError: 404 no such
room, 403 a phone that is not in it, 409 a question that takes no answers, 503 and 507 what is full.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from lora_viz.i18n.language import say
from lora_viz.rooms.clock import now
from lora_viz.rooms.limits import Buckets, Limit
from lora_viz.rooms.question import Answer
from lora_viz.rooms.refused import RoomError
from lora_viz.rooms.room import Event, Room, happened

__all__ = [
    "MOST_BYTES", "MOST_PHONES", "MOST_ROOMS", "Counts", "Memory", "Store", "packed", "read", "too_many", "wrong",
]  # fmt: skip

MOST_ROOMS, MOST_PHONES = 200, 2000
MOST_BYTES = 16 << 20  # of a room's answers


class Counts(NamedTuple):
    """How many phones are in the room, and how many have answered this round."""

    phones: int
    answered: int


class Store(Protocol):
    """Rooms and their answers. ``remote``: asking it takes a network, so it is asked in a thread."""

    remote: bool

    def add(self, room: Room) -> bool:
        """Keep a new room; False: its code is taken. Raises RoomError: there are too many."""

    def get(self, code: str) -> Room:
        """The room of this code. Raises RoomError."""

    def change(self, code: str, event: Event) -> Room:
        """The room after this event. Raises RoomError: nothing changed."""

    def remove(self, code: str) -> None:
        """Forget the room and its answers."""

    def join(self, code: str, phone: str) -> None:
        """Let this phone in. Raises RoomError."""

    def put(self, code: str, place: int, phone: str, nth: int, value: str) -> bool:
        """Keep a phone's ``nth`` answer to this round; False: it was here before. Raises RoomError: nothing changed."""

    def answers(self, code: str, place: int) -> tuple[Answer, ...]:
        """The answers to this round, in no order that tells whose they are. Raises RoomError."""

    def counts(self, code: str, place: int | None) -> Counts:
        """How many there are. Raises RoomError."""

    def versions(self, codes: Iterable[str]) -> dict[str, int]:
        """The versions of those of these rooms that there are."""

    def allows(self, limit: Limit, client: str, costs: float = 1.0) -> bool:
        """Whether this client may once more, counted by all who share this store; ``costs`` 0 only asks."""


def wrong(why: str) -> RoomError:
    """What a store says: ``why`` is one of gone, unknown, hidden, full, closed, older."""
    return {
        "gone": lambda: RoomError(say("There is no room of this code, or it has ended: check the four letters."), 404),
        "unknown": lambda: RoomError(say("This phone is not in the room: scan the code again."), 403),
        "hidden": lambda: RoomError(say("The room takes nobody new at the moment: ask whoever presents."), 403),
        "full": lambda: RoomError(say("The room is full: it takes {most} phones.", most=MOST_PHONES), 507),
        "heavy": lambda: RoomError(say("The room holds as many answers as it can: open a new one."), 507),
        "closed": lambda: RoomError(say("This question takes no answers any more: it came too late."), 409),
        "older": lambda: RoomError(say("This answer is older than the one that is here: the newer one stays."), 409),
    }[why]()


def too_many() -> RoomError:
    """What is said where no room more is opened."""
    return RoomError(say("There are {most} rooms already: try again later.", most=MOST_ROOMS), 503)


def packed(answer: Answer) -> str:
    """An answer as it is kept."""
    return json.dumps(answer, separators=(",", ":"))


def read(kept: str) -> Answer:
    """What ``packed`` wrote."""
    value = json.loads(kept)
    return tuple(value) if isinstance(value, list) else value


@dataclass(slots=True)
class _Kept:
    """A room with its phones, and of each round the last answer of each phone and the how-manieth that was."""

    room: Room
    phones: set[str] = field(default_factory=set)
    rounds: dict[int, dict[str, tuple[int, str]]] = field(default_factory=dict)
    bytes: int = 0


class Memory:
    """The store of one process: what is in it ends with the process."""

    remote = False

    def __init__(self, clock: Callable[[], float] = now) -> None:
        self._clock, self._lock, self._rooms = clock, threading.Lock(), dict[str, _Kept]()
        self._buckets = Buckets(clock)

    def add(self, room: Room) -> bool:
        with self._lock:
            now = self._clock()
            self._rooms = {code: kept for code, kept in self._rooms.items() if kept.room.expires > now}
            if room.code in self._rooms:
                return False
            if len(self._rooms) >= MOST_ROOMS:
                raise too_many()
            self._rooms[room.code] = _Kept(room)
            return True

    def get(self, code: str) -> Room:
        with self._lock:
            return self._found(code).room

    def change(self, code: str, event: Event) -> Room:
        with self._lock:
            kept = self._found(code)
            kept.room = happened(kept.room, event, self._clock())
            return kept.room

    def remove(self, code: str) -> None:
        with self._lock:
            self._rooms.pop(code, None)

    def join(self, code: str, phone: str) -> None:
        with self._lock:
            kept = self._found(code)
            if phone in kept.phones:
                return
            if kept.room.hidden:
                raise wrong("hidden")
            if len(kept.phones) >= MOST_PHONES:
                raise wrong("full")
            kept.phones.add(phone)

    def put(self, code: str, place: int, phone: str, nth: int, value: str) -> bool:
        with self._lock:
            kept = self._found(code)
            if phone not in kept.phones:
                raise wrong("unknown")
            if kept.room.open != place:
                raise wrong("closed")
            given = kept.rounds.setdefault(place, {})
            before, was = given.get(phone, (0, ""))
            if nth == before and value == was:
                return False
            if nth <= before:
                raise wrong("older")
            if kept.bytes + len(value) > MOST_BYTES:
                raise wrong("heavy")
            kept.bytes += len(value) - len(was)
            given[phone] = (nth, value)
            return True

    def answers(self, code: str, place: int) -> tuple[Answer, ...]:
        with self._lock:
            given = self._found(code).rounds.get(place, {})
            return tuple(map(read, sorted(value for _, value in given.values())))

    def counts(self, code: str, place: int | None) -> Counts:
        with self._lock:
            kept = self._found(code)
            return Counts(len(kept.phones), 0 if place is None else len(kept.rounds.get(place, {})))

    def versions(self, codes: Iterable[str]) -> dict[str, int]:
        with self._lock:
            now = self._clock()
            found = ((code, self._rooms.get(code)) for code in codes)
            return {code: kept.room.version for code, kept in found if kept is not None and kept.room.expires > now}

    def allows(self, limit: Limit, client: str, costs: float = 1.0) -> bool:
        return self._buckets.allows(limit, client, costs)

    def _found(self, code: str) -> _Kept:
        kept = self._rooms.get(code)
        if kept is None or kept.room.expires <= self._clock():
            self._rooms.pop(code, None)
            raise wrong("gone")
        return kept
