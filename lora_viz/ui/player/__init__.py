"""How does a film reach the browser? Once, as bytes, to one component that owns the playhead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from lora_viz.film import Film
from lora_viz.style import DIVERGING, IDENTITY, SEQUENTIAL

__all__ = ["play"]

_HERE = Path(__file__).parent


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


_player = st.components.v2.component(
    "lora_player",
    html=_read("player.html"),
    css=_read("player.css"),
    js="\n".join(
        _read(name) for name in ("decode.js", "panels.js", "curves.js", "pictures.js", "machine.js", "player.js")
    ),
)


def play(film: Film, *, key: str = "player", on_pick: Callable[[int, int], None] | None = None) -> None:
    """Show a film: play, pause, step, scrub and speed happen in the browser from here on.

    ``on_pick(row, column)`` is called where a cell of a ``Field`` that picks was asked for.
    """

    def picked() -> None:
        asked = (st.session_state.get(key) or {}).get("picked")
        if on_pick is not None and asked:
            on_pick(int(asked["row"]), int(asked["column"]))

    colours = {"identity": IDENTITY, "diverging": DIVERGING, "sequential": SEQUENTIAL}
    _player(key=key, data=film.to_bytes(colours=colours), on_picked_change=picked)
