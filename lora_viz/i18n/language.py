"""What is said, in the visitor's language: English stands in the code; every other language is one catalogue file.

A sentence is said as a whole, ``say("Rank {rank}: {left} of the error is left.", rank=rank, left=left)``, so that a
translator may turn it round. What is written down before anybody is there to read it, a label in a table of controls,
is marked with ``to_say`` and said where it is shown. ``catalogues/<code>.po`` holds the catalogue of one language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
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
    "decimal",
    "english",
    "follow",
    "grouped",
    "language",
    "languages",
    "listed",
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


def to_say(text: str, /) -> str:
    """A text that is said later, where it is shown: marks it for the catalogue."""
    return text


def decimal(text: str) -> Said:
    """A number for reading, "0.05", as the language spoken writes it: "0,05", and "12\u202f345" from five digits on.

    The one place that knows. Numbers in links, files, code and on axes are data: they keep their point.
    """
    code = language()
    said = Said(text if code == "en" else _written(text, _decimal_sign(code, catalogue)))
    said.english = text
    return said


def grouped(count: float) -> str:
    """A whole number with its thousands apart, as the language spoken writes it."""
    return str(_WRITTEN.format("{:,.0f}", count)) if language() != "en" else f"{count:,.0f}"


def listed(texts: Iterable[str]) -> str:
    """The texts one after another: between commas, or semicolons where a comma stands in a number."""
    found = list(texts)
    comma = _decimal_sign(language(), catalogue) == "," and any(re.search(r"\d,\d", text) for text in found)
    return ("; " if comma else ", ").join(found)


# What the catalogue makes of this number tells the player, too, how its numbers are written.
_A_HALF = to_say("0.5")


@lru_cache(16)
def _decimal_sign(code: str, translations: Callable[[str], Mapping[str, str]]) -> str:
    return translations(code).get(_A_HALF, _A_HALF)[1]


def _written(text: str, sign: str) -> str:
    whole, point, rest = text.partition(".")
    if len(whole) > 4:
        whole = re.sub(r"\d{5,}", lambda digits: f"{int(digits[0]):,}".replace(",", "\u202f"), whole)
    return whole + (sign if point else "") + rest


class _Written(Formatter):
    """Numbers as the language writes them, thousands apart by a thin space: a comma is a point to half the world.

    A number of four digits stands together.
    """

    def format_field(self, value: Any, format_spec: str) -> Any:
        told = super().format_field(value, format_spec)
        if isinstance(value, str) or not (isinstance(value, (int, float)) or hasattr(value, "dtype")):
            return told
        whole, point, rest = told.partition(".")
        whole = whole.replace(",", "\u202f" if sum(c.isdigit() for c in whole) > 4 else "")
        return whole + (_decimal_sign(language(), catalogue) if point else "") + rest


_WRITTEN = _Written()


def _in_maths(text: str) -> str:
    """LaTeX takes a comma for the end of an item, and leaves a space behind it: in braces it is a sign of a number."""
    return re.sub(
        r"\$\$.*?\$\$|\$[^$\n]+\$", lambda maths: re.sub(r"(?<=\d),(?=\d)", "{,}", maths[0]), text, flags=re.S
    )


def say(text: str, /, **values: Any) -> str:
    """The text in the visitor's language, its values put in as by ``str.format``; else in English.

    A value that Markdown could obey is marked as words from outside, unless it was said or is ``Ours``.
    """
    code = language()
    if not values and type(text) is str:
        return _said(code, catalogue, text)
    told = text if code == "en" else catalogue(code).get(text, text)
    put = {name: _words(value) for name, value in values.items()}
    formatted = told
    if values and code == "en":
        formatted = told.format(**put)
    elif values:
        formatted = _WRITTEN.format(told, **put)
        if "$" in formatted and _decimal_sign(code, catalogue) == ",":
            formatted = _in_maths(formatted)
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


def english(value: Any) -> Any:
    """What was said, in English; anything else as it is."""
    return getattr(value, "english", value)
