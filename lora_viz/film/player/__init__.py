"""What does the browser run? The player's parts: one canvas component that owns the playhead, its style and colours."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from lora_viz.film.style import DIVERGING, IDENTITY, SEQUENTIAL
from lora_viz.i18n.language import language, say

__all__ = [
    "COLOURS",
    "CSS",
    "HTML",
    "LEAVES_CSS",
    "LEAVES_SCRIPT",
    "NOTES_SCRIPT",
    "SCRIPT",
    "SPEAKER_CSS",
    "SPEAKER_HTML",
    "SPEAKER_SCRIPT",
    "WORDS",
    "said_in_html",
    "said_in_script",
    "words",
]

_HERE = Path(__file__).parent


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def said_in_script(script: str) -> tuple[str, ...]:
    """Which texts does this JavaScript say? Whole ones, in double quotes."""
    return tuple(json.loads(text) for text in re.findall(r'\bsay\(("(?:[^"\\]|\\.)+")', script))


def said_in_html(html: str) -> tuple[str, ...]:
    """Which words stand in this HTML? Its texts, titles and names for the ear."""
    found = re.findall(r'\b(?:title|aria-label)="([^"]+)"|>\s*([^<>]*[A-Za-z][^<>]*?)\s*<', html)
    return tuple(attribute or text for attribute, text in found)


# The order counts: each part uses what the ones before it define, the last one exports the component.
_PARTS = (
    "decode.js",
    "panels.js",
    "curves.js",
    "pictures.js",
    "machine.js",
    "guess.js",
    "tables.js",
    "slide.js",
    "player.js",
)

HTML = _read("player.html")
CSS = _read("player.css")
SCRIPT = "\n".join(map(_read, _PARTS))
LEAVES_CSS, LEAVES_SCRIPT = _read("leaves.css"), _read("leaves.js")  # for a file of its own
NOTES_SCRIPT = _read("notes.js")
# The presenter's toolbar is on pages without a picture too, so it is a component of its own.
SPEAKER_HTML, SPEAKER_CSS = _read("speaker.html"), _read("speaker.css")
SPEAKER_SCRIPT = "\n".join(map(_read, ("decode.js", "notes.js", "speaker.js")))
COLOURS: dict[str, Any] = {"identity": IDENTITY, "diverging": DIVERGING, "sequential": SEQUENTIAL}
WORDS = tuple(dict.fromkeys(said_in_html(HTML) + said_in_script(SCRIPT + LEAVES_SCRIPT + SPEAKER_SCRIPT)))


def words() -> dict[str, str]:
    """What the player says, in the visitor's language, by its English; nothing where that is English itself."""
    return {} if language() == "en" else {text: say(text) for text in WORDS}
