"""The decks that come with the playground, and the reading of others: what a scene may open are the lessons."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from lora_viz.content.decks.scenes import LONGEST_DECK, Deck, DeckError, read_deck
from lora_viz.i18n.language import say
from lora_viz.lessons.walk import lessons

__all__ = ["DECKS", "read_bytes", "read_file", "shipped_decks"]

DECKS = Path(__file__).parents[1] / "content" / "decks"


@cache
def shipped_decks() -> dict[str, Deck]:
    """The decks that come with the playground, by file name."""
    return {path.stem: read_file(path) for path in sorted(DECKS.glob("*.toml"))}


def read_file(path: Path) -> Deck:
    """The deck in this file. Raises DeckError."""
    return read_bytes(path.name, path.read_bytes())


def read_bytes(name: str, content: bytes) -> Deck:
    """The deck in these bytes, a file of this name. Raises DeckError."""
    if len(content) > LONGEST_DECK:
        raise DeckError(
            say("{name} has {count} bytes: allowed are {most}.", name=name[:60], count=len(content), most=LONGEST_DECK)
        )
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise DeckError(say("{name} is no text: a deck is a TOML file in UTF-8.", name=name[:60])) from None
    return _read(text)


def _read(text: str) -> Deck:
    """On lessons without a film there is no playhead to place and no picture to ask about."""
    return read_deck(text, [each.id for each in lessons()], still=[each.id for each in lessons() if each.film is None])
