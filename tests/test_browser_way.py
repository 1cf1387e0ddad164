"""A newcomer finds the answers to five questions by following only what is on the screen; ticks survive a reload.

One page for all of it, kept as a film where ``LORA_PLAYGROUND_VIDEOS`` names a folder.
"""

import os
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from lora_viz.lessons.walk import lesson, sections

HERE = f"Basics › {lesson('merge').menu}"


@pytest.fixture(scope="module")
def page(browser: Browser, address: str) -> Iterator[Page]:
    folder = os.environ.get("LORA_PLAYGROUND_VIDEOS")
    context = browser.new_context(
        viewport={"width": 1280, "height": 720}, locale="en-US", **({"record_video_dir": folder} if folder else {})
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    yield page
    context.close()
    assert complaints == []


def saw(page: Page) -> str:
    """What the lesson says that was seen, once it is there."""
    seen = page.locator(".st-key-seen")
    expect(seen).to_contain_text("What you saw.", timeout=60_000)
    return seen.inner_text()


def found(page: Page) -> Locator:
    """The first of the places that the search finds."""
    return page.get_by_role("dialog").get_by_role("option").first


def heading(page: Page, name: str) -> None:
    """The page of this lesson is open."""
    expect(page.get_by_role("heading", level=1)).to_contain_text(lesson(name).title, timeout=30_000)


def test_five_questions_are_answered_from_the_start_page(page: Page) -> None:
    page.get_by_role("link", name="Why does B start at zero?").first.click(timeout=60_000)
    heading(page, "gradient_flow")
    assert "0" in saw(page)
    page.go_back()
    page.get_by_role("link", name="Which rank, α and learning rate for my model?").click(timeout=30_000)
    heading(page, "choosing")
    expect(page.get_by_text("8 or 16; then double it")).to_be_visible()
    assert "the best learning rate changed" in saw(page)
    page.go_back()
    page.get_by_role("link", name="Does merging lose accuracy?").click(timeout=30_000)
    heading(page, "quantised")
    assert "%" in saw(page)


def test_the_menu_shows_every_section_and_previous_and_next_are_read_whole(page: Page, address: str) -> None:
    """At 1280 and 1024 pixels, in both languages: nothing waits behind "more", no neighbour's name is cut short."""
    for code in ("de", "en"):
        page.goto(f"{address}/saddles?lang={code}&path=mathematician")  # the longest names stand in this line
        for width in (1280, 1024):
            page.set_viewport_size({"width": width, "height": 720})
            expect(page.locator("[data-testid=stTopNavSection]:visible")).to_have_count(len(sections()), timeout=60_000)
            way = page.get_by_role("navigation", name="Wo du bist" if code == "de" else "Where you are")
            expect(way.locator("[rel=next]")).to_be_visible()
            assert way.evaluate("way => way.scrollWidth <= way.clientWidth + 1")
            ends = [
                menu["x"] + menu["width"]
                for menu in map(Locator.bounding_box, page.get_by_test_id("stTopNavSection").all())
                if menu
            ]
            search = page.locator(".head [data-part=search]").bounding_box()
            assert search and max(ends) <= search["x"], "nothing of the menu lies under the search"
    page.set_viewport_size({"width": 1280, "height": 720})


def test_a_word_is_searched_by_a_key_and_opens_its_page(page: Page) -> None:
    expect(page.get_by_role("button", name="Search (key /)")).to_be_visible(timeout=30_000)
    page.get_by_role("heading", level=1).click()
    page.keyboard.press("/")
    field = page.get_by_role("combobox", name="Search")
    expect(field).to_be_focused()
    field.fill("safetensors")
    expect(found(page)).to_contain_text("What is in my adapter file?", timeout=20_000)
    page.keyboard.press("Enter")
    heading(page, "inspector")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_question_is_found_by_the_button_and_written_as_americans_do(page: Page) -> None:
    page.get_by_role("button", name="Search (key /)").click()
    field = page.get_by_role("combobox", name="Search")
    for asked, place in (
        ("quantization", "quantis"),
        ("which rank", "Which rank is enough?"),
        ("accuracy", "accuracy"),
    ):
        field.fill(asked)
        expect(found(page)).to_contain_text(place)
    field.fill("what is merging free")
    found(page).click()
    heading(page, "merge")
    assert saw(page)


def test_the_path_leads_on_and_its_ticks_survive_a_reload(page: Page, address: str) -> None:
    page.goto(f"{address}/merge")
    way = page.get_by_role("navigation", name="Where you are")
    expect(way).to_contain_text(HERE)
    way.get_by_role("checkbox").check()
    way.locator("[rel=next]").click()
    expect(way).not_to_contain_text(HERE, timeout=30_000)
    way.locator("[rel=prev]").click()
    expect(way).to_contain_text(HERE, timeout=30_000)
    page.reload()
    expect(way.get_by_role("checkbox")).to_be_checked(timeout=60_000)
    expect(page.locator("[data-testid=stTopNavSection][aria-current=true]")).to_have_text("Basics")
    related = page.locator(".st-key-related").get_by_role("link")
    expect(related.nth(2)).to_be_visible(timeout=60_000)
    assert all(re.search(r"·|Next", text) for text in related.all_inner_texts()), "each says why"
    page.evaluate("localStorage.clear()")
