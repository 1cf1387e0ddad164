"""How does a film reach the browser? Once, as bytes, to one component that owns the playhead."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from lora_viz.film import Film
from lora_viz.style import DIVERGING, IDENTITY

__all__ = ["play"]

_HERE = Path(__file__).parent


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


_player = st.components.v2.component(
    "lora_player",
    html=_read("player.html"),
    css=_read("player.css"),
    js="\n".join(_read(name) for name in ("decode.js", "panels.js", "machine.js", "player.js")),
)


def play(film: Film, *, key: str = "player") -> None:
    """Show a film: play, pause, step, scrub and speed happen in the browser from here on."""
    _player(key=key, data=film.to_bytes(colours={"identity": IDENTITY, "diverging": DIVERGING}))
