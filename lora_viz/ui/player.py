"""The player on the screen: a film goes once, as bytes, to one component that owns the playhead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from lora_viz.film.film import Film
from lora_viz.film.player import COLOURS, CSS, HTML, SCRIPT, words
from lora_viz.film.size import FilmTooLarge
from lora_viz.i18n.outside import on_screen
from lora_viz.ui.scripts import script

__all__ = ["play"]

_player = st.components.v2.component("lora_player", html=HTML, css=CSS, js=script("player", SCRIPT))


def play(
    film: Film,
    *,
    key: str = "player",
    at: int | None = None,
    on_pick: Callable[[int, int], None] | None = None,
    on_share: Callable[[float], None] | None = None,
    question: dict[str, Any] | None = None,
    present: dict[str, Any] | None = None,
) -> None:
    """Show a film: play, pause, step, scrub and speed happen in the browser from here on.

    ``at`` is the frame that is seen first, if not the film's own. ``on_pick(row, column)`` is called where a cell of a
    ``Field`` that picks was asked for, ``on_share(value)`` with the playhead's place where the picture is to be shared.
    ``question`` (``decks.asking.asked_first``) hides the picture until it is answered; ``present`` makes it large.
    """

    def picked() -> None:
        asked = (st.session_state.get(key) or {}).get("picked")
        if on_pick is not None and asked:
            on_pick(int(asked["row"]), int(asked["column"]))

    try:
        data = film.to_bytes(
            colours=COLOURS, words=words(), at=at, shares=on_share is not None, question=question, present=present
        )
    except FilmTooLarge as error:
        st.warning(on_screen(error.said), icon=":material/warning:")
        return
    asked = _player(key=key, data=data, on_picked_change=picked, on_shared_change=lambda: None)
    if on_share is not None and asked.shared is not None:
        on_share(float(asked.shared))
