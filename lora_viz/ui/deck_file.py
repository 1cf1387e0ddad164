"""How does a whole deck go where there is no server? Every scene is run as in the app and kept in one HTML file.

`python -m lora_viz.ui.deck_file five_minutes out.html`; the first argument may also be the path of a deck of one's own.
"""

from __future__ import annotations

import sys
from pathlib import Path

from streamlit.testing.v1 import AppTest

from lora_viz.language import say
from lora_viz.scenes import Deck, DeckError
from lora_viz.standalone import Leaf, standalone_html
from lora_viz.ui.presenting import DECKS, WITHOUT_FILM, link_of, page_file, read_file

__all__ = ["deck_html", "leaf_of"]


def leaf_of(deck: Deck, index: int) -> Leaf:
    """The picture of one scene, run as in the app. Raises DeckError with what the page said against the scene.

    A page without a moving picture leaves its caption and the address where it is seen.
    """
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
    films = [each.proto.bytes for each in page.get("bidi_component") if each.proto.component_name == "lora_player"]
    if scene.page in WITHOUT_FILM:
        settings = "&".join(f"{key}={value}" for key, value in link_of(scene).items())  # to be read, not clicked
        where = say(
            "This page has no moving picture, so the file cannot hold it. In the playground its address is {address}",
            address=f"{scene.page}?{settings}".removesuffix("?"),
        )
        return Leaf(title=scene.caption, caption="", film=b"", notes=scene.notes, source=where)
    seen = [element.value for element in page.markdown if element.value.startswith("**What you saw.**")]
    takeaway = seen[0].removeprefix("**What you saw.** ") if seen else ""
    title = scene.question.text if scene.question else scene.caption
    about = scene.caption if scene.question else ""
    return Leaf(title=title, caption="", film=films[0], takeaway=takeaway, notes=scene.notes, about=about)


def deck_html(deck: Deck) -> str:
    """The whole deck in one file."""
    return standalone_html(deck.title, [leaf_of(deck, i) for i in range(len(deck.scenes))])


if __name__ == "__main__":
    asked, out = sys.argv[1], Path(sys.argv[2])
    found = Path(asked) if asked.endswith(".toml") else DECKS / f"{asked}.toml"
    out.write_text(deck_html(read_file(found)), encoding="utf-8")
