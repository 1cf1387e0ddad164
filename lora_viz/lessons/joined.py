"""One door for lessons that prove one claim: which of them is seen is the first thing that is chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from lora_viz.i18n.language import to_say
from lora_viz.lessons.controls import Choice, Control
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson, Played
from lora_viz.lessons.settings import Settings

__all__ = ["PART", "Joined", "joined"]

PART = "part"


@dataclass(frozen=True, kw_only=True)
class Joined(Lesson[Any]):
    """Several lessons under one name. Its settings are those of the part that is chosen; played, it is that part.

    ``formerly`` are ids of names like this one that are gone, each with the id of the part that it opened with.
    """

    parts: tuple[Lesson[Any], ...]
    formerly: tuple[tuple[str, str], ...] = ()

    @property
    def choice(self) -> Choice:
        """Which part is seen: a link names it by its id, which was its address when it stood alone."""
        return Choice(
            id=PART, label=to_say("What is seen"), options=tuple(part.id for part in self.parts),
            default=self.parts[0].id, names={part.id: part.menu for part in self.parts},
        )  # fmt: skip

    def part(self, answers: Mapping[str, Any]) -> Lesson[Any]:
        """The part that is chosen; the first where none is."""
        chosen = answers.get(PART)
        return next((part for part in self.parts if part.id == chosen), self.parts[0])

    def shown(self, answers: Mapping[str, Any]) -> tuple[tuple[Control, ...], tuple[Control, ...]]:
        part = self.part(answers)
        first, more = part.shown(answers)
        return (self.choice, *_begun(part, first)), tuple(_begun(part, more))

    def walk(self, answers: Mapping[str, Any]) -> Iterator[Control]:
        yield self.choice
        part = self.part(answers)
        yield from _begun(part, part.walk(answers))

    def resolve(self, answers: Mapping[str, Any], device: str = "cpu") -> tuple[Settings, tuple[str, ...]]:
        part = self.part(answers)
        settings, notices = part.resolve({name: value for name, value in answers.items() if name != PART}, device)
        return replace(settings, options=(*settings.options, (PART, part.id))), notices

    def seen_as(self, settings: Settings) -> Lesson[Any]:
        return self.part(dict(settings.options))

    def played(self, settings: Settings, lab: Lab) -> Played[Any]:
        own = replace(settings, options=tuple(option for option in settings.options if option[0] != PART))
        return self.seen_as(settings).played(own, lab)  # the same key as where the part is asked by its own name


def _begun(part: Lesson[Any], controls: Any) -> Iterator[Control]:
    """The part's controls, each with the answer that this part opens with."""
    for control in controls:
        yield replace(control, default=control.usual(part.default))


def joined(first: Lesson[Any], *others: Lesson[Any], **own: Any) -> Joined:
    """One lesson of these; what is not said of it, ``own``, is the first one's."""
    parts = (first, *others)
    given: dict[str, Any] = {each.name: getattr(first, each.name) for each in fields(Lesson)}
    given |= {"seeded": any(part.seeded for part in parts), "many": any(part.many for part in parts)}
    given["papers"] = tuple(dict.fromkeys(paper for part in parts for paper in part.papers))
    return Joined(**{**given, **own}, parts=parts)
