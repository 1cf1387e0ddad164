"""All lessons, found by walking their folders: one file a lesson, one folder a section."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import Any

from lora_viz.i18n.language import say
from lora_viz.lessons.controls import LONGEST_SHOWN
from lora_viz.lessons.lesson import Lesson, Section

__all__ = ["UnknownLesson", "home", "lesson", "lessons", "link", "links", "section_of", "sections"]


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


def lesson(name: str) -> Lesson[Any]:
    """The lesson of this id. Raises UnknownLesson."""
    if name not in _by_id():
        raise UnknownLesson(f"{name[:LONGEST_SHOWN]} is no lesson: there are {', '.join(_by_id())}.")
    return _by_id()[name]


def link(place: str) -> str:
    """A link to a lesson, maybe with settings as in "rank?noise=0", as Markdown under the menu's name."""
    return f"[{say(lesson(place.partition('?')[0]).menu)}]({place})"


def links() -> dict[str, str]:
    """Lesson -> the link to it, as HTML under the menu's name; whoever shows it knows the address that this means."""
    return {each.id: f'<a href="{each.id}" target="_self">{say(each.menu)}</a>' for each in lessons()}


def home() -> Lesson[Any]:
    """The lesson that the playground opens with."""
    return lessons()[0]


def section_of(name: str) -> str:
    """The folder's name of the section that this lesson stands in."""
    return next(folder for folder, (_, own) in sections().items() if any(each.id == name for each in own))


def forget() -> None:
    """Walk anew when next asked: for whoever adds a lesson while this runs."""
    sections.cache_clear()
    _by_id.cache_clear()


def _inside(package: ModuleType) -> Iterator[ModuleType]:
    for found in sorted(pkgutil.iter_modules(package.__path__), key=lambda m: m.name):
        yield importlib.import_module(f"{package.__name__}.{found.name}")
