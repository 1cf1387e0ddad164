"""Questions whose answers are measured when they are asked, and their choices.

No answer is written down. A question has a small measurement: of the film as it is set, at another place than its
playhead starts at, or of a second run of the core at another setting. The wrong choices are what the usual mistakes
give.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from lora_viz.core.experiment import Experiment
from lora_viz.core.refusals import Refusal
from lora_viz.film.film import Film
from lora_viz.film.style import number
from lora_viz.i18n.language import grouped, say

__all__ = [
    "Answered",
    "Measured",
    "Question",
    "Seen",
    "Unanswerable",
    "answer",
    "first_place",
    "shown",
    "with_choices",
    "word",
]

APART = 0.12  # a choice that is nearer to the right one than this share of it would be right as well
FEWEST = 2  # wrong choices: where mistakes coincide, doubles and halves join them


class Unanswerable(Refusal):
    """One sentence: why this question has no answer at these settings."""


class Seen(NamedTuple):
    """What is on the screen: the film, the experiment behind it, and the page's settings as its link writes them."""

    film: Film
    experiment: Experiment
    settings: tuple[tuple[str, str], ...] = ()

    def setting(self, name: str) -> str:
        """What the page is set to under this name."""
        found = dict(self.settings).get(name)
        if found is None:
            raise Unanswerable(say("This page has no setting {name} to ask about.", name=name))
        return found


class Measured(NamedTuple):
    """What came out: a number or a word, what the usual mistakes say, and the sentence that tells how it was found.

    ``unit`` stands behind every choice; ``about`` fills the places in the question's text.
    """

    value: float | str
    mistakes: tuple[float | str, ...]
    told: str
    about: Mapping[str, Any] = MappingProxyType({})
    unit: str = ""


class Question(NamedTuple):
    """What is asked, why the answer is so, and how it is measured.

    ``again`` measures what is not in the film, from the experiment and the settings alone: it runs when the question is
    opened, and its result is what ``measure`` gets second.
    """

    text: str
    why: str
    measure: Callable[[Seen, Any], Measured]
    again: Callable[[Experiment, tuple[tuple[str, str], ...]], Any] | None = None


class Answered(NamedTuple):
    """The question, its choices in an order that tells nothing, which is right, how that was measured, and why."""

    text: str
    choices: tuple[str, ...]
    right: int
    told: str
    why: str


def answer(question: Question, seen: Seen, compute: Callable[..., Any]) -> Answered:
    """What is asked of what is on the screen. ``compute`` runs ``again``, and may keep it. Raises Unanswerable."""
    found = compute(question.again, seen.experiment, seen.settings) if question.again else None
    return with_choices(question.text, question.why, question.measure(seen, found))


def with_choices(text: str, why: str, measured: Measured) -> Answered:
    """The question with the choices that this measurement and the usual mistakes give. Raises Unanswerable."""
    choices, right = _choices(measured)
    return Answered(say(text, **measured.about), choices, right, measured.told, say(why))


def _choices(measured: Measured) -> tuple[tuple[str, ...], int]:
    """Words keep one order, numbers go up; no two are written alike, and no wrong one is nearly right."""
    value, unit = measured.value, measured.unit
    if isinstance(value, str):  # a word
        words = sorted({value, *map(str, measured.mistakes)})
        return tuple(words), words.index(value)
    if not math.isfinite(value):
        raise Unanswerable(
            say("At these settings there is nothing to measure here: choose others, and the question will appear.")
        )
    shown = {_text(value): float(value)}

    def add(wrong: float) -> None:
        if math.isfinite(wrong) and _text(wrong) not in shown and _apart(value, wrong):
            shown[_text(wrong)] = wrong

    for mistake in measured.mistakes:
        add(float(mistake))
    for stand_in in _stand_ins(value):
        if len(shown) <= FEWEST:
            add(float(stand_in))
    names = sorted(shown, key=shown.__getitem__)
    return tuple(name + unit for name in names), names.index(_text(value))


def _stand_ins(value: float) -> tuple[float, ...]:
    if value == 0:
        return (0.5, 1.0, 2.0)
    if isinstance(value, (int, np.integer)):
        return (int(value) + 1, 2 * int(value), max(0, int(value) - 1), int(value) + 2)
    return (2 * value, value / 2, 4 * value)


def _apart(value: float, wrong: float) -> bool:
    counted = isinstance(value, (int, np.integer))
    return value != wrong if counted else abs(value - wrong) > APART * max(abs(value), abs(wrong))


def _text(value: float) -> str:
    """A count in full, all else to three digits."""
    return grouped(value) if value == round(value) and abs(value) > 9999 else number(float(value))


def word(value: float) -> str:
    """A measured number in a sentence."""
    return number(float(value))


def shown(film: Film, panel: str, part: str = "") -> np.ndarray:
    """The numbers that a panel shows: those of its part of this id, or of the only thing in it. Raises Unanswerable."""
    try:
        found: Any = film.panel(panel)
        found = found.part(part) if part else found
    except LookupError:
        raise Unanswerable(say("The picture does not show what the question is about at these settings.")) from None
    return np.asarray(found.y if hasattr(found, "y") else found.values, float)


def first_place(fits: np.ndarray) -> int:
    """The first place at which a condition holds."""
    if not fits.any():
        raise Unanswerable(
            say(
                "What the question is about is not reached at these settings: choose others, and the question will "
                "appear."
            )
        )
    return int(fits.argmax())
