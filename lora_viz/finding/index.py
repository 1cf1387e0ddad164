"""What can be found: titles, claims, questions, words, papers, settings, each with the place where it is seen.

A pure function of the lessons and of the language that is spoken, so any screen can have it: the app, a static site.
The search itself is `search.js`, in the browser.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from lora_viz.content.glossary import TERMS
from lora_viz.content.literature import FOLKLORE, PAPERS
from lora_viz.content.ways import PATHS, QUESTIONS
from lora_viz.costs.parameters import PARAMETERS
from lora_viz.finding.words import groups
from lora_viz.i18n.language import language, say, speak
from lora_viz.i18n.outside import plain
from lora_viz.lessons.controls import Choice, Control, Several
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.walk import lesson, lessons, measured, now_at

__all__ = ["KINDS", "Entry", "entries", "index_json"]

KINDS = ("question", "lesson", "word", "setting", "paper")


class Entry(NamedTuple):
    """One thing to be found: of which kind, its name, a sentence on it, where it is, and other words for it."""

    kind: str
    title: str
    says: str
    place: str
    words: str = ""


def entries() -> tuple[Entry, ...]:
    """Everything that can be found, in the language that is spoken now; the first of two that are alike comes first."""
    return tuple((*_questions(), *_lessons(), *_words(), *_settings(), *_papers()))


def index_json() -> bytes:
    """The index as the browser's search reads it: entries as lists, and groups of words that mean the same."""
    return _written(language())


@cache
def _written(code: str) -> bytes:
    with speak(code):
        found = {"entries": [[plain(each) for each in entry] for entry in entries()], "groups": groups()}
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()


def _lesson_at(place: str) -> Lesson[Any]:
    return lesson(place.partition("?")[0])


def _questions() -> Iterator[Entry]:
    """The questions people come with, those of the paths, and those that lessons end with."""
    asked = {say(each.text): each.place for path in PATHS for each in path.stops}
    asked |= {say(each.text): each.place for each in QUESTIONS}
    for text, place in asked.items():
        own = _lesson_at(place)
        yield Entry("question", text, say(own.claim), now_at(place), say(own.menu))


def _lessons() -> Iterator[Entry]:
    shown: set[str] = set()
    for own in (*lessons(), *measured()):
        if own.title in shown:
            continue
        shown.add(own.title)
        asked = say(own.question.text) if own.question is not None else ""
        words = f"{say(own.menu)} {own.id.replace('_', ' ')} {'' if '{' in asked else asked}"
        yield Entry("lesson", say(own.title), say(own.claim), now_at(own.id), words.strip())


def _words() -> Iterator[Entry]:
    for term in TERMS:
        said = term.said()
        yield Entry("word", said.name, said.says, f"glossary#{term.key}", " ".join(term.forms()))


def _settings() -> Iterator[Entry]:
    """PEFT's parameters, then every control once, at the first lesson that has it."""
    for each in PARAMETERS:
        yield Entry("setting", say(each.name), say(each.means), "config_card", each.peft)
    seen: set[str] = set()
    for own in measured():
        answers: dict[str, Any] = {}
        for control in own.walk(answers):
            answers.setdefault(control.id, control.usual(own.default))
            label = say(control.label)
            if control.id == "seed" or label in seen:
                continue
            seen.add(label)
            where = say("In {lesson}.", lesson=say(own.menu))
            says = f"{say(control.help)} {where}" if control.help else where
            yield Entry("setting", label, says, now_at(own.id), f"{control.id} {_answers(control)}".strip())


def _answers(control: Control) -> str:
    """The names of what may be answered, where those are words."""
    if not isinstance(control, Choice | Several):
        return ""
    return " ".join(dict.fromkeys(control.named(o, o) for o in control.options if isinstance(o, str)))


def _papers() -> Iterator[Entry]:
    for paper in PAPERS:
        name = paper.title if paper.title.startswith(paper.name) else f"{say(paper.name)}: {paper.title}"
        place = now_at(paper.pages[0]) if paper.pages else "literature?topic=all"
        yield Entry("paper", f"{name} ({paper.year})", say(paper.claims), place, f"{paper.authors} {paper.arxiv}")
    for rule in FOLKLORE:
        yield Entry("paper", say(rule.says), say(rule.but), "literature?topic=folklore", say("folklore"))
