"""What the player says is said in the visitor's language: its bar, its tables, what it draws and tells the ear."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from lora_viz.content.decks.asking import asked_first
from lora_viz.content.decks.scenes import Question
from lora_viz.film.panels import Lines
from lora_viz.film.player import COLOURS, words
from lora_viz.film.standalone import Leaf, standalone_html
from lora_viz.i18n import language
from lora_viz.i18n.language import catalogue, say, speak
from lora_viz.lessons.deck_file import deck_html, leaf_of
from lora_viz.lessons.decks import DECKS, read_file
from tests.browser import served
from tests.test_language import HIDDEN, Bracketed, unsaid
from tests.test_numbers import FILM

GERMAN = {
    "step": "Schritt",
    "▶ Play": "▶ Abspielen",
    "Play": "Abspielen",
    "❚❚ Pause": "❚❚ Pause",
    "Reset": "Zurück",
    "End": "Ende",
    "Next": "Weiter",
    "Before": "Vorher",
    "Numbers": "Zahlen",
    "PNG": "PNG",
    "{value} of {last}": "{value} von {last}",
    "◀ Back": "◀ Voriges",
    "Next ▶": "Nächstes ▶",
}
# Every text on a canvas, as it is written there; a text that was cut to fit is closed again.
LISTEN = """
window.written = new Set();
const { fillText } = CanvasRenderingContext2D.prototype;
CanvasRenderingContext2D.prototype.fillText = function (text, ...at) {
  window.written.add(text);
  return fillText.call(this, text, ...at);
};
"""
HEARD_AND_SEEN = """e => {
  const found = [...window.written];
  const seen = document.createTreeWalker(e, NodeFilter.SHOW_TEXT);
  while (seen.nextNode()) if (!seen.currentNode.parentNode.matches("script, style")) found.push(seen.currentNode.data);
  for (const name of ["title", "aria-label", "aria-valuetext"])
    for (const one of e.querySelectorAll(`[${name}]`)) found.push(one.getAttribute(name));
  return found;
}"""


@pytest.fixture
def german(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(language, "catalogue", lambda code: GERMAN if code == "de" else {})
    with speak("de"):
        yield


@pytest.fixture
def brackets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(language, "catalogue", lambda code: Bracketed() if code == "xx" else {})
    with speak("xx"):
        yield


def opened(browser: Browser, path: Path, html: str, *, calm: bool = True) -> Page:
    path.write_text(html, encoding="utf-8")
    page = browser.new_page(
        viewport={"width": 1280, "height": 900}, reduced_motion="reduce" if calm else "no-preference"
    )
    page.add_init_script(LISTEN)
    page.goto(path.as_uri())
    expect(page.locator(".player")).to_have_attribute("data-frame", re.compile(r"\d"))
    return page


def said_film(data: bytes) -> bytes:
    """The same film with every word of its own in brackets, so that only the player's can be bare."""

    def bracket(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: bracket(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [bracket(item, key) for item in value]
        return f"⟦{value}⟧" if isinstance(value, str) and key not in HIDDEN else value

    length = int.from_bytes(data[:4], "little")
    header = json.loads(data[4 : 4 + length])
    text = json.dumps({**header, "film": bracket(header["film"])}, ensure_ascii=False).encode()
    text += b" " * (-(len(text) + 4) % 4)
    return len(text).to_bytes(4, "little") + text + data[4 + length :]


def bare(page: Page) -> set[str]:
    texts: list[str] = page.locator("body").evaluate(HEARD_AND_SEEN)
    closed = [text + "⟧" * (text.count("⟦") - text.count("⟧")) if "…" in text else text for text in texts]
    return {text for text in closed if unsaid(text)}


def test_the_bar_is_german(german: None, browser: Browser, tmp_path: Path) -> None:
    leaves = [Leaf(f"Titel {i}", "", FILM.to_bytes(colours=COLOURS, words=words())) for i in (1, 2)]
    page = opened(browser, tmp_path / "film.html", standalone_html("Titel", leaves), calm=False)
    expect(page.locator("html")).to_have_attribute("lang", "de")
    shown = page.locator(".bar > :not([hidden], select, input)").evaluate_all("all => all.map((e) => e.textContent)")
    assert shown == [
        "Zurück", "◀", "▶ Abspielen", "▶", "Ende", "Schritt 10 von 30", "Vorher", "Zahlen", "PNG",
    ]  # fmt: skip
    assert page.locator("nav button").first.text_content() == "◀ Voriges"
    expect(page.locator("#count")).to_have_text("1 von 2")
    page.get_by_role("button", name="Abspielen").click()
    expect(page.get_by_role("button", name="Pause")).to_have_text("❚❚ Pause")
    page.close()


def test_no_word_of_the_player_is_bare(brackets: None, browser: Browser, tmp_path: Path) -> None:
    film = said_film(FILM.to_bytes(colours=COLOURS, words=words()))
    page = opened(browser, tmp_path / "film.html", standalone_html(say("t"), [Leaf(say("t"), say("c"), film)] * 2))
    assert not bare(page), "one picture large, further ones by their names"
    page.get_by_role("button", name="⟦All pictures⟧").click()
    expect(page.locator(".machine canvas")).to_be_visible()
    page.locator("[data-part=numbers]").click()
    expect(page.locator(".tables table").first).to_be_visible()
    machine, heat = page.locator(".machine canvas"), page.locator(".heatmap canvas").first
    machine.focus()
    for key in ("]", "ArrowDown", "[", "1", "a"):  # W, a cell of it, B, a component off, a step by hand
        machine.press(key)
    page.locator(".cloud canvas").first.press("ArrowLeft")
    page.locator(".field canvas").press("ArrowUp")
    heat.hover(position={"x": 20, "y": 50})
    with page.expect_download():
        page.locator("[data-part=png]").click()
    written = page.evaluate("[...window.written]")
    assert "⟦step A only⟧" in written, "the machine was listened to"
    assert not bare(page)
    page.close()


@pytest.mark.parametrize("kind", ["number", "choice", "curve"])
def test_what_is_asked_first_is_said(brackets: None, browser: Browser, tmp_path: Path, kind: str) -> None:
    (lines,) = [panel for panel in FILM.panels if panel.title == "Lines" and isinstance(panel, Lines)]
    one = replace(lines.series[0], name=say("first"))
    two = replace(one, id="second", name=say("second"), y=2 * one.y)
    spoken = replace(
        FILM,
        narration=(),
        panels=(
            replace(lines, title=say("Curves over it"), y_label=say("loss"), marks=(), series=(one, two), span=12),
        ),
    )
    names = ("first", "second") if kind == "choice" else ("first",)
    question = asked_first(spoken, Question(kind=kind, text="What then?", panel="Curves over it", series=names, at=10))
    film = spoken.to_bytes(colours=COLOURS, words=words(), question=question)
    page = opened(browser, tmp_path / "asked.html", standalone_html(say("t"), [Leaf(say("t"), "", film)]))
    assert not bare(page)
    if kind == "number":
        given = page.locator(".question input")
        for text in ("x", "0.5"):
            given.fill(text)
            given.press("Enter")
            assert not bare(page)
    elif kind == "choice":
        page.get_by_role("button", name="⟦second⟧").click()
    else:
        box = page.locator("canvas").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 100, box["y"] + 150)
        page.mouse.down()
        page.mouse.move(box["x"] + 700, box["y"] + 160, steps=5)
        page.mouse.up()
        page.locator(".question button").first.click()
    expect(page.locator(".told")).to_contain_text("⟦Measured: ")
    assert not bare(page)
    page.close()


DE = """
import streamlit as st
from lora_viz.i18n import language
from lora_viz.i18n.language import speak
from lora_viz.ui.player import play
from tests.test_numbers import FILM
from tests.test_player_words import GERMAN

language.catalogue = lambda code: GERMAN if code == "de" else {}
with speak("de" if st.toggle("deutsch") else "en"):
    play(FILM)
"""


def test_another_language_reaches_the_player_that_is_there(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(DE, encoding="utf-8")
    with served(tmp_path / "app.py") as address:
        page = browser.new_page()
        page.goto(address)
        button = page.locator("[data-part=play]")
        for text, where in (("▶ Play", "step 10 of 30"), ("▶ Abspielen", "Schritt 10 von 30")) * 2:
            expect(button).to_have_text(text, timeout=30_000)
            expect(page.locator(".where")).to_have_text(where)
            page.get_by_text("deutsch").click()
        page.close()


ASKED = [
    (path.stem, i)
    for path in sorted(DECKS.glob("*.toml"))
    for i, scene in enumerate(read_file(path).scenes)
    if scene.question
]


@pytest.mark.parametrize(("name", "index"), ASKED)
def test_a_deck_asks_in_any_language(brackets: None, name: str, index: int) -> None:
    """Decks name panels and curves in English; the player looks for what stands in its picture."""
    leaf = leaf_of(read_file(DECKS / f"{name}.toml"), index)
    header = json.loads(leaf.film[4 : 4 + int.from_bytes(leaf.film[:4], "little")])
    question = header["question"]
    assert not unsaid(leaf.title) and not unsaid(question["text"]) and not unsaid(question["measured"])
    if question["kind"] == "curve":
        panel = header["film"]["panels"][question["panel"]]
        assert panel["kind"] == "lines" and len(panel["series"]) > question["series"]


def test_a_deck_as_a_file_speaks_one_language(german: None) -> None:
    deck = read_file(DECKS / "five_minutes.toml")
    page = deck_html(replace(deck, scenes=deck.scenes[:1]))
    assert '<html lang="de">' in page and "◀ Voriges" in page
    assert {"Schritt", "▶ Abspielen"} <= {*words().values(), say("step")}


def test_the_five_minutes_are_german_from_the_first_scene_to_the_last() -> None:
    """With the catalogue that comes with the playground, not one made up for a test."""
    deck, german, english_words = read_file(DECKS / "five_minutes.toml"), catalogue("de"), {"the", "of", "and", "with"}
    with speak("de"):
        leaves = [leaf_of(deck, i) for i in range(len(deck.scenes))]
        page = standalone_html(say(deck.title), leaves)
    assert '<html lang="de">' in page and german["Next ▶"] in page and f"<title>{german[deck.title]}" in page
    for scene, leaf in zip(deck.scenes, leaves, strict=True):
        assert leaf.title == german[scene.question.text if scene.question else scene.caption]
        assert leaf.notes == (german[scene.notes] if scene.notes else "")
        header = leaf.film[4 : 4 + int.from_bytes(leaf.film[:4], "little")].decode()
        titles = re.findall(r'"(?:title|y_label|x_label|name|note|text)":\s*"([^"]*)"', header)
        shown = set(re.findall(r"[a-z]+", " ".join([leaf.takeaway, leaf.about, *titles]).lower()))
        assert titles and not leaf.takeaway, scene.page
        assert not shown & english_words, f"{scene.page}: {shown & english_words}"
