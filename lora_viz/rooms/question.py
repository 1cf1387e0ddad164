"""What a room is asked, and the answers that it takes: plain values, checked, written as JSON and read back.

A question knows what was measured, so that the server can say who was near; ``for_phones`` leaves it out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from lora_viz.i18n.language import say
from lora_viz.rooms.refused import RoomError

__all__ = ["DONT_KNOW", "MOST_CHOICES", "MOST_PLACES", "Answer", "Kind", "Question", "Wording", "checked"]

Kind = Literal["choice", "number", "curve"]
# A choice by its place, a number, a curve at the question's places (None: not drawn there); None: "I don't know".
Answer = int | float | tuple[float | None, ...] | None
DONT_KNOW: None = None
MOST_PLACES = 48  # of a curve
MOST_CHOICES = 12
_LARGEST = 1e12  # of a number, with either sign
_SHOWN = 40  # characters of what was given


@dataclass(frozen=True, slots=True)
class Wording:
    """The question in one language: its text, its choices, the names of the axis and of what is drawn over it."""

    text: str
    choices: tuple[str, ...] = ()
    axis: str = ""
    values: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked. ``low`` and ``high`` are the ends of the measured panel's axis of values, on this ``scale``.

    ``places`` (n,) are where a curve is asked for, between the ends of the film's own axis. ``truth`` is what was
    measured: the place of the right choice, a number, or a curve (n,) over the places.
    """

    kind: Kind
    words: tuple[tuple[str, Wording], ...]  # by the code of the language, the presenter's own first
    truth: Answer
    measured: str = ""  # the same in the presenter's words
    low: float = 0.0
    high: float = 1.0
    scale: Literal["linear", "log"] = "linear"
    places: tuple[float, ...] = ()
    x_scale: Literal["linear", "log", "sqrt"] = "linear"

    def worded(self, code: str) -> Wording:
        """The question in this language, else in the presenter's."""
        return dict(self.words).get(code, self.words[0][1])

    @property
    def choices(self) -> int:
        """How many choices there are."""
        return len(self.words[0][1].choices)

    def for_phones(self, code: str) -> dict[str, Any]:
        """What a phone is told: all but the answer."""
        axes = {"low": self.low, "high": self.high, "scale": self.scale, "places": self.places, "x_scale": self.x_scale}
        return {"kind": self.kind, **asdict(self.worded(code)), **(axes if self.kind == "curve" else {})}

    def as_json(self) -> dict[str, Any]:
        """As a table of plain values."""
        return {**asdict(self), "words": [[code, asdict(wording)] for code, wording in self.words]}

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Question:
        """What ``as_json`` wrote."""
        truth = given["truth"]
        words = tuple(
            (code, Wording(**{**wording, "choices": tuple(wording["choices"])})) for code, wording in given["words"]
        )
        return cls(
            **{
                **given,
                "words": words,
                "places": tuple(given["places"]),
                "truth": tuple(truth) if isinstance(truth, list) else truth,
            }
        )


def checked(question: Question, given: Any) -> Answer:
    """The answer, if this question takes it. Raises RoomError: what was given, and what is valid."""
    if given is None:
        return DONT_KNOW
    if question.kind == "choice":
        return _choice(question.choices, given)
    if question.kind == "number":
        return _number(given)
    return _curve(len(question.places), given)


def _choice(count: int, given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given < count:
        raise RoomError(
            say("{given} is not one of the choices. Valid values: 0 to {last}.", given=_told(given), last=count - 1),
            422,
        )
    return given


def _number(given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not _fits(given):
        raise RoomError(
            say("{given} is not a number between −10¹² and 10¹². Your earlier answer stays.", given=_told(given)), 422
        )
    return float(given)


def _curve(count: int, given: Any) -> tuple[float | None, ...]:
    """To four digits: a finger draws no more."""
    if not isinstance(given, list) or len(given) != count:
        has = len(given) if isinstance(given, list) else 0
        raise RoomError(say("A curve has {count} points here, and this one {has}.", count=count, has=has), 422)
    for one in given:
        if one is not None and (isinstance(one, bool) or not isinstance(one, int | float) or not _fits(one)):
            raise RoomError(
                say("{given} is not a number between −10¹² and 10¹². Your earlier answer stays.", given=_told(one)), 422
            )
    if all(one is None for one in given):
        raise RoomError(say("Nothing is drawn: draw with a finger, or answer “I don't know”."), 422)
    return tuple(None if one is None else float(f"{one:.4g}") for one in given)


def _fits(number: int | float) -> bool:
    return abs(number) <= _LARGEST and math.isfinite(number)  # the first first: an int may be too long for a float


def _told(given: Any) -> str:
    try:
        return str(given)[:_SHOWN]
    except ValueError:  # an int of five thousand digits
        return "…"
