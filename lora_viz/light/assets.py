"""What every plain page shares, each under a name that changes with its contents: a browser may keep it for ever."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

from lora_viz.film.player import CSS, ELEMENT_SCRIPT, PLAIN_SCRIPT
from lora_viz.film.style import letters_css

__all__ = ["ELEMENT", "SCRIPT", "STYLE", "assets", "element"]

ELEMENT = "lora-film.js"  # other people's pages name it: it stays, whatever is in it


def _named(name: str, text: str) -> str:
    stem, _, ending = name.partition(".")
    return f"{stem}.{sha256(text.encode()).hexdigest()[:12]}.{ending}"


_STYLE_TEXT = (Path(__file__).parent / "light.css").read_text(encoding="utf-8") + CSS + letters_css()
STYLE, SCRIPT = _named("light.css", _STYLE_TEXT), _named("player.js", PLAIN_SCRIPT)


@cache
def assets() -> dict[str, tuple[str, bytes]]:
    """Name → kind and content of each shared file."""
    return {STYLE: ("text/css", _STYLE_TEXT.encode()), SCRIPT: ("text/javascript", PLAIN_SCRIPT.encode())}


def element() -> bytes:
    """The script that pages of others load for ``<lora-film src="…">``."""
    return ELEMENT_SCRIPT.encode()
