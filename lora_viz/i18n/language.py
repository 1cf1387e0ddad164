"""What is said, in the visitor's language: English stands in the code; every other language is one catalogue file.

A sentence is said as a whole, ``say("Rank {rank}: {left} of the error is left.", rank=rank, left=left)``, so that a
translator may turn it round. What is written down before anybody is there to read it, a label in a table of controls,
is marked with ``to_say`` and said where it is shown. ``catalogues/<code>.po`` holds the catalogue of one language.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from pathlib import Path
from string import Formatter
from typing import Any

from lora_viz.i18n.outside import Ours, isolated

__all__ = [
    "CATALOGUES",
    "Said",
    "catalogue",
    "english",
    "follow",
    "language",
    "languages",
    "say",
    "speak",
    "spoken_words",
    "to_say",
]

CATALOGUES = Path(__file__).parent / "catalogues"
_spoken: ContextVar[str | None] = ContextVar("language", default=None)
_source: list[Callable[[], str | None]] = []  # at most one


class Said(Ours):
    """What was said still knows its English: what a deck or a test names, it names in English."""

    english: str


@cache
def languages() -> dict[str, str]:
    """Every language by its code, and what it calls itself: English, then one for every catalogue."""
    from babel import Locale  # not before a page asks: the core alone needs no names of languages

    codes = ["en", *sorted(path.stem for path in CATALOGUES.glob("*.po"))]
    return {code: str(Locale.parse(code).get_display_name()).capitalize() for code in codes}


@cache
def catalogue(code: str) -> Mapping[str, str]:
    """The translations of this language by their English text; empty for English and where there is no such file."""
    path = CATALOGUES / f"{code}.po"
    if code == "en" or not path.exists():
        return {}
    from babel.messages.pofile import read_po

    with path.open("rb") as file:
        found = read_po(file)
    return {str(m.id): str(m.string) for m in found if m.id and m.string and not m.fuzzy}


def language() -> str:
    """The language that is spoken here and now: what ``speak`` says, else what the visitor chose, else English."""
    return _spoken.get() or (_source[0]() if _source else None) or "en"


def spoken_words() -> Hashable:
    """On what it depends how a text is said here and now: a part of the key of whatever keeps what was said."""
    return language(), catalogue


@contextmanager
def speak(code: str) -> Iterator[None]:
    """Within this block everything is said in this language."""
    before = _spoken.set(code)
    try:
        yield
    finally:
        _spoken.reset(before)


def follow(source: Callable[[], str | None]) -> None:
    """Ask ``source`` from now on which language the visitor has chosen; None: nobody is there to choose."""
    _source[:] = [source]


class _Grouped(Formatter):
    """Thousands apart by a thin space: a comma, as in English, is a decimal point to half the world."""

    def format_field(self, value: Any, format_spec: str) -> Any:
        told = super().format_field(value, format_spec)
        return told.replace(",", "\u202f") if "," in format_spec else told


_GROUPED = _Grouped()


def say(text: str, /, **values: Any) -> str:
    """The text in the visitor's language, its values put in as by ``str.format``; else in English.

    A value that Markdown could obey is marked as words from outside, unless it was said or is ``Ours``.
    """
    code = language()
    if not values and type(text) is str:
        return _said(code, catalogue, text)
    told = text if code == "en" else catalogue(code).get(text, text)
    put = {name: _words(value) for name, value in values.items()}
    formatted = (str.format if code == "en" else _GROUPED.format)(told, **put) if values else told
    said = Said(formatted)
    said.english = text.format(**{name: english(value) for name, value in put.items()}) if values else english(text)
    return said


@lru_cache(8192)
def _said(code: str, translations: Callable[[str], Mapping[str, str]], text: str) -> Said:
    """A text without values: a page says hundreds of them in each run."""
    said = Said(text if code == "en" else translations(code).get(text, text))
    said.english = text
    return said


def _words(value: Any) -> Any:
    """The value of a sentence: numbers as they are; a refusal is what it says; other words can be obeyed nowhere."""
    if isinstance(value, (Ours, int, float)) or hasattr(value, "dtype"):
        return value
    if isinstance(value, Exception) and value.args and isinstance(value.args[0], Said):
        return value.args[0]
    return isolated(str(value))


def to_say(text: str, /) -> str:
    """A text that is said later, where it is shown: marks it for the catalogue."""
    return text


def english(value: Any) -> Any:
    """What was said, in English; anything else as it is."""
    return getattr(value, "english", value)
