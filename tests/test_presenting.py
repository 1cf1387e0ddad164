"""The presenter: every page as a scene, the speaker's own window, the time, and a clicker that is heard everywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from streamlit.testing.v1 import AppTest

from lora_viz.content.decks.scenes import Deck, Scene
from lora_viz.lessons.deck_file import deck_html, leaf_of
from lora_viz.lessons.decks import DECKS, read_file
from lora_viz.lessons.walk import lesson, lessons
from lora_viz.ui.own_decks import MOST, keep, kept
from lora_viz.ui.pages import FOLDER
from tests.everyone import findings, stir

MOVING = ("start", "choosing", "follow", "challenges")  # among other parts, without a film of the lesson's own
PAGES = tuple(each.id for each in lessons())
Open = Callable[..., Page]


def scene_of(name: str, **more: Any) -> Scene:
    return Scene(page=name, caption=f"A caption over {name}", notes=f"Say this of {name}", **more)


def opened(deck: Deck, index: int, link: dict[str, str] | None = None) -> AppTest:
    page = AppTest.from_file(str(FOLDER / f"{deck.scenes[index].page}.py"), default_timeout=120)
    for key, value in {**(link or {}), "deck": keep(deck), "scene": str(index + 1)}.items():
        page.query_params[key] = value
    return page.run()


def parts(page: AppTest) -> dict[str, Any]:
    return {each.proto.component_name: each.proto for each in page.get("bidi_component")}


@pytest.mark.parametrize("name", PAGES)
def test_every_page_can_be_a_scene(name: str) -> None:
    deck = Deck(title="t", about="", scenes=(scene_of("rank"), scene_of(name), scene_of("merge")))
    page = opened(deck, 1)
    assert not page.exception and not page.warning and not page.error
    assert page.title[0].value == f"A caption over {name}"
    assert {"scene_back", "scene_next", "scene_leave"} <= {button.key for button in page.button}
    shown = parts(page)
    assert ("lora_player" in shown) == (lesson(name).film is not None or name in MOVING)
    told = json.loads(shown["lora_speaker"].json)
    assert (told["place"], told["count"]) == (2, 3)
    assert told["caption"] == f"A caption over {name}"
    assert told["notes"] == f"Say this of {name}"
    assert told["next"] == "A caption over merge"
    told_to_the_room = [element.value for element in (*page.markdown, *page.info, *page.caption)]
    assert not [text for text in told_to_the_room if "Say this" in text], "the notes are the speaker's"


def test_a_deck_of_ones_own_is_found_by_its_content_until_many_others_came() -> None:
    one, other = (Deck(title=title, about="", scenes=(scene_of("rank"),)) for title in ("a", "b"))
    name = keep(one)
    assert keep(replace(one)) == name != keep(other), "a reload finds it under the same name"
    assert kept(name) == one
    for i in range(MOST - 1):
        keep(Deck(title=str(i), about="", scenes=one.scenes))
    assert kept(name) == one and kept(keep(other)) == other
    for i in range(MOST - 1):
        keep(Deck(title=f"new {i}", about="", scenes=one.scenes))
    assert kept(name) is None
    page = AppTest.from_file(str(FOLDER / "rank.py"), default_timeout=120)
    page.query_params["deck"] = name
    assert [each.value for each in page.run().warning] == ["Your own deck is no longer here: open its file again."]


def test_the_list_of_scenes_does_not_tell_what_is_asked() -> None:
    deck = read_file(DECKS / "five_minutes.toml")
    page = opened(deck, 1)
    asked = deck.scenes[1]
    assert asked.question is not None
    listed = next(box for box in page.selectbox if box.key.startswith("scene_list")).options
    assert asked.question.text in listed[1]
    assert not [text for text in listed if asked.caption in text]
    assert json.loads(parts(page)["lora_speaker"].json)["asked"] == asked.question.text


def test_a_page_without_a_picture_leaves_its_address_in_the_file() -> None:
    scene = scene_of("mistake", settings=(("matrix", "∇B"),))
    leaf = leaf_of(Deck(title="t", about="", scenes=(scene,)), 0)
    assert leaf.film == b""
    assert leaf.title == scene.caption
    assert leaf.notes == scene.notes
    assert leaf.source.endswith("mistake?matrix=∇B")


@pytest.fixture
def tab(browser: Browser, address: str) -> Iterator[Open]:
    """A tab of its own with this address open; fails at the end if a page complained."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def visited(path: str, *, offline: bool = False, scheme: str = "light") -> Page:
        context = browser.new_context(
            viewport={"width": 1280, "height": 720},
            offline=offline,
            color_scheme=scheme,  # type: ignore[arg-type]
        )
        contexts.append(context)
        context.set_default_timeout(60_000)
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        page = context.new_page()
        page.goto(path if path.startswith("file:") else f"{address}/{path}")
        return page

    yield visited
    for context in contexts:
        context.close()
    assert not complaints


def shows(page: Page, heading: str) -> None:
    """Wait until this heading stands over the scene and nothing runs any more."""
    expect(page.get_by_role("heading", name=heading, level=1)).to_be_visible(timeout=30_000)
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning", timeout=30_000)


def notes_window(page: Page, button: str = "Notes window") -> Page:
    with page.context.expect_page() as second:
        stir(page)
        page.get_by_role("button", name=button, include_hidden=True).hover(
            force=True
        )  # it stays while it is pointed at
        page.get_by_role("button", name=button).click()
    second.value.set_viewport_size({"width": 900, "height": 700})
    return second.value


def seconds(text: str) -> int:
    assert re.fullmatch(r"\d\d+:\d\d", text), text
    minutes, rest = text.split(":")
    return 60 * int(minutes) + int(rest)


def test_the_notes_window_follows_and_turns_the_scenes(tab: Open) -> None:
    deck = read_file(DECKS / "five_minutes.toml")
    page = tab("?deck=five_minutes&scene=1")
    shows(page, deck.scenes[0].caption)
    notes = notes_window(page)

    def follows(number: int) -> None:
        scene, after = deck.scenes[number - 1], deck.scenes[number]
        expect(notes.locator("#place")).to_have_text(f"Scene {number} of {len(deck.scenes)}", timeout=30_000)
        expect(notes.locator("#caption")).to_have_text(scene.caption)
        expect(notes.locator("#notes")).to_have_text(scene.notes)
        expect(notes.locator("#next")).to_have_text(after.caption)
        shows(page, scene.question.text if scene.question else scene.caption)

    follows(1)
    page.bring_to_front()
    page.keyboard.press("PageDown")
    follows(2)
    assert deck.scenes[1].question is not None
    expect(notes.locator("#asked")).to_contain_text(deck.scenes[1].question.text)
    player = page.locator(".player")
    expect(player.locator(".bar")).to_be_hidden()
    page.keyboard.press(" ")
    page.keyboard.press("End")
    expect(player).to_have_attribute("data-frame", "0"), "while a question stands nothing moves"
    notes.bring_to_front()
    notes.keyboard.press("PageDown")  # a clicker has one button: the answer,
    expect(player.locator(".told")).to_contain_text("Measured: ")
    expect(player.locator(".caption")).to_have_count(0)
    notes.keyboard.press("PageDown")  # the sentence,
    expect(player.locator(".caption")).to_have_text(deck.scenes[1].caption)
    notes.keyboard.press("PageDown")  # and on
    follows(3)
    notes.keyboard.press("PageUp")
    follows(2)
    notes.get_by_role("button", name="Reveal").click()
    expect(player.locator(".told")).to_contain_text("Measured: ")
    notes.get_by_role("button", name="Blank").click()
    expect(page.locator("html")).to_have_attribute("data-blank", "")
    notes.get_by_role("button", name="Blank").click()
    expect(page.locator("html")).not_to_have_attribute("data-blank", "")
    for _ in range(2):
        notes.get_by_role("button", name="Next").click()
    follows(3)
    assert seconds(notes.locator("#stay").inner_text()) <= seconds(notes.locator("#timer").inner_text())
    assert deck.scenes[2].notes not in page.locator("body").inner_text()
    page.reload()
    shows(page, deck.scenes[2].caption)
    notes.keyboard.press("PageDown")
    follows(4)
    size = float(notes.locator("#notes").evaluate("e => parseFloat(getComputedStyle(e).fontSize)"))
    assert size >= 30, "read from a lectern"
    assert len(page.context.pages) == 2
    page.bring_to_front()  # a window behind another draws nothing, so nothing in it comes to rest
    stir(page)
    page.get_by_role("button", name="Notes window").click()
    page.wait_for_timeout(300)
    assert len(page.context.pages) == 2, "the window is found again, not opened twice"
    page.bring_to_front()
    expect(page.locator(".st-key-toolbar")).to_have_css("opacity", "0", timeout=10_000)
    page.mouse.move(300, 300)
    expect(page.locator(".st-key-toolbar")).to_have_css("opacity", "1")
    page.get_by_role("button", name="Leave").click()
    expect(notes.locator("#status")).to_have_text("The main window shows no scene now.", timeout=30_000)
    page.close()
    expect(notes.locator("#status")).to_have_text("The main window is closed.")


def test_the_time_counts_goes_on_and_begins_anew(tab: Open) -> None:
    page = tab("present")
    page.locator(".st-key-start_five_minutes").get_by_role("button").click(timeout=30_000)
    captions = [scene.caption for scene in read_file(DECKS / "five_minutes.toml").scenes]
    shows(page, captions[0])
    timer = page.get_by_role("timer")
    first = seconds(timer.inner_text())
    assert first < 30, "begun just now"
    width = timer.evaluate("e => e.getBoundingClientRect().width")
    page.wait_for_timeout(2100)
    assert first + 1 <= seconds(timer.inner_text()) <= first + 12
    assert timer.evaluate("e => e.getBoundingClientRect().width") == width, "nothing beside it jumps"
    assert timer.get_attribute("aria-live") == "off"
    earlier = """(seconds) => {
        const kept = JSON.parse(sessionStorage["lora-began"]);
        sessionStorage["lora-began"] = JSON.stringify({ ...kept, at: kept.at - 1000 * seconds });
    }"""
    page.evaluate(earlier, 75 * 60)
    page.keyboard.press("PageDown")
    expect(timer).to_have_text(re.compile(r"7[56]:\d\d"), timeout=30_000)
    page.keyboard.press("PageUp")
    shows(page, captions[0])
    expect(timer).to_have_text(re.compile(r"7[56]:\d\d")), "back at the first scene the time goes on"
    page.reload()
    shows(page, captions[0])
    expect(timer).to_have_text(re.compile(r"7[56]:\d\d"))
    notes = notes_window(page)
    expect(notes.locator("#timer")).to_have_text(re.compile(r"7[56]:\d\d"))
    notes.get_by_role("button", name="Reset").click()
    expect(notes.locator("#timer")).to_have_text(re.compile(r"00:\d\d"))
    expect(timer).to_have_text(re.compile(r"00:\d\d"))
    page.evaluate(earlier, 75 * 60)
    page.goto(urljoin(page.url, "/present"))
    page.locator(".st-key-start_five_minutes").get_by_role("button").click(timeout=30_000)
    shows(page, captions[0])
    expect(timer).to_have_text(re.compile(r"00:\d\d"))


def test_a_blocked_notes_window_is_said(tab: Open) -> None:
    page = tab("?deck=five_minutes&scene=1")
    button = page.get_by_role("button", name="Notes window")
    expect(button).to_be_visible(timeout=30_000)
    said = page.get_by_role("alert").filter(has_text="The browser blocked the notes window")
    expect(said).to_have_count(0)
    page.evaluate("window.open = () => null")
    button.focus()
    page.keyboard.press("Enter")
    expect(said).to_be_visible()
    page.keyboard.press("PageDown")
    expect(page).to_have_url(re.compile("scene=2"), timeout=30_000)
    expect(said).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_notes_window_is_for_everyone(tab: Open, scheme: str) -> None:
    page = tab("gradient_flow?deck=five_minutes&scene=2", scheme=scheme)
    expect(page.locator(".player")).to_be_visible(timeout=30_000)
    notes = notes_window(page)
    expect(notes.locator("html")).to_have_attribute("data-theme", scheme)
    assert not findings(notes)
    reached = []
    notes.locator("body").click(position={"x": 5, "y": 5})
    for _ in range(6):
        notes.keyboard.press("Tab")
        reached.append(notes.evaluate("document.activeElement.id"))
    assert reached == ["reset", "main", "back", "forth", "reveal", "blank"]
    stir(page)
    page.get_by_text("Contrast", exact=True).click()
    expect(notes.locator("html")).to_have_attribute("data-theme", "contrast", timeout=10_000)
    assert not findings(notes, "color-contrast", "color-contrast-enhanced")


def test_a_clicker_turns_the_page_from_wherever_the_focus_is(tab: Open, tmp_path: Path) -> None:
    captions = ["First the table", "Then the words", "Then the parameters", "Then a film"]
    names = ["follow", "glossary", "config_card", "rank"]
    controls = ['["example"]', '["find"]', '["use_rslora"]', '["noise"]']
    lines = ['title = "Where is the focus?"']
    for name, caption, named in zip(names, captions, controls, strict=True):
        lines += ["[[scene]]", f'page = "{name}"', f'caption = "{caption}"', f"controls = {named}"]
    (tmp_path / "own.toml").write_text("\n".join(lines), encoding="utf-8")
    page = tab("present")
    page.locator("input[type=file]").set_input_files(tmp_path / "own.toml")
    page.get_by_role("button", name="Begin my deck").click(timeout=30_000)
    shows(page, captions[0])
    assert page.get_by_test_id("stHeader").is_hidden()
    font = page.locator("table").first.evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
    assert font >= 18, "large type here too"
    page.keyboard.press("PageDown")  # from the page itself
    shows(page, captions[1])
    field = page.get_by_role("textbox", name="Find")
    field.click()
    page.keyboard.type("rank s")
    expect(field).to_have_value("rank s")
    assert page.url.count("scene=2"), "what is typed turns nothing"
    page.keyboard.press("PageDown")  # from a text field
    shows(page, captions[2])
    page.get_by_text("rsLoRA: s = α/√r").click()
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    page.keyboard.press("PageDown")  # from a ticked box
    shows(page, captions[3])
    page.locator(".player").get_by_label("Playhead", exact=True).click()
    page.keyboard.press("PageUp")  # from the film's own slider
    shows(page, captions[2])
    stir(page)
    page.get_by_role("combobox", name=re.compile("Scene")).click()
    page.keyboard.press("PageUp")  # an open list keeps its keys
    page.keyboard.press("Escape")
    shows(page, captions[2])


def test_a_page_twice_in_a_deck_is_set_anew(tab: Open) -> None:
    """Two scenes on one page that is set by its address: each as the deck says, there and back."""
    deck = read_file(DECKS / "wrong.toml")
    one, two = [i for i, scene in enumerate(deck.scenes) if scene.page == "cost" and "part" not in dict(scene.settings)]
    assert two == one + 1
    page = tab(f"cost?layer=768%C3%97768&at=8&deck=wrong&scene={one + 1}")
    bar = page.locator(".player .where")
    for index, where in ((one, "8"), (two, "16"), (one, "8")):
        asked = deck.scenes[index].question
        assert asked is not None
        shows(page, asked.text)
        expect(bar).to_have_text(re.compile(f"rank r {where}"), timeout=30_000)
        expect(page.get_by_text("The scene's question is left out")).to_have_count(0)
        expect(page.locator(".st-key-layer")).to_be_hidden()
        for _ in range(3 if index == one else 1):  # the answer, the sentence, the next
            page.keyboard.press("PageDown" if index == one else "PageUp")


def test_the_exported_deck_has_its_notes_window_without_a_network(tab: Open, tmp_path: Path) -> None:
    deck = read_file(DECKS / "wrong.toml")
    first, last = deck.scenes[0], deck.scenes[-1]
    assert lesson(last.page).film is None and first.question is not None
    file = tmp_path / "deck.html"
    file.write_text(deck_html(replace(deck, scenes=(first, last))), encoding="utf-8")
    page = tab(file.as_uri(), offline=True)
    expect(page.locator(".player")).to_have_attribute("data-frame", "0", timeout=30_000)
    notes = notes_window(page)
    expect(notes.locator("#caption")).to_have_text(first.caption)
    expect(notes.locator("#asked")).to_contain_text(first.question.text)
    expect(notes.locator("#notes")).to_have_text(first.notes)
    expect(notes.locator("#next")).to_have_text(last.caption)
    assert first.notes not in page.locator("body").inner_text()
    for _ in range(3):  # the answer, the sentence, the next
        notes.keyboard.press("PageDown")
    expect(page.locator("html")).to_have_attribute("data-leaf", "1")
    expect(page.get_by_role("heading", level=1)).to_have_text(last.caption)
    expect(page.locator(".player")).to_be_hidden()
    expect(page.locator("#source")).to_contain_text("has no moving picture")
    expect(notes.locator("#notes")).to_have_text(last.notes)
    expect(notes.locator("#next")).to_have_text("This is the last scene.")
    page.bring_to_front()
    page.locator("#list").focus()
    page.keyboard.press("PageUp")
    expect(page.locator(".player")).to_be_visible()
    expect(notes.locator("#place")).to_have_text("Scene 1 of 2")
    before = seconds(notes.locator("#timer").inner_text())
    page.reload()
    notes.wait_for_timeout(2100)
    assert seconds(notes.locator("#timer").inner_text()) >= before + 1, "the time goes on after a reload"
    expect(notes.locator("#status")).to_have_text("")
    assert not findings(notes)


@pytest.mark.parametrize("place", ["present", "rank", ""])
def test_a_link_to_another_page_opens_the_scene_that_it_names(tab: Open, place: str) -> None:
    """Whoever writes `present?deck=…` by hand means the scene, not the list of decks under the scene's heading."""
    page = tab(f"{place}?deck=five_minutes&scene=3")
    shows(page, "If both start at zero, nothing ever moves.")
    expect(page).to_have_url(re.compile(r"/gradient_flow\?.*scene=3"))
    expect(page.get_by_role("button", name="Begin")).to_have_count(0)
