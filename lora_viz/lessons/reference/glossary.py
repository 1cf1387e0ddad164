"""Glossary: what each word means, and the lesson where it is seen."""

from __future__ import annotations

from typing import NamedTuple

from lora_viz.content.glossary import LEVELS, TERMS, Term, by_letters
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.catalogue import LEVEL
from lora_viz.lessons.controls import Text
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.parts import Columns, Heading, Html, Notice, Part, Prose
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Undecidable
from lora_viz.lessons.walk import link

__all__ = ["LESSON", "GlossaryRecord"]

STYLE = """<style>
[data-testid="stMainBlockContainer"] h2 { font-size: 1.15rem; padding: 0 0 0.6rem; }
</style>"""


class GlossaryRecord(NamedTuple):
    """The words in which a text was sought, as in a dictionary, and how many of all are explained at this level."""

    sought: str
    shown: tuple[Term, ...]
    marked: int


def measure(settings: Settings, lab: Lab) -> GlossaryRecord:
    """Find the words, in the visitor's language."""
    sought = settings["find"].strip().lower()
    terms = sorted((term.said() for term in TERMS), key=lambda term: by_letters(term.name))
    wanted = LEVELS[LEVELS.index(settings["level"]) :]
    return GlossaryRecord(
        sought,
        tuple(term for term in terms if sought in " ".join((term.name, term.says, *term.forms())).lower()),
        sum(term.level in wanted for term in TERMS),
    )


def takeaway(record: GlossaryRecord) -> str:
    """How many words there are."""
    return say(
        "{words} terms, {marked} of them underlined on the pages. Hover or focus an underlined term to read it there.",
        words=len(TERMS),
        marked=record.marked,
    )


def body(record: GlossaryRecord) -> tuple[Part, ...]:
    """The words in two columns."""
    if not record.shown:
        told = say("“{sought}” is not in the glossary: it has {words} words.", sought=record.sought, words=len(TERMS))
        return (Notice(told, "warning", ":material/warning:"),)
    half = (len(record.shown) + 1) // 2
    columns = tuple(_entries(terms) for terms in (record.shown[:half], record.shown[half:]))
    return Html(lambda theme: STYLE), Columns(columns, gap="large")


def _entries(terms: tuple[Term, ...]) -> tuple[Part, ...]:
    return tuple(
        part for term in terms for part in (Heading(term.name, term.key), Prose(f"{term.says} {link(term.page)}"))
    )


LESSON = Lesson(
    id="glossary", menu=to_say("Glossary"), title=to_say("Glossary: what does a word mean?"),
    claim=to_say("Each term in one or two sentences, with the page where it is measured. The level changes how many "
                 "terms are "
                 "underlined, never the numbers."), place=40,
    controls=(LEVEL, Text(id="find", label=to_say("Find"), longest=40)), measure=measure, takeaway=takeaway,
    verdict=Undecidable("It says what the list holds."), body=body,
    trains=False, seeded=False, worded=True,
)  # fmt: skip
