"""How does a whole deck go where there is no server? Every scene is run as in the app and kept in one HTML file.

`python -m lora_viz.ui.deck_file five_minutes out.html`; the first argument may also be the path of a deck of one's own.
"""

from __future__ import annotations

import sys
from pathlib import Path

from streamlit.testing.v1 import AppTest

from lora_viz.scenes import Deck, DeckError
from lora_viz.standalone import Leaf, standalone_html
from lora_viz.ui.presenting import DECKS, link_of, page_file, read_file

__all__ = ["deck_html", "leaf_of"]


def leaf_of(deck: Deck, index: int) -> Leaf:
    """The picture of one scene, run as in the app. Raises DeckError with what the page said against the scene."""
    scene = deck.scenes[index]
    page = AppTest.from_file(str(page_file(scene.page)), default_timeout=120)
    page.session_state["own_deck"] = deck
    page.query_params["deck"], page.query_params["scene"] = "own", str(index + 1)
    for key, value in link_of(scene).items():
        page.query_params[key] = value
    page.run()
    said = [element.value for element in (*page.exception, *page.warning, *page.error)]
    if said:
        raise DeckError(f"scene {index + 1} ({scene.page}): {said[0]}")
    films = page.get("bidi_component")
    if not films:
        raise DeckError(f"scene {index + 1}: the page {scene.page} has nothing that moves, so a file cannot hold it.")
    seen = [element.value for element in page.markdown if element.value.startswith("**What you saw.**")]
    takeaway = seen[0].removeprefix("**What you saw.** ") if seen else ""
    title = scene.question.text if scene.question else scene.caption
    return Leaf(title=title, caption="", film=films[0].proto.bytes, takeaway=takeaway, notes=scene.notes)


def deck_html(deck: Deck) -> str:
    """The whole deck in one file."""
    return standalone_html(deck.title, [leaf_of(deck, i) for i in range(len(deck.scenes))])


if __name__ == "__main__":
    asked, out = sys.argv[1], Path(sys.argv[2])
    found = Path(asked) if asked.endswith(".toml") else DECKS / f"{asked}.toml"
    out.write_text(deck_html(read_file(found)), encoding="utf-8")
