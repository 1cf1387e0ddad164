"""All lessons, found by walking their folders: one file a lesson, one folder a section."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from functools import cache
from types import ModuleType
from typing import Any

from lora_viz.i18n.language import say
from lora_viz.lessons.controls import LONGEST_SHOWN
from lora_viz.lessons.joined import PART, Joined
from lora_viz.lessons.lesson import Lesson, Section

__all__ = [
    "UnknownLesson",
    "home",
    "lesson",
    "lessons",
    "link",
    "links",
    "measured",
    "moved",
    "now_at",
    "section_of",
    "sections",
]


class UnknownLesson(KeyError):
    """One sentence: which lesson was asked for, and which there are."""

    def __str__(self) -> str:
        return str(self.args[0])


@cache
def sections() -> dict[str, tuple[Section, tuple[Lesson[Any], ...]]]:
    """Every section by its folder's name, in the menu's order, with its lessons in theirs."""
    found = {}
    for package in _inside(importlib.import_module("lora_viz.lessons")):
        if not hasattr(package, "SECTION"):
            continue
        own = []
        for module in _inside(package):
            if not hasattr(module, "LESSON"):
                continue
            name = module.__name__.rpartition(".")[2]
            assert module.LESSON.id == name, f"{module.__name__} holds the lesson {module.LESSON.id}: one name for both"
            own.append(module.LESSON)
        found[package.__name__.rpartition(".")[2]] = (package.SECTION, tuple(sorted(own, key=lambda x: x.place)))
    return dict(sorted(found.items(), key=lambda item: item[1][0].place))


@cache
def _by_id() -> dict[str, Lesson[Any]]:
    return {each.id: each for _, own in sections().values() for each in own}


def lessons() -> tuple[Lesson[Any], ...]:
    """Every lesson, in the menu's order."""
    return tuple(_by_id().values())


def measured(among: Iterable[Lesson[Any]] | None = None) -> tuple[Lesson[Any], ...]:
    """Every lesson that is measured, in the menu's order: of one that joins others, its parts."""
    every = lessons() if among is None else among
    return tuple(part for each in every for part in (each.parts if isinstance(each, Joined) else (each,)))


@cache
def moved() -> dict[str, tuple[Joined, Lesson[Any]]]:
    """The lessons that stand no more alone, by their ids: the one that they are a part of, and the part."""
    doors = [each for each in lessons() if isinstance(each, Joined)]
    parts = {part.id: (each, part) for each in doors for part in each.parts if part.id not in _by_id()}
    return parts | {old: (each, parts[part][1]) for each in doors for old, part in each.formerly}


def lesson(name: str) -> Lesson[Any]:
    """The lesson of this id, also one that is a part of another by now. Raises UnknownLesson."""
    if name in moved():
        return moved()[name][1]
    if name not in _by_id():
        raise UnknownLesson(f"{name[:LONGEST_SHOWN]} is not a lesson: there are {', '.join(_by_id())}.")
    return _by_id()[name]


def now_at(place: str) -> str:
    """Where a place, "alpha?lr=1", is by now: "scaling?part=alpha&lr=1". Any other is where it was."""
    name, _, query = place.partition("?")
    if name not in moved():
        return place
    door, part = moved()[name]
    if f"{PART}=" in query:  # of a name that is gone: it says itself which part
        return f"{door.id}?{query}"
    return f"{door.id}?{PART}={part.id}{'&' if query else ''}{query}"


def link(place: str) -> str:
    """A link to a lesson, maybe with settings as in "rank?noise=0", as Markdown under the menu's name."""
    return f"[{say(lesson(place.partition('?')[0]).menu)}]({now_at(place)})"


def links() -> dict[str, str]:
    """Lesson -> the link to it, as HTML under the menu's name; whoever shows it knows the address that this means."""
    known = (*lessons(), *measured())
    return {each.id: f'<a href="{now_at(each.id)}" target="_self">{say(each.menu)}</a>' for each in known}


def home() -> Lesson[Any]:
    """The lesson that the playground opens with."""
    return lessons()[0]


def section_of(name: str) -> str:
    """The folder's name of the section that this lesson stands in."""
    name = now_at(name).partition("?")[0]
    return next(folder for folder, (_, own) in sections().items() if any(each.id == name for each in own))


def forget() -> None:
    """Walk anew when next asked: for whoever adds a lesson while this runs."""
    sections.cache_clear()
    _by_id.cache_clear()
    moved.cache_clear()


def _inside(package: ModuleType) -> Iterator[ModuleType]:
    for found in sorted(pkgutil.iter_modules(package.__path__), key=lambda m: m.name):
        yield importlib.import_module(f"{package.__name__}.{found.name}")
