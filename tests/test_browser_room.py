"""A room in browsers: one presenter's wall and eight phones play a deck of five scenes, with either store."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from lora_viz.lessons.decks import shipped_decks
from tests.browser import served
from tests.everyone import findings, stir
from tests.rooms import MISSING, redis_served

DECK = "twenty_minutes"
PHONES = 8


@pytest.fixture(params=["memory", pytest.param("shared", marks=pytest.mark.skipif(bool(MISSING), reason=MISSING))])
def playground(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The served app, its rooms in its memory or in a Redis."""
    if request.param == "memory":
        yield request.getfixturevalue("address")
        return
    with redis_served() as redis, monkeypatch.context() as environment:
        environment.setitem(os.environ, "LORA_PLAYGROUND_REDIS", redis)
        with served() as address:
            yield address


class Hall:
    """The wall and the phones, each in a window of its own; what any of them complains of is kept."""

    def __init__(self, browser: Browser, address: str) -> None:
        self.address, self.contexts, self.complaints = address, list[BrowserContext](), list[str]()
        self.browser = browser
        self.wall = self._page(viewport={"width": 1280, "height": 720})
        self.phones: list[Page] = []

    def _page(self, **look: Any) -> Page:
        context = self.browser.new_context(**look)
        context.set_default_timeout(60_000)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        self.contexts.append(context)
        return context.new_page()

    def shows(self, scene: int) -> None:
        expect(self.wall).to_have_url(re.compile(f"scene={scene}"), timeout=60_000)
        expect(self.wall.get_by_test_id("stApp")).to_have_attribute(
            "data-test-script-state", "notRunning", timeout=60_000
        )

    def step(self) -> None:
        self.wall.keyboard.press("PageDown")

    def asked(self) -> None:
        expect(self.wall.locator(".question .room")).to_have_text("The question is on the phones.", timeout=60_000)

    def counted(self, text: str) -> None:
        expect(self.wall.locator('.room [data-part="count"]')).to_have_text(text)

    def thinks(self, text: str) -> None:
        self.step()
        expect(self.wall.locator(".question .room")).to_contain_text(text)
        expect(self.wall.locator(".question .told")).to_have_count(0)

    def measured(self, text: str) -> None:
        self.step()
        expect(self.wall.locator(".question .told")).to_contain_text("Measured: ")
        expect(self.wall.locator(".question .told")).to_contain_text(text)

    def turn(self) -> None:
        for _ in range(2):  # the sentence, the next scene
            self.step()

    def close(self) -> None:
        for context in self.contexts:
            context.close()
        assert not self.complaints


@pytest.fixture
def hall(browser: Browser, playground: str) -> Iterator[Hall]:
    found = Hall(browser, playground)
    yield found
    found.close()


def is_in(phone: Page) -> None:
    expect(phone.locator("#status")).to_have_text(re.compile("^(Your answer is in|Ihre Antwort ist angekommen)"))


def test_a_room_of_eight_plays_a_deck_of_five_scenes(hall: Hall) -> None:
    wall = hall.wall
    assert len(shipped_decks()[DECK].scenes) == 5
    wall.goto(f"{hall.address}/?deck={DECK}&scene=1")
    hall.shows(1)
    stir(wall)
    wall.get_by_role("button", name="Open a room").click()
    code = wall.locator('.room [data-part="code"]')
    expect(code).to_have_text(re.compile("^[B-Z]{4}$"), timeout=60_000)
    for i in range(PHONES):
        phone = hall._page(
            viewport={"width": 390, "height": 844},
            has_touch=True,
            is_mobile=True,
            locale="de-DE" if i == 1 else "en-GB",
        )
        phone.goto(f"{hall.address}/room/{code.inner_text() if i else ''}")
        if not i:  # one types the code
            phone.locator("#code").fill(code.inner_text().lower())
            phone.get_by_role("button", name="Go in").tap()
        expect(phone.locator("#rest")).to_have_text(re.compile("^(You are in|Sie sind im Raum)"))
        hall.phones.append(phone)
    hall.counted("8 phones are in")
    hall.step()

    # A choice. One phone is in a dead spot, one changes its mind, one does not know.
    hall.shows(2)
    hall.asked()
    lost = hall.phones[7]
    expect(lost.locator("#question")).to_be_visible()
    lost.context.set_offline(True)
    for i, phone in enumerate(hall.phones):
        expect(phone.locator("#question")).to_be_visible()
        phone.locator("#answers button").nth(2 if i == 6 else 0 if i in (0, 5) else 1).tap()
        if i != 7:
            is_in(phone)
    hall.phones[0].locator("#answers button").nth(1).tap()
    expect(hall.phones[0].locator("#answers button").nth(1)).to_have_attribute("aria-pressed", "true")
    expect(lost.locator("#status")).to_contain_text("No connection")
    hall.counted("7 of 8 answered")
    lost.context.set_offline(False)
    hall.counted("8 of 8 answered")
    german = hall.phones[1]
    expect(german.locator("#question")).to_contain_text("Faktor")
    assert not findings(german) and german.evaluate("document.documentElement.scrollWidth") <= 390
    assert wall.locator(".crowd").count() == 0 and "%" not in wall.locator(".question").inner_text()
    hall.thinks("7 answered, 1 did not know.")
    assert wall.locator(".crowd.bars > div").all_inner_texts()[1].endswith("6 · 86 %")
    expect(lost.locator("#rest")).to_contain_text("Look at the wall")
    hall.measured("6 of 7 (86 %) said so.")
    expect(hall.phones[0].locator("#rest")).to_contain_text("Measured: ")
    hall.turn()

    # A number. The presenter's page is loaded again in between; one phone types no number first.
    hall.shows(3)
    hall.asked()
    for i, phone in enumerate(hall.phones):
        field = phone.locator("#answers input")
        if i == 2:
            field.fill("half")
            phone.keyboard.press("Enter")
            expect(phone.locator("#status")).to_contain_text("is not a number")
        field.fill("0,7" if i < 5 else "0.1")
        phone.keyboard.press("Enter")
        is_in(phone)
    wall.reload()
    hall.shows(3)
    hall.counted("8 of 8 answered")
    hall.thinks("The room thinks: 0.7; the middle half said 0.1 to 0.7.")
    assert wall.locator(".crowd.strip circle").count() == 8
    hall.measured("5 of 8 (63 %) were within a tenth of the axis.")
    hall.turn()

    # A curve, by a finger, and by keys.
    hall.shows(4)
    hall.asked()
    for i, phone in enumerate(hall.phones):
        field = phone.locator("#answers canvas")
        expect(field).to_be_visible()
        if i == 3:
            field.focus()
            for key in ("ArrowUp", "ArrowRight", "ArrowRight"):
                phone.keyboard.press(key)
            expect(phone.locator("#read")).to_contain_text("your guess")
        else:
            box = field.bounding_box()
            assert box is not None
            phone.mouse.move(box["x"] + 10, box["y"] + 20 + 10 * i)
            phone.mouse.down()
            phone.mouse.move(box["x"] + box["width"] - 10, box["y"] + box["height"] - 20, steps=4)
            phone.mouse.up()
        is_in(phone)
    hall.counted("8 of 8 answered")
    hall.thinks("The room's curves, their median and the middle half. 8 answered.")
    hall.measured("of 8 (")
    hall.turn()

    # A choice that nobody answers but by not knowing; then the score.
    hall.shows(5)
    hall.asked()
    expect(hall.phones[0].locator("#question")).to_be_visible()
    hall.phones[0].locator("#answers .quiet").tap()
    is_in(hall.phones[0])
    hall.counted("1 of 8 answered")
    hall.thinks("Nobody said anything. 0 answered, 1 did not know.")
    hall.measured("")
    hall.turn()
    hall.shows(6)
    expect(wall.locator(".scores tr")).to_have_count(3)
    expect(wall.get_by_text("What the room got most wrong")).to_be_visible()

    # The answers go along, and the room ends.
    with wall.expect_download() as saved:
        wall.mouse.move(300, 300)
        wall.locator('.room [data-part="json"]').click()
    told = json.loads(saved.value.path().read_text(encoding="utf-8"))
    assert [len(one["answers"]) for one in told] == [8, 8, 8, 1] and told[1]["answers"] == [0.1] * 3 + [0.7] * 5
    for _ in range(2):
        wall.locator('.room [data-part="remove"]').click()
    expect(wall.locator(".room")).to_be_hidden()
    expect(hall.phones[0].locator("#join")).to_be_visible()
    assert not [each for each in wall.context.cookies() if each["name"] == "lora_room"]
    assert not [each for phone in hall.phones for each in phone.context.cookies()]
