"""Decks of scenes: what is shown in which order, read from a small TOML file that a teacher can write.

A scene opens a page at some settings and a moment, with a caption, maybe a question that is asked first, and only the
controls it names. Nothing in a deck is executed.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from lora_viz.core.refusals import Refusal
from lora_viz.i18n.language import say, to_say

__all__ = ["KEYS", "LONGEST_DECK", "Deck", "DeckError", "Key", "Question", "Scene", "read_deck"]

LONGEST_DECK = 65_536  # bytes
_MOST_SCENES = 200
_MOST_DOTS = 200  # of a line
_KINDS = ("number", "choice", "curve")
_TAKES = ("largest", "smallest")


@dataclass(frozen=True, slots=True)
class Key:
    """What a deck may say at one place: its name, what stands there, whether it must, and what it is for."""

    name: str
    holds: str
    needed: bool
    about: str


_TEXT, _LIST = to_say("text"), to_say("list of texts")
_NUMBER, _TABLE = to_say("number"), to_say("table")
# What may stand in a deck, in a scene, in its question: the reader refuses all else, the page on decks lists it.
KEYS: dict[str, tuple[Key, ...]] = {
    "deck": (
        Key("title", _TEXT, True, to_say("Name of the deck, at most 120 characters.")),
        Key("about", _TEXT, False, to_say("What it is for, shown where it is chosen.")),
        Key("scene", to_say("tables"), True, to_say("The scenes: each begins with [[scene]], at most 200.")),
    ),
    "scene": (
        Key("page", _TEXT, True, to_say("The lesson that is shown, by the name in its address.")),
        Key("caption", _TEXT, True, to_say("The sentence above the picture, at most 300 characters.")),
        Key("settings", _TABLE, False, to_say("What the lesson is set to, as its address says it: { rank = 4 }.")),
        Key("at", _NUMBER, False, to_say("Where the playhead stands, in the units of the picture's axis.")),
        Key("notes", _TEXT, False, to_say("For the speaker alone, in the notes window.")),
        Key("controls", _LIST, False, to_say("Which controls stay on the stage, by their names in the address.")),
        Key("panels", _LIST, False, to_say("Which pictures are shown, one or two, by their ids; usually one.")),
        Key("question", _TABLE, False, to_say("What the audience is asked before it sees the picture: "
                                              "[scene.question].")),
    ),
    "question": (
        Key("kind", _TEXT, True, to_say("“choice” of curves or bars, “number” to be guessed, “curve” to be drawn.")),
        Key("text", _TEXT, True, to_say("The question, at most 300 characters.")),
        Key("panel", _TEXT, True, to_say("The picture that holds the answer, by its id.")),
        Key("series", _LIST, True, to_say("The curves or bars, by their ids: at least two for a choice, else one.")),
        Key("at", _NUMBER, False, to_say("Where on the axis the answer is read; usually 0.")),
        Key("take", _TEXT, False, to_say("“largest” or “smallest”: what wins a choice; usually the largest.")),
    ),
}  # fmt: skip
Wrong = tuple[str, str]  # a key, and what is wrong with what stands there


class DeckError(Refusal):
    """One sentence: in which line of the deck, what was given, and what is allowed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What is asked before the picture is shown; its answer is read from the film, never written in the deck.

    "number": the value of ``series[0]`` of ``panel`` at ``at``. "choice": which of ``series`` is the ``take`` there.
    "curve": the whole of ``series[0]``, to be drawn.
    """

    kind: str
    text: str
    panel: str
    series: tuple[str, ...]
    at: float = 0.0
    take: str = "largest"


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """One step of a presentation: a page, its settings, the playhead's place, what is said, and which controls stay.

    ``panels`` are at most two pictures of the page, by their ids; none: the one that proves the page's claim.
    """

    page: str
    caption: str
    settings: tuple[tuple[str, str], ...] = ()
    at: float | None = None
    notes: str = ""
    controls: tuple[str, ...] = ()
    panels: tuple[str, ...] = ()
    question: Question | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Deck:
    """A presentation."""

    title: str
    about: str
    scenes: tuple[Scene, ...]


def read_deck(
    text: str,
    pages: Collection[str],
    *,
    still: Collection[str] = (),
    wrong: Callable[[Scene], Iterable[Wrong]] = lambda scene: (),
) -> Deck:
    """The deck that this TOML text holds. Raises DeckError with the line and the reason.

    On pages that stand ``still`` there is no playhead to place and no picture to ask about. ``wrong`` says of a scene
    what its page does not know.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise DeckError(say("the deck is not text: it ends within a character.")) from None
    if size > LONGEST_DECK:
        raise DeckError(say("the deck is longer than {most} bytes: please split it.", most=LONGEST_DECK))
    # The reader's time and memory grow with the square of a key's parts. A key ends with its line, which only "\n"
    # ends; which dots stand in a text is left to the reader, since guessing at quotes lets keys through.
    for n, line in enumerate(text.split("\n")):
        if line.count(".") > _MOST_DOTS:
            said = say("the line has more than {most} dots: please split it.", most=_MOST_DOTS)
            raise DeckError(say("line {line}: {said}", line=n + 1, said=said))
    try:
        given = tomllib.loads(text)
    except ValueError as error:  # a TOMLDecodeError is one; so is a number of five thousand digits
        raise DeckError(say("the deck is not TOML: {error}.", error=str(error)[:200])) from None
    except RecursionError:
        raise DeckError(say("the deck is nested too deeply: scenes are flat tables.")) from None
    reader = _Reader(text, pages, still)
    reader.only(given, "deck", None)
    scenes = given.get("scene")
    if not isinstance(scenes, list) or not 1 <= len(scenes) <= _MOST_SCENES:
        raise DeckError(say("the deck has no [[scene]] or too many. Valid values: 1 to {most}.", most=_MOST_SCENES))
    deck = Deck(
        title=reader.text(given, "title", None, most=120),
        about=reader.text(given, "about", None, default=""),
        scenes=tuple(reader.scene(scene, i) for i, scene in enumerate(scenes)),
    )
    for i, scene in enumerate(deck.scenes):
        for key, said in wrong(scene):
            raise reader.wrong(i, key, said)
    return deck


class _Reader:
    """Checks values and knows where they stand in the text."""

    def __init__(self, text: str, pages: Collection[str], still: Collection[str]) -> None:
        self.lines = text.split("\n")
        self.starts = [n for n, line in enumerate(self.lines) if re.match(r"\s*\[\[\s*scene\s*\]\]", line)]
        self.pages = pages
        self.still = still

    def wrong(self, scene: int | None, key: str, said: str) -> DeckError:
        first = 0 if scene is None or scene >= len(self.starts) else self.starts[scene]
        rest = [n for n in self.starts if n > first]
        stop = rest[0] if rest and scene is not None else len(self.lines)
        pattern = re.compile(rf"(^\s*|[{{,]\s*)[\"']?{re.escape(key)}[\"']?\s*=|^\s*\[+\s*scene\.{re.escape(key)}\s*\]")
        line = next((n for n in range(first, stop) if pattern.search(self.lines[n])), first)
        return DeckError(say("line {line}: {said}", line=line + 1, said=said))

    def only(self, table: dict[str, Any], place: str, scene: int | None) -> None:
        allowed = tuple(key.name for key in KEYS[place])
        for key in table:
            if key not in allowed:
                raise self.wrong(
                    scene,
                    key,
                    say("{key} is unknown. Valid values: {allowed}.", key=key[:40], allowed=", ".join(allowed)),
                )

    def text(
        self, table: dict[str, Any], key: str, scene: int | None, *, default: str | None = None, most: int = 2000
    ) -> str:
        value = table.get(key, default)
        if not isinstance(value, str) or (default is None and not value.strip()):
            raise self.wrong(scene, key, say("{key} is missing or no text.", key=key))
        if len(value) > most:
            raise self.wrong(
                scene,
                key,
                say("{key} has {count} characters. At most {most} are possible.", key=key, count=len(value), most=most),
            )
        return value

    def number(self, table: dict[str, Any], key: str, scene: int) -> float:
        value = table[key]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e9:
            raise self.wrong(scene, key, say("{key}={value} is not a number below 10⁹.", key=key, value=_told(value)))
        return float(value)

    def texts(self, table: dict[str, Any], key: str, scene: int) -> tuple[str, ...]:
        value = table.get(key, [])
        if not isinstance(value, list) or len(value) > 12 or not all(isinstance(v, str) for v in value):
            raise self.wrong(scene, key, say("{key} is not a list of at most 12 texts.", key=key))
        return tuple(value)

    def scene(self, table: Any, i: int) -> Scene:
        if not isinstance(table, dict):
            raise self.wrong(i, "scene", say("a scene is not a table: each begins with [[scene]]."))
        self.only(table, "scene", i)
        page = self.text(table, "page", i)
        if page not in self.pages:
            raise self.wrong(
                i,
                "page",
                say(
                    "page={given} is unknown. Valid values: {allowed}.",
                    given=page[:40],
                    allowed=", ".join(sorted(self.pages)),
                ),
            )
        for key in ("at", "panels", "question"):
            if page in self.still and key in table:
                said = say("{key} needs a picture that moves, and the page {page} has none.", key=key, page=page)
                raise self.wrong(i, key, said)
        panels = self.texts(table, "panels", i)
        if len(panels) > 2:
            raise self.wrong(i, "panels", say("panels has {count} names: at most 2 fit the stage.", count=len(panels)))
        settings = table.get("settings", {})
        if not isinstance(settings, dict):
            raise self.wrong(i, "settings", say('settings is not a table like { rank = 4, init = "B_zero" }.'))
        for key, value in settings.items():
            if not isinstance(value, (str, int, float)) or isinstance(value, bool) or len(_told(value, 61)) > 60:
                raise self.wrong(
                    i,
                    key,
                    say(
                        "{key}={value} is not a setting. Valid values: a text or a number.",
                        key=key[:40],
                        value=_told(value),
                    ),
                )
        return Scene(
            page=page,
            caption=self.text(table, "caption", i, most=300),
            settings=tuple((key, _written(value)) for key, value in settings.items()),
            at=self.number(table, "at", i) if "at" in table else None,
            notes=self.text(table, "notes", i, default=""),
            controls=self.texts(table, "controls", i),
            panels=panels,
            question=self.question(table["question"], i) if "question" in table else None,
        )

    def question(self, table: Any, i: int) -> Question:
        if not isinstance(table, dict):
            raise self.wrong(i, "question", say("question is not a table."))
        self.only(table, "question", i)
        kind = self.text(table, "kind", i)
        if kind not in _KINDS:
            raise self.wrong(
                i,
                "kind",
                say("kind={given} is unknown. Valid values: {allowed}.", given=kind[:40], allowed=", ".join(_KINDS)),
            )
        take = table.get("take", "largest")
        if take not in _TAKES:
            raise self.wrong(
                i,
                "take",
                say("take={given} is unknown. Valid values: {allowed}.", given=_told(take), allowed=", ".join(_TAKES)),
            )
        series = self.texts(table, "series", i)
        if not series or (kind == "choice") != (len(series) > 1):
            raise self.wrong(
                i,
                "series",
                say("series has {count} names: a choice needs at least 2, the others 1.", count=len(series)),
            )
        return Question(
            kind=kind,
            text=self.text(table, "text", i, most=300),
            panel=self.text(table, "panel", i),
            series=series,
            at=self.number(table, "at", i) if "at" in table else 0.0,
            take=take,
        )


def _told(value: Any, most: int = 40) -> str:
    """How it is written, so many characters of it: numbers and lists can be longer than Python would write."""
    try:
        return str(value)[:most]
    except (ValueError, RecursionError):
        return "…" * most


def _written(value: str | int | float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
