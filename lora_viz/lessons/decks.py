"""The decks that come with the playground, and the reading of others: what a scene may open are the lessons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from lora_viz.content.decks.asking import asked_first
from lora_viz.content.decks.scenes import LONGEST_DECK, Deck, DeckError, Scene, read_deck
from lora_viz.core.refusals import Refusal
from lora_viz.i18n.language import say
from lora_viz.lessons.controls import Choice, SettingError
from lora_viz.lessons.joined import PART
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.walk import lesson, lessons, measured, moved

__all__ = ["DECKS", "read_bytes", "read_file", "shipped_decks"]

DECKS = Path(__file__).parents[1] / "content" / "decks"


@cache
def shipped_decks() -> dict[str, Deck]:
    """The decks that come with the playground, by file name."""
    return {path.stem: read_file(path) for path in sorted(DECKS.glob("*.toml"))}


def read_file(path: Path) -> Deck:
    """The deck in this file. Raises DeckError."""
    return read_bytes(path.name, path.read_bytes())


def read_bytes(name: str, content: bytes, lab: Lab | None = None) -> Deck:
    """The deck in these bytes, a file of this name. Raises DeckError.

    With a lab, scenes that name pictures or ask about them are measured: a wrong name is found now, not on the stage.
    """
    if len(content) > LONGEST_DECK:
        raise DeckError(
            say(
                "{name} has {count} bytes. At most {most} are possible.",
                name=name[:60],
                count=len(content),
                most=LONGEST_DECK,
            )
        )
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise DeckError(say("{name} is not text: a deck is a TOML file in UTF-8.", name=name[:60])) from None
    return _read(text, lab)


def _read(text: str, lab: Lab | None = None) -> Deck:
    """On lessons without a film there is no playhead to place and no picture to ask about."""
    known = (*lessons(), *measured())
    still = [each.id for each in known if each.film is None]
    deck = read_deck(text, [each.id for each in known], still=still, wrong=partial(_wrong, lab=lab))
    return replace(deck, scenes=tuple(map(_found, deck.scenes)))


def _found(scene: Scene) -> Scene:
    """The scene on the page where its lesson stands by now."""
    if scene.page not in moved():
        return scene
    door, part = moved()[scene.page]
    return replace(scene, page=door.id, settings=((PART, part.id), *scene.settings))


def _wrong(scene: Scene, lab: Lab | None) -> Iterator[tuple[str, str]]:
    """What the scene's lesson does not know: settings, controls; with a lab pictures and curves too."""
    own, answers, given = lesson(scene.page), dict[str, Any](), dict(scene.settings)
    for control in own.walk(answers):
        try:
            asked = given.get(control.id)
            answers[control.id] = control.usual(own.default) if asked is None else control.parse(asked)
        except SettingError as error:
            yield control.id, error.said
            return
    allowed = ", ".join(answers) or "–"
    for name in given:
        if name not in answers:
            yield name, say("{name} is not a setting of the page {page}. Valid values: {allowed}.",
                            name=name[:40], page=own.id, allowed=allowed)  # fmt: skip
    standing = {*answers, *_elsewhere(own, answers, scene.controls)}
    for name in scene.controls:
        if name not in standing:
            yield "controls", say("{name} is not a control of the page {page}. Valid values: {allowed}.",
                                  name=name[:40], page=own.id, allowed=allowed)  # fmt: skip
    if lab is not None and (scene.panels or scene.question):
        yield from _wrong_pictures(scene, lab)


def _elsewhere(own: Lesson[Any], answers: dict[str, Any], named: tuple[str, ...]) -> Iterator[str]:
    """The controls that stand where one that stays on the stage is answered otherwise."""
    for control in own.walk(answers):
        for option in control.options if isinstance(control, Choice) and control.id in named else ():
            yield from (each.id for each in own.walk({**answers, control.id: option}))


def _wrong_pictures(scene: Scene, lab: Lab) -> Iterator[tuple[str, str]]:
    try:
        film = lesson(scene.page).read(dict(scene.settings), lab).film
    except Refusal as error:
        yield "settings", error.said
        return
    ids = [panel.id for panel in film.panels] if film is not None else []
    for name in scene.panels:
        if name not in ids:
            yield "panels", say("{name} is not a picture of the page {page}. Valid values: {allowed}.",
                                name=name[:40], page=scene.page, allowed=", ".join(ids))  # fmt: skip
    if scene.question is not None and film is not None:
        try:
            asked_first(film, scene.question)
        except DeckError as error:
            yield "panel" if error.said.startswith("panel") else "series", error.said
