"""At which settings a lesson is examined: each option alone, the extremes, pairs, and all drawn, over several seeds."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from lora_viz.lessons.controls import Choice, Control, File, Number, Several, Switch, Text, Whole
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.settings import Settings

__all__ = ["drawn", "options"]

Pick = Callable[[Control, tuple[Any, ...]], Any]
SEEDS = 100
FRUITLESS = 400  # draws in a row that bring nothing new: the lesson has no more settings


def options(control: Control) -> tuple[Any, ...]:
    """The answers that this control is examined at, its own order; none where it takes files or free text."""
    match control:
        case Choice():
            return control.options if len(control.options) <= 30 else control.options[:: len(control.options) // 12]
        case Several():
            alone = tuple((one,) for one in control.options)
            return ((), *alone, control.options)
        case Switch():
            return (False, True)
        case Number():
            usual = control.default if control.default is not None else control.low
            return tuple(dict.fromkeys((control.low, usual, (control.low + control.high) / 2, control.high)))
        case Whole():
            return tuple(dict.fromkeys((control.default, *range(control.low, min(control.high, control.low + 8) + 1))))
        case Text() | File():
            return ()
    return ()


def answers(lesson: Lesson[Any], pick: Pick) -> dict[str, Any]:
    """Every control answered as ``pick`` says, those that hang on earlier answers included."""
    found: dict[str, Any] = {}
    for control in lesson.walk(found):
        allowed = options(control)
        usual = control.usual(lesson.default)
        found[control.id] = pick(control, allowed) if allowed else usual
    return found


def _all(lesson: Lesson[Any], rng: random.Random) -> Iterator[dict[str, Any]]:
    def usual(control: Control, _: tuple[Any, ...]) -> Any:
        return control.usual(lesson.default)

    def only(given: Mapping[str, Any]) -> Pick:
        def pick(control: Control, allowed: tuple[Any, ...]) -> Any:
            own = given.get(control.id)
            return own if own in allowed or (own is not None and isinstance(control, Whole)) else usual(control, ())

        return pick

    def any_of(control: Control, allowed: tuple[Any, ...]) -> Any:
        return rng.randrange(SEEDS) if isinstance(control, Whole) else rng.choice(allowed)

    first = answers(lesson, usual)
    yield first
    alone: list[tuple[str, Any]] = []
    for control in list(lesson.walk(dict(first))):
        for option in options(control):
            alone.append((control.id, option))
            yield answers(lesson, only({control.id: option}))
    yield answers(lesson, lambda control, allowed: allowed[0])
    yield answers(lesson, lambda control, allowed: allowed[-1])
    for _ in range(30):
        yield answers(lesson, lambda control, allowed: rng.choice((allowed[0], allowed[-1])))
    while alone:
        for _ in range(3):
            pair = dict(rng.sample(alone, min(2, len(alone))))
            yield answers(lesson, only(pair | {"seed": rng.randrange(SEEDS)}))
        yield answers(lesson, any_of)


def drawn(lesson: Lesson[Any], count: int) -> Iterator[Settings]:
    """``count`` different settings of this lesson, or all that it has; the same ones every time.

    First as it opens, then each option alone, all least and all greatest, then extremes, pairs and all drawn, in turn.
    """
    rng = random.Random(zlib.crc32(lesson.id.encode()))
    seen: set[Any] = set()

    def different() -> Iterator[Settings]:
        fruitless = 0
        for given in _all(lesson, rng):
            settings, _ = lesson.resolve(given)
            if settings in seen:
                fruitless += 1
                if fruitless > FRUITLESS:
                    return
                continue
            fruitless = 0
            seen.add(settings)
            yield settings

    return islice(different(), count)
