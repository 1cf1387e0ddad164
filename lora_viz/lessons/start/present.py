"""Present: for teachers, decks of scenes, one's own too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lora_viz.content.decks.scenes import KEYS, Deck, DeckError
from lora_viz.i18n.language import say, to_say
from lora_viz.i18n.outside import emphasised
from lora_viz.lessons.controls import File
from lora_viz.lessons.deck_file import deck_html
from lora_viz.lessons.decks import DECKS, read_bytes, shipped_decks
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.parts import Boxed, Download, Folded, Notice, Part, Present, Prose, Row, Table
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Undecidable
from lora_viz.lessons.walk import lesson as lesson_of

__all__ = ["LESSON", "DecksRecord"]


class DecksRecord(NamedTuple):
    """The visitor's own deck, if one was given that can be read, or what is wrong with it."""

    own: Deck | None
    wrong: str


def measure(settings: Settings, lab: Lab) -> DecksRecord:
    """Read the deck that was given."""
    for given in settings["deck_file"]:
        try:
            return DecksRecord(read_bytes(given.name, given.read(), lab), "")
        except DeckError as error:
            return DecksRecord(None, error.said)
    return DecksRecord(None, "")


def takeaway(record: DecksRecord) -> str:
    """What a deck is."""
    return say(
        "A deck consists of settings and sentences; nothing in it is executed. Page Up and Page Down, or a "
        "presentation remote, change the scene."
    )


def body(record: DecksRecord) -> tuple[Part, ...]:
    """Every shipped deck, and the way to begin it."""
    decks = (
        Boxed(
            (
                _told(say(deck.title), deck, say(deck.about)),
                Row((Present(name, say("Begin")), _toml(name), _file(name, deck))),
            )
        )
        for name, deck in shipped_decks().items()
    )
    return (*decks, Folded(say("Every key of a deck"), tuple(_listed())))


def own(record: DecksRecord) -> tuple[Part, ...]:
    """What became of the deck that was given."""
    if record.wrong:
        return (Notice(say("{error} Nothing was opened.", error=record.wrong), "error"),)
    if record.own is None:
        return ()
    told = _told(emphasised(record.own.title), record.own, emphasised(record.own.about))
    return (told, Row((Present("own", say("Begin my deck"), record.own), _file("own", record.own))))


def _told(title: str, deck: Deck, about: str) -> Prose:
    return Prose(say("**{title}** · {scenes} scenes. {about}", title=title, scenes=len(deck.scenes), about=about))


def _toml(name: str) -> Download:
    def text() -> str:
        return (DECKS / f"{name}.toml").read_text(encoding="utf-8")

    return Download(f"toml_{name}", say("Deck as TOML"), text, f"{name}.toml", "text/plain")


def _file(name: str, deck: Deck) -> Download:
    """The deck as one file for a room without a network; what it cannot hold is said before it is made."""
    still = sorted({scene.page for scene in deck.scenes if lesson_of(scene.page).film is None})
    label = say("Deck as one file, plays offline")
    if still:
        label = say("Deck as one file, plays offline (leaves out: {pages})", pages=", ".join(still))
    return Download(f"file_{name}", label, lambda: deck_html(deck), f"{name}.html", "text/html")


def _listed() -> Iterator[Part]:
    """Every key that the reader knows, as it knows it."""
    places = {
        "deck": say("At the top of the file"),
        "scene": say("In each [[scene]]"),
        "question": say("In [scene.question]"),
    }
    yield Prose(say("A deck is a TOML file. What is not in this list is refused, with its line."))
    for place, keys in KEYS.items():
        yield Prose(f"**{places[place]}**")
        columns = {
            say("key"): [key.name for key in keys],
            say("holds"): [say(key.holds) for key in keys],
            say("needed"): [say("yes") if key.needed else say("no") for key in keys],
            say("what it is for"): [say(key.about) for key in keys],
        }
        yield Table(columns, places[place])


LESSON = Lesson(
    id="present",
    menu=to_say("Slide decks"),
    title=to_say("Slide decks: what do you want to show?"),
    claim=to_say(
        "A deck shows each scene large, at its own settings. It can ask the audience a question before it reveals "
        "the result."
    ),
    place=40,
    controls=(
        File(
            id="deck_file",
            label=to_say("Your own deck: a TOML file like those above, at most 64 kB"),
            endings=("toml",),
            most=1,
            several=False,
        ),
    ),
    measure=measure,
    takeaway=takeaway,
    verdict=Undecidable("It says what a deck does."),
    body=body,
    beside=own,
    trains=False,
    seeded=False,
    worded=True,
)
