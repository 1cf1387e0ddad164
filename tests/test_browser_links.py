"""The link and the language as a person meets them: in a real Chromium, with its history, its menu and its reload."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from lora_viz.lessons.walk import lesson
from tests.test_browser import _number, go, player, run

Visit = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Visit]:
    """Open a page in a fresh browser context that speaks ``locale``."""
    contexts = []

    def visited(path: str = "", *, locale: str = "en-US") -> Page:
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 720}, locale=locale))
        contexts[-1].set_default_timeout(60_000)
        page = contexts[-1].new_page()
        page.goto(f"{address}/{path}")
        rests(page)
        return page

    yield visited
    for context in contexts:
        context.close()


def rests(page: Page) -> None:
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning", timeout=60_000)
    expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=30_000)


def slider(page: Page, key: str) -> Locator:
    return page.locator(f".st-key-{key} input[type=range], .st-key-{key} [role=slider]").first


def pressed(page: Page, key: str) -> Locator:
    return page.locator(f".st-key-{key}").locator("[aria-pressed=true], [aria-checked=true]")


def language(page: Page, code: str) -> Locator:
    return page.locator(".st-key-languages").get_by_text(code, exact=True)


def test_a_control_moved_is_one_run_and_one_step_of_the_history(visit: Visit) -> None:
    page = visit("gradient_flow")
    expect(player(page)).to_have_attribute("data-frame", _number, timeout=30_000)
    steps = page.evaluate("history.length")
    sent: list[object] = []
    client = page.context.new_cdp_session(page)
    client.send("Network.enable")
    client.on("Network.webSocketFrameSent", lambda frame: sent.append(frame))
    before = run(page)
    page.locator(".st-key-init").get_by_text("A = 0", exact=True).click()
    expect(player(page)).not_to_have_attribute("data-run", before)
    expect(page).to_have_url(re.compile(r"gradient_flow\?init=A_zero$"))
    page.wait_for_timeout(1000)
    assert len(sent) == 1, "the link is told without another run"
    slider(page, "lr").focus()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile(r"init=A_zero&lr=0\.05$"))
    page.wait_for_timeout(1000)
    assert len(sent) == 2
    assert page.evaluate("history.length") == steps + 2
    page.go_back()
    expect(page).to_have_url(re.compile(r"gradient_flow\?init=A_zero$"))
    expect(page.locator(".st-key-lr")).to_contain_text("0.02", timeout=15_000)
    page.go_forward()
    expect(page.locator(".st-key-lr")).to_contain_text("0.05", timeout=15_000)
    player(page).focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile(r"at=2"))
    page.reload()
    expect(player(page)).to_have_attribute("data-frame", "2", timeout=30_000)
    player(page).focus()
    page.keyboard.press("Home")
    expect(page).to_have_url(re.compile(r"at=0|lr=0\.05$"))
    page.reload()
    rests(page)
    expect(pressed(page, "init")).to_have_text("A = 0")
    expect(page).to_have_url(re.compile(r"init=A_zero&lr=0\.05"))
    page.locator(".st-key-init").get_by_text("B = 0", exact=True).click()
    expect(page).to_have_url(re.compile(r"gradient_flow\?lr=0\.05"))


def test_back_and_forth_find_each_page_as_its_link_says(visit: Visit) -> None:
    page = visit("gradient_flow?init=A_zero")
    go(page, "Basics", lesson("rank").menu)
    expect(page).to_have_url(re.compile(r"/rank$"))
    rests(page)
    slider(page, "noise").focus()
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(re.compile(r"/rank\?noise=0\.3$"))
    page.go_back()
    expect(page).to_have_url(re.compile(r"/gradient_flow\?init=A_zero$"))
    expect(pressed(page, "init")).to_have_text("A = 0", timeout=15_000)
    page.go_forward()
    expect(page).to_have_url(re.compile(r"/rank\?noise=0\.3$"))
    expect(page.locator(".st-key-noise")).to_contain_text("0.3", timeout=15_000)
    rests(page)
    expect(page).to_have_url(re.compile(r"/rank\?noise=0\.3$"))


def test_a_page_without_an_experiment_is_found_as_it_was_left(visit: Visit) -> None:
    page = visit("config_card?use_dora=true")
    slider(page, "rank").focus()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile(r"rank=16"))
    go(page, "Basics", lesson("rank").menu)
    expect(page).to_have_url(re.compile(r"/rank$"))
    rests(page)
    go(page, "Look up", "LoRA hyperparameters")
    expect(page).to_have_url(re.compile(r"rank=16"))
    expect(page).to_have_url(re.compile(r"use_dora=true"))
    page.reload()
    rests(page)
    expect(page.locator(".st-key-rank")).to_contain_text("16")


def told(page: Page) -> list[str]:
    """The numbers that the player tells of this frame, whatever sign its language puts before a part of one."""
    said = page.locator(".player .narration").inner_text()
    return [number.replace(",", ".") for number in re.findall(r"\d+(?:[.,]\d+)?", said)]


def test_a_language_is_chosen_and_goes_along(visit: Visit) -> None:
    page = visit("gradient_flow?init=A_zero&lr=0.05")
    html = page.locator("html")
    expect(html).to_have_attribute("lang", "en")
    expect(player(page)).to_have_attribute("data-frame", _number, timeout=30_000)
    before = told(page)
    language(page, "DE").click()
    expect(html).to_have_attribute("lang", "de")
    expect(page).to_have_url(re.compile(r"init=A_zero&lr=0\.05&lang=de$"))
    rests(page)
    expect(page.locator(".st-key-lr")).to_contain_text("0.05")
    expect(page.locator(".st-key-init").locator("[aria-pressed=true], [aria-checked=true]")).to_have_count(1)
    assert told(page) == before, "other words, the same numbers"
    page.locator(".player").get_by_role("button").last.click()  # Share
    expect(page.get_by_role("dialog").locator("code").first).to_contain_text("lang=de")
    page.keyboard.press("Escape")
    page.goto(page.url.replace("/gradient_flow", "/literature"))
    rests(page)
    inside = page.locator('[data-testid="stHtml"] a[href$="?lang=de"]').first
    place = inside.get_attribute("href") or "none"
    inside.click()
    expect(page).to_have_url(re.compile(f"/{re.escape(place)}$"))
    rests(page)
    expect(html).to_have_attribute("lang", "de")
    language(page, "EN").click()
    expect(html).to_have_attribute("lang", "en")
    go(page, "Start", lesson("follow").menu)
    expect(page).to_have_url(re.compile(r"/follow\?lang=en$"))


def test_the_browsers_own_language_is_spoken_first(visit: Visit) -> None:
    page = visit("rank", locale="de-AT")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page).to_have_url(re.compile(r"/rank\?lang=de$"))
    page = visit("rank", locale="fr-FR")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page).to_have_url(re.compile(r"/rank$"))


def test_the_choice_of_language_stands_beside_the_menu(visit: Visit) -> None:
    page = visit("rank?lang=de")
    group = (
        page.locator(".st-key-languages")
        .get_by_role("button")
        .or_(page.locator(".st-key-languages").get_by_role("radio"))
    )
    expect(group).to_have_count(2)
    for width in (1920, 1280, 1100, 900, 390):
        page.set_viewport_size({"width": width, "height": 720})
        page.wait_for_timeout(300)
        box = page.locator(".st-key-languages").bounding_box()
        assert box is not None and box["y"] >= 0 and box["x"] + box["width"] <= width
        others = page.get_by_test_id("stHeader").locator("button:visible, a:visible").all()
        for other in others:
            its = other.bounding_box()
            apart = its is None or its["x"] + its["width"] <= box["x"] or its["x"] >= box["x"] + box["width"]
            assert apart, f"{other.inner_text()!r} is covered at {width} px"
    page.set_viewport_size({"width": 1280, "height": 720})
    title = page.get_by_role("heading", level=1).bounding_box()
    box = page.locator(".st-key-languages").bounding_box()
    assert title is not None and box is not None and box["y"] + box["height"] <= title["y"]
    page.emulate_media(media="print")
    expect(page.locator(".st-key-languages")).to_be_hidden()


def test_nobody_chooses_a_language_on_a_projector_or_in_another_page(visit: Visit) -> None:
    for path in ("rank?embed=true&lang=de", "?deck=five_minutes&scene=1&lang=de"):
        page = visit(path)
        expect(page.locator("html")).to_have_attribute("lang", "de")
        expect(page.locator(".st-key-lang")).to_have_count(0)
    expect(page.get_by_role("timer")).to_have_text(re.compile(r"\d\d:\d\d"), timeout=30_000)
    page.keyboard.press("PageDown")
    expect(page).to_have_url(re.compile(r"scene=2.*lang=de|lang=de.*scene=2"), timeout=20_000)
    page.go_back()
    expect(page).to_have_url(re.compile(r"scene=1.*lang=de|lang=de.*scene=1"), timeout=20_000)


def test_the_page_that_opens_is_found_by_its_name_too(visit: Visit) -> None:
    page = visit("start?level=expert")
    expect(player(page)).to_have_attribute("data-frame", _number, timeout=30_000)
    expect(page).to_have_url(re.compile(r"/\?level=expert$"))
    expect(page.get_by_text("Page not found")).to_have_count(0)
    page.get_by_test_id("stHeader").get_by_text("Start", exact=True).click()
    expect(page.get_by_text("Follow one vector", exact=True)).to_be_visible()
    expect(page.get_by_role("menuitem", name="Start page", exact=True)).to_have_count(1)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("?rank=3", r"/machine\?rank=3$"),
        ("alpha?alpha=4", r"/scaling\?(?=.*part=alpha)(?=.*alpha=4)"),
        ("requantised", r"/quantised\?part=requantised$"),
    ],
)
def test_an_old_address_leads_to_where_its_lesson_is_with_its_settings(visit: Visit, old: str, new: str) -> None:
    page = visit(old)
    expect(page).to_have_url(re.compile(new), timeout=30_000)
    expect(page.get_by_text("What you saw.")).to_be_visible(timeout=60_000)
    expect(page.get_by_test_id("stAlert")).to_have_count(0)


def test_the_toolbar_of_a_figure_speaks_the_visitors_language(visit: Visit) -> None:
    page = visit("budget", locale="de-DE")
    titles = page.locator(".modebar-btn")
    expect(titles.first).to_be_attached(timeout=30_000)
    said = titles.evaluate_all("buttons => buttons.map((b) => b.getAttribute('data-title'))")
    assert "Hineinzoomen" in said and "Zoom in" not in said
