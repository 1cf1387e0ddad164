"""How does a whole deck go where there is no server? Every scene is run as in the app and kept in one HTML file.

`python -m lora_viz.ui.deck_file five_minutes out.html de`; the first argument may also be the path of a deck of one's
own. The language, by its code, is English where none is named.
"""

from __future__ import annotations

import sys
from pathlib import Path

from streamlit.testing.v1 import AppTest

from lora_viz.decks.scenes import Deck, DeckError
from lora_viz.film.standalone import Leaf, standalone_html
from lora_viz.i18n.language import language, languages, say, speak
from lora_viz.ui.presenting import DECKS, WITHOUT_FILM, link_of, page_file, read_file

__all__ = ["deck_html", "leaf_of"]


def leaf_of(deck: Deck, index: int) -> Leaf:
    """The picture of one scene, run as in the app, in the language that is spoken now.

    A page without a moving picture leaves its caption and the address where it is seen. Raises DeckError with what the
    page said against the scene.
    """
    scene = deck.scenes[index]
    page = AppTest.from_function(
        _run_page, kwargs={"path": str(page_file(scene.page)), "code": language()}, default_timeout=120
    )
    page.session_state["own_deck"] = deck
    page.query_params["deck"], page.query_params["scene"] = "own", str(index + 1)
    for key, value in link_of(scene).items():
        page.query_params[key] = value
    page.run()
    said = [element.value for element in (*page.exception, *page.warning, *page.error)]
    if said:
        raise DeckError(say("scene {place} ({page}): {said}", place=index + 1, page=scene.page, said=said[0]))
    if scene.page in WITHOUT_FILM:
        settings = "&".join(f"{key}={value}" for key, value in link_of(scene).items())  # to be read, not clicked
        where = say(
            "This page has no moving picture, so the file cannot hold it. In the playground its address is {address}",
            address=f"{scene.page}?{settings}".removesuffix("?"),
        )
        return Leaf(title=say(scene.caption), caption="", film=b"", notes=say(scene.notes), source=where)
    films = [each.proto.bytes for each in page.get("bidi_component") if each.proto.component_name == "lora_player"]
    return Leaf(
        title=say(scene.question.text if scene.question else scene.caption),
        caption="",
        film=films[0],
        takeaway=_seen(page),
        notes=say(scene.notes),
        about=say(scene.caption) if scene.question else "",
    )


def _run_page(path: str, code: str) -> None:
    # Its source is what runs, in a thread of its own, that does not know what is spoken in this one.
    import runpy

    from lora_viz.i18n.language import speak

    with speak(code):
        runpy.run_path(path)


def _seen(page: AppTest) -> str:
    """The takeaway below the picture, without the words that announce it."""
    before, _, after = say("**What you saw.** {seen}", seen="\0").partition("\0")
    for element in page.markdown:
        if element.value.startswith(before):
            return str(element.value.removeprefix(before).removesuffix(after))
    return ""


def deck_html(deck: Deck) -> str:
    """The whole deck in one file."""
    return standalone_html(say(deck.title), [leaf_of(deck, i) for i in range(len(deck.scenes))])


def main(asked: str, out: str, code: str = "en") -> None:
    """Write this deck in this language."""
    if code not in languages():
        raise SystemExit(f"language={code} is unknown: allowed are {', '.join(languages())}.")
    found = Path(asked) if asked.endswith(".toml") else DECKS / f"{asked}.toml"
    with speak(code):
        Path(out).write_text(deck_html(read_file(found)), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
