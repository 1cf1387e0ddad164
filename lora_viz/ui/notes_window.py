"""What the speaker sees and the room does not: a window of notes, and the time since the deck began."""

from __future__ import annotations

from typing import Any

import streamlit as st

from lora_viz.film.player import SPEAKER_CSS, SPEAKER_HTML, SPEAKER_SCRIPT, words

__all__ = ["speaker_bar"]

_bar = st.components.v2.component("lora_speaker", html=SPEAKER_HTML, css=SPEAKER_CSS, js=SPEAKER_SCRIPT)


def speaker_bar(scene: dict[str, Any]) -> int | None:
    """Draw the time and the button of the notes window; ``scene`` is ``Presented.for_speaker``.

    The place of the scene that a key, a clicker or the notes window asks for now, the first is 0; None: none is. It is
    a place and no direction: of two presses in a row none is lost.

    The window is filled, and the time kept, by the browser alone. Time is this browser's, so a server's clock is not
    asked; ``beginning`` only says whether the deck was begun anew.
    """
    asked = _bar(
        key="speaker", data={**scene, "words": words()}, width="content", on_turned_change=lambda: None
    )  # fmt: skip
    given = asked.turned
    return int(given) - 1 if isinstance(given, int | float) else None
