"""A played lesson as one HTML file that opens from a disk: the picture that moves, and what was seen."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from lora_viz.core.refusals import Refusal
from lora_viz.film.player import COLOURS, words
from lora_viz.film.standalone import Leaf, standalone_html
from lora_viz.i18n.language import say
from lora_viz.lessons.lesson import Played

__all__ = ["one_file"]


def one_file(played: Played[Any]) -> str:
    """The file. Raises Refusal where nothing moves."""
    title, film = say(played.lesson.title), played.film
    if film is None:
        raise Refusal(say("{lesson} has no moving picture, so no file can hold it.", lesson=played.lesson.id))
    shown = film.to_bytes(colours=COLOURS, words=words(), shares=False)
    address = f"{played.lesson.id}?{urlencode(played.link, doseq=True)}"
    return standalone_html(title, [Leaf(title, say(played.lesson.claim), shown, played.takeaway, source=address)])
