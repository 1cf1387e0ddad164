"""A whole deck where there is no server: every scene is played and kept in one HTML file.

`python -m lora_viz.lessons.deck_file five_minutes out.html de`; the first argument may also be the path of a deck of
one's own. The language, by its code, is English where none is named.
"""

from __future__ import annotations

import sys
from pathlib import Path

from lora_viz.content.decks.asking import asked_first
from lora_viz.content.decks.scenes import Deck, DeckError, Scene
from lora_viz.core.refusals import Refusal
from lora_viz.core.whole_file import write_whole
from lora_viz.film.player import COLOURS, words
from lora_viz.film.standalone import Leaf, standalone_html
from lora_viz.i18n.language import languages, say, speak
from lora_viz.lessons.decks import DECKS, read_file
from lora_viz.lessons.lesson import Played
from lora_viz.lessons.walk import lesson

__all__ = ["deck_html", "leaf_of"]


def leaf_of(deck: Deck, index: int) -> Leaf:
    """The picture of one scene, in the language that is spoken now.

    A lesson without a moving picture leaves its caption and the address where it is seen. Raises DeckError with what
    the lesson says against the scene.
    """
    scene = deck.scenes[index]
    own = lesson(scene.page)
    if own.film is None:
        settings = "&".join(f"{key}={value}" for key, value in scene.settings)  # to be read, not clicked
        where = say(
            "This page has no moving picture, so the file cannot hold it. In the playground its address is {address}",
            address=f"{scene.page}?{settings}".removesuffix("?"),
        )
        return Leaf(title=say(scene.caption), caption="", film=b"", notes=say(scene.notes), source=where)
    try:
        played = own.read(dict(scene.settings))
        caption = say(scene.caption) if scene.question else ""
        shown = {
            "scene": f"own/{index}",
            "contrast": False,
            "file": True,
            "panels": list(scene.panels),
            "caption": caption,
        }
        return _leaf(scene, played, shown)
    except Refusal as error:
        raise DeckError(say("scene {place} ({page}): {said}", place=index + 1, page=scene.page, said=error)) from None


def _leaf(scene: Scene, played: Played[object], present: dict[str, object]) -> Leaf:
    film = played.film
    assert film is not None
    question = asked_first(film, scene.question) if scene.question else None
    at = None if scene.at is None else int(abs(film.values - scene.at).argmin())
    shown = film.to_bytes(colours=COLOURS, words=words(), at=at, shares=False, question=question, present=present)
    return Leaf(
        title=say(scene.question.text if scene.question else scene.caption),
        caption="",
        film=shown,
        notes=say(scene.notes),
        about=say(scene.caption) if scene.question else "",
    )


def deck_html(deck: Deck) -> str:
    """The whole deck in one file. Raises DeckError."""
    return standalone_html(say(deck.title), [leaf_of(deck, i) for i in range(len(deck.scenes))])


def main(asked: str, out: str, code: str = "en") -> None:
    """Write this deck in this language."""
    if code not in languages():
        raise SystemExit(f"language={code} is unknown. Valid values: {', '.join(languages())}.")
    found = Path(asked) if asked.endswith(".toml") else DECKS / f"{asked}.toml"
    with speak(code):
        write_whole(Path(out), deck_html(read_file(found)))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Refusal as error:
        sys.exit(str(error))
