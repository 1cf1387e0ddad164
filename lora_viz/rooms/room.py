"""A room as an immutable state, and what can happen to it. Answers stand beside it (``store``), one a phone and round.

``happened(room, event, now)`` is the room after an event, one version further, or a RoomError: nothing changed.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b, sha256
from hmac import compare_digest
from typing import Any, Literal, NamedTuple

from lora_viz.i18n.language import say
from lora_viz.rooms.question import Question
from lora_viz.rooms.refused import RoomError

__all__ = [
    "LETTERS", "LIFETIME", "MOST_ROUNDS", "Asked", "Closed", "Event", "Extended", "Hidden", "Measured", "Room", "Round",
    "Skipped", "drawn_code", "drawn_secret", "happened", "is_presenter", "is_token", "opened", "plain_code", "token_of",
]  # fmt: skip

LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # without vowels no word comes out, and none looks like another
LIFETIME = 4 * 3600.0  # seconds
MOST_ROUNDS = 200
_LONGEST = 900.0  # seconds from now that a question's time may end
State = Literal["open", "closed", "measured", "skipped"]


@dataclass(frozen=True, slots=True)
class Round:
    """One question to the room: of which scene it is, when it was asked, until when time is given, how far it is.

    Time that is up closes nothing: answers count until the reveal. "closed": what the room thinks is shown;
    "measured": so is what was measured.
    """

    scene: str
    question: Question
    asked: float
    until: float
    state: State = "open"


@dataclass(frozen=True, slots=True)
class Room:
    """A room: its code, who presents (the digest of a secret), until when it lives, and its rounds.

    A ``hidden`` room's code is not on the wall, and nobody new gets in.
    """

    code: str
    presenter: str
    expires: float
    version: int = 0
    rounds: tuple[Round, ...] = ()
    hidden: bool = False

    @property
    def now(self) -> int | None:
        """The place of the last round; None before the first."""
        return len(self.rounds) - 1 if self.rounds else None

    @property
    def open(self) -> int | None:
        """The place of the round that takes answers; None: none does."""
        return self.now if self.rounds and self.rounds[-1].state == "open" else None

    def as_json(self) -> dict[str, Any]:
        """As a table of plain values."""
        rounds = [{**asdict(one), "question": one.question.as_json()} for one in self.rounds]
        return {**asdict(self), "rounds": rounds}

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Room:
        """What ``as_json`` wrote."""
        rounds = tuple(Round(**{**one, "question": Question.read(one["question"])}) for one in given["rounds"])
        return cls(**{**given, "rounds": rounds})


class Asked(NamedTuple):
    """A question is put on the phones. One that is still open is skipped for it."""

    scene: str
    question: Question
    seconds: float


class Extended(NamedTuple):
    """There is more time."""

    seconds: float = 30.0


class Closed(NamedTuple):
    """No answers from here on: what the room thinks is shown."""


class Measured(NamedTuple):
    """What was measured is shown."""


class Skipped(NamedTuple):
    """The open question is taken off the phones: nothing of it is shown or counted."""


class Hidden(NamedTuple):
    """The code is taken off the wall and nobody new gets in, or it is put back."""

    hidden: bool


Event = Asked | Extended | Closed | Measured | Skipped | Hidden


def happened(room: Room, event: Event, now: float) -> Room:
    """The room after this event. Raises RoomError (409): it cannot happen in this state."""
    room = replace(room, version=room.version + 1)
    match event:
        case Asked(scene, question, seconds):
            if len(room.rounds) >= MOST_ROUNDS:
                raise RoomError(say("A room takes {most} questions: open a new one.", most=MOST_ROUNDS), 409)
            before = room.rounds if room.open is None else _with_last(room, state="skipped").rounds
            return replace(room, rounds=(*before, Round(scene, question, now, now + min(seconds, _LONGEST))))
        case Extended(seconds):
            last = _last(room, "open")
            until = min(now + _LONGEST, max(now, last.until) + max(0.0, min(seconds, _LONGEST)))
            return _with_last(room, until=until)
        case Closed():
            _last(room, "open")
            return _with_last(room, state="closed")
        case Measured():
            _last(room, "closed")
            return _with_last(room, state="measured")
        case Skipped():
            _last(room, "open")
            return _with_last(room, state="skipped")
        case Hidden(hidden):
            return replace(room, hidden=hidden)


def _last(room: Room, state: State) -> Round:
    if not room.rounds or room.rounds[-1].state != state:
        has = room.rounds[-1].state if room.rounds else "none"
        raise RoomError(
            say("This needs a question in state {state}; this one is in state {has}.", state=state, has=has), 409
        )
    return room.rounds[-1]


def _with_last(room: Room, **changes: Any) -> Room:
    return replace(room, rounds=(*room.rounds[:-1], replace(room.rounds[-1], **changes)))


def drawn_code() -> str:
    """Four letters from the system's randomness: 160,000 codes."""
    return "".join(secrets.choice(LETTERS) for _ in range(4))


def drawn_secret() -> str:
    """128 bits that nobody can guess: a presenter's, or what a phone is known by."""
    return secrets.token_urlsafe(16)


def opened(code: str, secret: str, now: float) -> Room:
    """A room that was just opened by whoever knows this secret."""
    return Room(code, sha256(secret.encode()).hexdigest(), now + LIFETIME)


def is_presenter(room: Room, secret: str) -> bool:
    """Whether this is the presenter's secret, in a time that does not tell how much of it is right."""
    return compare_digest(sha256(secret.encode("utf-8", "surrogatepass")).hexdigest(), room.presenter)


def plain_code(given: str) -> str:
    """The code as it is written, whatever case and spaces somebody typed; empty: it is none."""
    code = "".join(given[:20].split()).upper()
    return code if len(code) == 4 and set(code) <= set(LETTERS) else ""


def token_of(room: Room, drawn: str) -> str:
    """What a phone of this room is known by: what was drawn for it, and a seal that nobody else can make."""
    return f"{drawn}.{blake2b(drawn.encode(), key=room.presenter.encode(), digest_size=12).hexdigest()}"


def is_token(room: Room, given: str) -> bool:
    """Whether this is a token of this room, in a time that does not tell how much of it is right."""
    drawn = given.partition(".")[0][:40].encode("utf-8", "replace").decode("utf-8", "replace")
    return compare_digest(token_of(room, drawn).encode(), given.encode("utf-8", "replace"))
