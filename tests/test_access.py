"""Can everybody use it? Dark pages, what opens, high contrast and the keyboard, in a real Chromium."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from lora_viz.film.style import IDENTITY
from tests import test_browser, test_reference
from tests.browser import ROOT
from tests.everyone import SETTLED, findings, rest, stir
from tests.test_style import contrast

NAMES = {p.stem for p in ROOT.glob("pages/*.py")}
HOME = "machine"
DARK = ("machine", "follow", "rank", "transformer", "budget")

Opened = Callable[..., Page]


@pytest.fixture(scope="module")
def visit(browser: Browser, address: str) -> Iterator[Opened]:
    """Open a page and wait until it rests; one browser tab a colour scheme for the whole file."""
    tabs: dict[str, Page] = {}
    contexts: list[BrowserContext] = []

    def visited(path: str, scheme: str = "light") -> Page:
        if scheme not in tabs:
            context = browser.new_context(reduced_motion="reduce", color_scheme=scheme)  # type: ignore[arg-type]
            contexts.append(context)
            tabs[scheme] = context.new_page()
        page = tabs[scheme]
        page.set_viewport_size({"width": 1280, "height": 720})
        page.goto(f"{address}/{path}")
        page.wait_for_function(SETTLED, polling=50, timeout=60_000)
        return page

    yield visited
    for context in contexts:
        context.close()


def test_every_page_is_visited_for_everyone() -> None:
    """Each is opened once, for everything that is looked at there: lessons, pages of numbers, reference."""
    assert {path or HOME for path in (*test_browser.PAGES, *test_browser.WORKED, *test_reference.SEEN)} == NAMES


@pytest.mark.parametrize("name", DARK)
def test_a_dark_page_has_no_serious_finding(visit: Opened, name: str) -> None:
    assert not findings(visit(name, "dark"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_opens_has_no_serious_finding(visit: Opened, scheme: str) -> None:
    page = visit("merge", scheme)
    for text in ("More", "Still figure and data, for slides", "Take it home"):
        page.get_by_text(text, exact=True).first.click()
        page.evaluate("window.rested = 0")
        page.wait_for_function(SETTLED, polling=50, timeout=60_000)  # a click into a running rerun may be lost
    expect(page.locator(".js-plotly-plot")).to_be_visible(timeout=60_000)
    page.locator(".player").get_by_role("button", name="Numbers").click()
    page.wait_for_function(SETTLED, polling=50, timeout=60_000)
    assert not findings(page)
    letters = page.locator('.katex-html [style*="color"]')
    colours = set(letters.evaluate_all("all => all.map((e) => getComputedStyle(e).color)"))
    assert colours and colours <= {f"rgb{rgb(IDENTITY[scheme][name])}" for name in ("W", "A", "B", "delta")}


@pytest.mark.parametrize("scheme", ["light"])  # black paper in either: contrast is a theme of its own
def test_high_contrast_is_seven_to_one(visit: Opened, scheme: str) -> None:
    page = visit("gradient_flow?deck=five_minutes&scene=2", scheme)
    for text in ("Contrast", "Notes"):
        stir(page)
        page.get_by_text(text, exact=True).click()
        page.wait_for_function(SETTLED, polling=50, timeout=60_000)
    everywhere = ("color-contrast", "color-contrast-enhanced")
    assert not findings(page, *everywhere)
    player = page.locator(".player")
    player.get_by_role("button", name="Reveal").click()
    assert not findings(page, *everywhere)
    assert page.locator(".player").evaluate("e => getComputedStyle(e).getPropertyValue('--id-paper')") == "#000000"
    # At step 0 both curves are yet to come, thinner; their cores must stand out as well.
    pixels = player.locator('[data-size="large"] canvas').evaluate(PIXELS)
    seen = np.frombuffer(base64.b64decode(pixels), np.uint8).astype(float).reshape(-1, 4)
    seen = seen[:, :3] * seen[:, 3:] / 255  # on black paper
    for name in ("A", "B"):
        wanted = np.array(rgb(IDENTITY["dark"][name])) * 0.95
        near = seen[np.abs(seen - wanted).max(1) <= 3]
        assert len(near) > 200
        assert min(contrast(f"#{bytes(colour.astype(int).tolist()).hex()}", "#000000") for colour in near) >= 7
    stir(page)
    page.get_by_text("Contrast", exact=True).click()


# As letters: a list of millions of numbers would take half a minute on its way.
PIXELS = """(c) => {
    const { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height);
    let letters = '';
    for (let i = 0; i < data.length; i += 32768) letters += String.fromCharCode(...data.subarray(i, i + 32768));
    return btoa(letters);
}"""


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))


# ------------------------------------------------------------------------------------------------ the keyboard

FOCUSED = """() => {
    let e = document.activeElement;
    while (e?.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
    if (!e || e === document.body) return null;
    const key = e.closest('[class*="st-key-"]'), keyed = key && /st-key-[\\w-]+/.exec(key.className)[0];
    const name = e.dataset.part || keyed || e.className;
    // A widget's own input may lie hidden behind what is drawn for it.
    while (e.getBoundingClientRect().width < 12 || getComputedStyle(e).opacity === '0') e = e.parentElement;
    const { x, y, width, height } = e.getBoundingClientRect();
    return [name, { x: Math.max(0, x - 8), y: Math.max(0, y - 8), width: width + 16, height: height + 16 }];
}"""


def test_every_icon_is_in_the_font_that_streamlit_brings(visit: Opened) -> None:
    """It has a choice of them; of another one the letters of its name are drawn, over what stands beside it."""
    named = {
        name
        for file in (ROOT / "lora_viz").rglob("*.py")
        for name in re.findall(r":material/(\w+):", file.read_text("utf-8"))
    }
    width = """(names) => names.map((name) => {
        const e = Object.assign(document.createElement("span"), { textContent: name });
        e.style = 'font: 20px "Material Symbols Rounded"; position: fixed; white-space: nowrap';
        document.body.append(e);
        const { width } = e.getBoundingClientRect();
        e.remove();
        return width;
    })"""
    page = visit("merge")
    assert dict(zip(sorted(named), page.evaluate(width, sorted(named)), strict=True)) == dict.fromkeys(named, 20)


def test_tab_reaches_everything_and_the_focus_is_seen(visit: Opened) -> None:
    page = visit("bottleneck")
    page.set_viewport_size({"width": 1280, "height": 2400})  # all on one screen: nothing scrolls
    page.wait_for_function(SETTLED, polling=50)
    player = page.locator(".player")
    page.get_by_text("More", exact=True).first.click()
    page.wait_for_function(SETTLED, polling=50)
    parts = player.locator(".bar :is(button, input, select:enabled):visible")
    wanted = set(parts.evaluate_all("all => all.map((e) => e.dataset.part)"))
    assert {"reset", "play", "scrub", "numbers", "png", "share"} <= wanted
    widgets = page.locator(
        '[data-testid="stMainBlockContainer"] [class*="st-key-"]:has(input, button, summary):visible'
    )
    wanted |= set(widgets.evaluate_all("all => all.map((e) => /st-key-[\\w-]+/.exec(e.className)[0])"))
    wanted -= {"st-key-player", "st-key-languages", "st-key-finder", "st-key-controls"}  # their parts are named instead
    way = page.locator(".st-key-finder :is(a, button, input)[data-part]:visible")
    wanted |= set(way.evaluate_all("all => all.map((e) => e.dataset.part)"))
    assert {"tick", "after"} <= wanted, "where I am, and the way on"
    assert {"st-key-rank", "st-key-new_seed", "st-key-lr"} <= wanted
    # Each picture on the stage: the large one itself, the small ones by the button that makes them large.
    named = "(all, kind) => all.map((e, i) => e.dataset.part = `${kind} ${i}`)"
    turned = player.locator('[data-size="large"] canvas').evaluate_all(named, "canvas")
    assert len(turned) == 1 and player.locator('[data-size="large"] canvas').evaluate("c => c.style.cursor") == "grab"
    for kind, buttons in (("turn", '[data-size="large"] .turns button'), ("enlarge", '[data-size="small"] .enlarge'),
                          ("view", ".views button")):  # fmt: skip
        found = player.locator(f"{buttons}:visible").evaluate_all(named, kind)
        assert len(found) >= {"turn": 4, "enlarge": 1, "view": 0}[kind], "what is turned by dragging is turned by keys"
        wanted |= set(found)
    assert player.locator(".cell:visible").count() == 1 + player.locator(".enlarge:visible").count()
    wanted |= set(turned)
    looks: list[tuple[str, Any, bytes]] = []
    ends = 0
    while len(looks) < 120 and ends < 2:  # from the last click to the end, then all the way round
        page.keyboard.press("Tab")
        at = page.evaluate(FOCUSED)
        if at is None:
            ends += 1
            continue
        looks.append((*at, page.screenshot(clip=at[1], animations="disabled")))
    assert wanted <= {name for name, _, _ in looks}
    page.mouse.click(640, 2390)
    page.evaluate("document.activeElement.blur()")
    assert page.evaluate(FOCUSED) is None
    unseen = [
        (name, box)
        for name, box, seen in looks
        if name in wanted and page.screenshot(clip=box, animations="disabled") == seen
    ]
    assert not unseen


def test_a_focused_cloud_turns_by_arrow_keys(visit: Opened) -> None:
    page = visit("bottleneck")
    cloud = page.locator('.player .cloud[data-size="large"] canvas')
    step = page.locator(".player").get_attribute("data-frame")
    look = "c => c.toDataURL()"
    cloud.focus()
    seen = [cloud.evaluate(look)]
    for key in ("ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
        seen.append(cloud.evaluate(look))
    assert len(set(seen)) == 3
    expect(page.locator(".player .tip")).to_contain_text("seen from")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    assert cloud.evaluate(look) == seen[0]
    assert page.locator(".player").get_attribute("data-frame") == step, "the playhead stays"


def test_nothing_moves_by_itself_where_motion_is_reduced(visit: Opened) -> None:
    page = visit(HOME)
    running = page.evaluate(
        "document.getAnimations().filter((a) => a.playState === 'running' && a.effect.getTiming().duration > 50).length"
    )
    assert running == 0
    assert page.locator(".player").get_attribute("data-playing") == "false"


# ------------------------------------------------------------------------- what axe cannot see: three visits for all


def test_a_picture_that_is_steered_says_what_it_is_and_keeps_the_focus(visit: Opened) -> None:
    """By the accessibility tree: an application with a name, its reading told politely, and it stays where one was."""
    page = visit("phase_map")
    field = page.locator('.player [data-size="large"] canvas')
    assert field.get_attribute("role") == "application"
    heard = page.locator(".player [role=status]")
    field.focus()
    page.keyboard.press("ArrowRight")
    expect(heard).not_to_be_empty()
    told = heard.inner_text()
    page.keyboard.press("ArrowUp")
    expect(heard).not_to_have_text(told)
    run = page.locator(".player").get_attribute("data-run")
    page.keyboard.press("Enter")  # the map answers with a run of that cell
    page.wait_for_function("(run) => document.querySelector('[data-testid=stApp]') && run !== null", arg=run)
    rest(page)
    assert page.evaluate(FOCUSED)[0] == field.evaluate("c => c.dataset.part || c.className"), "not the body"
    page.get_by_role("button", name="Share", exact=True).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.wait_for_function(f"() => ({FOCUSED})()?.[0] === 'share'", timeout=5_000)


def test_forced_colours_leave_nothing_unseen(visit: Opened) -> None:
    page = visit("rank")
    page.emulate_media(forced_colors="active")
    try:
        page.wait_for_timeout(400)
        paper = page.locator(".player").evaluate("e => getComputedStyle(e).getPropertyValue('--id-paper')")
        assert paper in ("#000000", "#ffffff"), "what is drawn has the contrast that was asked for"
        looks = page.locator('[data-testid="stButtonGroup"] button').evaluate_all(
            "all => all.map((e) => [e.matches('[aria-checked=true], [aria-pressed=true]'), "
            "getComputedStyle(e).outlineStyle, getComputedStyle(e).outlineWidth])"
        )
        chosen = {tuple(look) for on, *look in looks if on}
        assert chosen and not chosen & {tuple(look) for on, *look in looks if not on}
    finally:
        page.emulate_media(forced_colors="none")


@pytest.mark.parametrize("path", ["rank", "follow", "mistake", "choosing", "rank?deck=five_minutes&scene=2"])
def test_at_320_pixels_nothing_scrolls_sideways(visit: Opened, path: str) -> None:
    page = visit(path)
    page.set_viewport_size({"width": 320, "height": 640})
    page.wait_for_function("innerWidth === 320")
    page.wait_for_function("document.documentElement.scrollWidth <= 320", timeout=5_000)
