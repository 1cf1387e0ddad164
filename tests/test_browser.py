"""What a person sees and does, in a real Chromium against the real server."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from lora_viz.content.decks.scenes import Question
from lora_viz.lessons.deck_file import deck_html
from lora_viz.lessons.decks import DECKS, read_file
from lora_viz.lessons.walk import lesson, lessons
from tests.browser import ROOT, served
from tests.everyone import for_everyone, rest

WORKED = ("follow", "mistake", "present", "quiz", "challenges")  # numbers or a list; others without a film:
HOME = "machine"
LESSONS = tuple(each.id for each in lessons() if each.film is not None and each.id not in (HOME, "cost"))
PAGES = (HOME, *LESSONS)
Open = Callable[..., Page]
# The last frame of lessons over a handful of settings.
FEW = {"asymmetry": 5, "conditioning": 4, "dropout_or_decay": 4, "extract": 2, "lora_or_full": 7,
       "overfit": 5, "step_time": 4, "width": 3}  # fmt: skip
_number = re.compile(r"^\d+$")


@pytest.fixture
def open_page(window: BrowserContext, address: str) -> Iterator[Open]:
    """Open a lesson in a tab of its own; fails at the end if the page complained or looked outside."""
    pages, complaints = [], []

    def opened(
        path: str = "", *, size: tuple[int, int] = (1280, 720), scheme: str = "light", motion: str = "no-preference"
    ) -> Page:
        page = window.new_page()
        pages.append(page)
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.emulate_media(color_scheme=scheme, reduced_motion=motion)  # type: ignore[arg-type]
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("request", lambda r: None if _local(r.url, address) else complaints.append(f"outside: {r.url}"))
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" and "404" not in m.text else None)
        page.goto(f"{address}/{path}")
        expect(player(page)).to_have_attribute("data-frame", _number, timeout=60_000)
        if "deck=" not in path:
            player(page).focus()  # its keys are its own
        return page

    yield opened
    for page in pages:
        page.close()
    assert not complaints


def _local(url: str, address: str) -> bool:
    return url.startswith((address, address.replace("http", "ws"), "data:", "blob:", "about:"))


def player(page: Page) -> Locator:
    return page.locator(".player")


def go(page: Page, section: str, title: str) -> None:
    """Open a page by the menu, as a visitor does: what does not fit into the bar stands behind its last button."""
    menu = page.get_by_test_id("stTopNav")
    expect(menu.get_by_role("button").first).to_be_visible()
    named = menu.get_by_role("button", name=section, exact=True)
    (named if named.count() else menu.get_by_role("button", name=re.compile("more$"))).click()
    page.get_by_role("menuitem", name=title, exact=True).click()


def frame(page: Page) -> int:
    return int(player(page).get_attribute("data-frame") or -1)


def last_frame(page: Page) -> int:
    return int(player(page).get_attribute("data-frames") or 0) - 1


def run(page: Page) -> str:
    return player(page).get_attribute("data-run") or ""


def picture(page: Page) -> list[str]:
    """Every canvas of the player that is on the screen, as it is there."""
    return player(page).locator("canvas:visible").evaluate_all("all => all.map((c) => c.toDataURL())")


LOOKS = [((1920, 1080), "dark"), ((1280, 720), "light")]  # no rule of style asks for a size and a scheme together
PAPER = {"light": "#ffffff", "dark": "#10141b"}
PAPER_OF_PAGE = {"light": "rgb(255, 255, 255)", "dark": "rgb(16, 20, 27)"}
# From now on every text that is drawn across an edge of its canvas, or cut short to fit, is noted.
WATCH = """() => {
  const watched = window.spilt;
  window.spilt = [];
  if (watched) return;
  const draw = CanvasRenderingContext2D.prototype.fillText;
  CanvasRenderingContext2D.prototype.fillText = function (text, x, y, ...more) {
    const at = this.getTransform();
    if (this.canvas.closest(".player") && at.b === 0) {
      const wide = this.measureText(text).width, share = { center: 0.5, right: 1, end: 1 }[this.textAlign] ?? 0;
      const left = at.e + at.a * (x - wide * share), right = left + at.a * wide;
      if (left < -3 || right > this.canvas.width + 3
          || (String(text).endsWith("…") && !this.canvas.closest("[data-size=small]"))) window.spilt.push(String(text));
    }
    return draw.call(this, text, x, y, ...more);
  };
}"""
SPILT = "() => [...new Set(window.spilt)]"
# Parts of the picture that hide some of their content behind a scroll bar.
HIDDEN = """e => [...e.querySelectorAll("*")]
  .filter((p) => p.clientHeight > 0 && getComputedStyle(p).overflow !== "visible")
  .filter((p) => p.scrollHeight > p.clientHeight + 3 || p.scrollWidth > p.clientWidth + 3)
  .map((p) => p.textContent)"""


@pytest.fixture(scope="session")
def reader(window: BrowserContext, address: str) -> Iterator[tuple[Page, list[str]]]:
    """A tab that goes from lesson to lesson without loading the app anew, as by Back; what it complained of."""
    page, complaints = window.new_page(), list[str]()
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("request", lambda r: None if _local(r.url, address) else complaints.append(f"outside: {r.url}"))
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" and "404" not in m.text else None)
    page.goto(f"{address}/glossary")
    expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=60_000)
    yield page, complaints
    page.close()


def turned(page: Page, path: str) -> Page:
    """The same tab on the page at this path, in English; its film is there and nothing runs any more."""
    if page.locator("html").get_attribute("lang") != "en":
        page.locator(".st-key-languages").get_by_text("EN", exact=True).click()
        page.mouse.move(0, 0)
        expect(page.locator("html")).to_have_attribute("lang", "en", timeout=60_000)
    page.evaluate(
        "path => { history.pushState({}, '', path); dispatchEvent(new PopStateEvent('popstate', { state: {} })); }",
        f"/{path}",
    )
    expect(page.get_by_role("heading", level=1)).to_contain_text(lesson(path).title, timeout=60_000)
    expect(player(page)).to_have_attribute("data-frame", _number, timeout=60_000)
    return page


@pytest.mark.parametrize("path", PAGES)
def test_a_lesson_fits_the_screen_and_says_what_it_shows(reader: tuple[Page, list[str]], path: str) -> None:
    """One visit a page: opening it costs more than all that is looked at there."""
    page, complaints = reader
    complaints.clear()
    turned(page, path)
    expect(page.locator(".katex").first).to_be_attached(timeout=60_000)
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning", timeout=60_000)
    assert last_frame(page) >= FEW.get(path, 8)
    assert player(page).get_attribute("data-playing") == str(path == HOME).lower(), "only the machine opens moving"
    expect(player(page).locator(".narration")).not_to_be_empty()
    page.evaluate(WATCH)
    for size, scheme in LOOKS:
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        expect(player(page)).to_have_css("--id-paper", PAPER[scheme], timeout=60_000)
        what = f"{path} at {size}, {scheme}"
        assert fits(page, size[1]), f"title, controls, picture and transport on one screen: {what}"
        boxes = (
            player(page)
            .locator("canvas:visible")
            .evaluate_all("all => all.map((c) => [c.clientWidth, c.clientHeight])")
        )
        assert hero_share(page) >= 0.6, f"one picture, the others small: {what}"
        seen = page.locator(".st-key-seen").bounding_box()
        assert seen is not None and (size[0] > 1280 or seen["y"] + 24 <= size[1]), f"what was seen begins: {what}"
        assert all(width > 120 and height > 120 for width, height in boxes), what
        font = float(player(page).evaluate("e => parseFloat(getComputedStyle(e).getPropertyValue('--font'))"))
        assert font >= size[0] / 90, f"readable from the back row: {what}"
        assert len(set(picture(page))) == len(boxes), f"no two pictures alike, so none empty: {what}"
    assert page.locator(".katex-error").count() == 0
    labels = player(page).locator("canvas").evaluate_all("all => all.map((c) => c.getAttribute('aria-label'))")
    assert path == HOME or all(" At " in label and len(label) > 40 for label in labels), "alt text with its reading"
    assert not page.evaluate(SPILT), "no text leaves its picture"
    for_everyone(page)
    page.evaluate("window.spilt = []")  # a phone's titles may be cut short
    page.locator(".st-key-languages").get_by_text("DE", exact=True).click()
    expect(player(page).get_by_role("button", name="Von vorn")).to_be_visible()
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning", timeout=60_000)
    assert fits(page, 720), f"{path} in German, whose words are longer"
    assert not player(page).evaluate(HIDDEN), "nothing hides behind a scroll bar"
    assert not page.evaluate(SPILT), "no German text leaves its picture"
    assert not complaints


def hero_share(page: Page) -> float:
    """The part of the stage that the large picture takes."""
    share: float = player(page).evaluate("""e => {
        const [one] = e.querySelectorAll('.cell[data-size="large"]'), stage = e.querySelector(".stage");
        return (one.clientWidth * one.clientHeight) / (stage.clientWidth * stage.clientHeight);
    }""")
    return share


def large(page: Page) -> Locator:
    """The large picture."""
    return player(page).locator('.cell[data-size="large"]:visible canvas').first


def fits(page: Page, height: int) -> bool:
    """Does the page fit the screen down to the transport, with nothing to scroll to the side?"""
    bar = player(page).locator(".bar").bounding_box()
    assert bar is not None
    within: bool = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    return within and bar["y"] + bar["height"] <= height


def test_play_pause_step_home_end_by_keyboard(open_page: Open) -> None:
    page = open_page("gradient_flow")
    page.keyboard.press("Home")
    assert frame(page) == 0
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert frame(page) == 2
    page.keyboard.press("ArrowLeft")
    assert frame(page) == 1
    page.keyboard.press(" ")
    expect(player(page)).to_have_attribute("data-playing", "true")
    page.wait_for_function("document.querySelector('body') && true")
    expect(player(page)).not_to_have_attribute("data-frame", "1")
    page.keyboard.press(" ")
    expect(player(page)).to_have_attribute("data-playing", "false")
    stopped = frame(page)
    page.wait_for_timeout(300)
    assert frame(page) == stopped > 1
    page.keyboard.press("End")
    assert frame(page) == last_frame(page)


def test_playing_and_scrubbing_send_nothing(window: BrowserContext, address: str) -> None:
    page = window.new_page()
    sent: list[object] = []
    page.on("websocket", lambda ws: [ws.on(e, lambda f: sent.append(f)) for e in ("framesent", "framereceived")])
    page.goto(f"{address}/rank")
    expect(player(page)).to_have_attribute("data-frame", _number, timeout=60_000)
    page.wait_for_timeout(1500)
    sent.clear()
    page.keyboard.press("Home")
    player(page).get_by_role("button", name="Play").click()
    page.wait_for_timeout(2000)
    assert frame(page) > 1
    scrub = player(page).get_by_label("Playhead", exact=True)
    for at in range(last_frame(page)):
        scrub.evaluate("(e, at) => { e.value = at; e.dispatchEvent(new Event('input')); }", at)
        assert frame(page) == at
    assert not sent
    page.close()


def test_every_figure_follows_the_playhead(open_page: Open) -> None:
    page = open_page("rank")
    player(page).get_by_role("button", name="All pictures", exact=True).click()
    player(page).focus()
    before = picture(page)
    page.keyboard.press("End")
    after = picture(page)
    moved = [a != b for a, b in zip(before, after, strict=True)]
    assert moved == [True, True, False, True, True, True], "all but the target's own heat map"
    player(page).get_by_role("button", name="One picture").click()
    player(page).focus()
    for key in ("4", "5"):
        page.keyboard.press(key)
        expect(player(page).locator(f".cell:nth-child({key})")).to_have_attribute("data-size", "large")
        page.keyboard.press("Home")
        page.keyboard.press("ArrowRight")
        before = large(page).evaluate("c => c.toDataURL()")
        page.keyboard.press("End")
        assert large(page).evaluate("c => c.toDataURL()") != before, "what was out of sight follows too"


def test_dragging_the_rank_axis_scrubs(open_page: Open) -> None:
    page = open_page("rank")
    box = large(page).bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.15 * box["width"], y)
    page.mouse.down()
    seen = []
    for share in (0.25, 0.4, 0.6, 0.9):
        page.mouse.move(box["x"] + share * box["width"], y)
        seen.append(frame(page))
    page.mouse.up()
    assert seen == sorted(set(seen))
    assert seen[-1] == last_frame(page)
    for place in (seen[-1], seen[0]):
        player(page).get_by_label("Playhead", exact=True).evaluate(
            "(e, at) => { e.value = at; e.dispatchEvent(new Event('input')); }", place
        )
        player(page).get_by_role("button", name="All pictures", exact=True).click()
        bound = player(page).locator(".readout dd").first
        assert bound.inner_text() == player(page).get_attribute("data-value"), "the rank dragged to is the one read"
        player(page).get_by_role("button", name="One picture").click()


def test_reset_keeps_the_run_and_new_seed_does_not(open_page: Open) -> None:
    page = open_page("bottleneck")
    first = run(page)
    player(page).get_by_role("button", name="Reset").click()
    assert frame(page) == 0
    assert run(page) == first
    page.get_by_role("button", name="New seed").click()
    expect(player(page)).not_to_have_attribute("data-run", first)
    expect(page).to_have_url(re.compile("seed=1"))


def test_a_pasted_link_shows_the_same_picture(open_page: Open) -> None:
    page = open_page("gradient_flow?optimizer=adam&rank=3&seed=5")
    first = run(page)
    page.locator(".st-key-lr input[type=range], .st-key-lr [role=slider]").first.focus()
    page.keyboard.press("ArrowRight")
    expect(player(page)).not_to_have_attribute("data-run", first)
    expect(page).to_have_url(re.compile("lr=0.05"))
    other = open_page(page.url.split("/", 3)[3])
    assert run(other) == run(page)
    for view in (page, other):
        rest(view)
        player(view).focus()  # the slider keeps its own keys
        view.keyboard.press("Home")
        view.keyboard.press("ArrowRight")
    assert picture(other) == picture(page)
    other.reload()
    expect(player(other)).to_have_attribute("data-run", run(page), timeout=60_000)


def test_every_choice_of_a_link_is_honoured(open_page: Open) -> None:
    page = open_page("gradient_flow?init=both_zero")
    expect(player(page).locator(".narration")).to_contain_text("both gradients are exactly 0")
    expect(page).to_have_url(re.compile("init=both_zero"))


def test_a_lesson_is_found_as_it_was_left(open_page: Open) -> None:
    page = open_page("rank")
    default = run(page)
    page.locator(".st-key-noise input[type=range], .st-key-noise [role=slider]").first.focus()
    page.keyboard.press("ArrowLeft")
    expect(player(page)).not_to_have_attribute("data-run", default)
    expect(page).to_have_url(re.compile("noise=0.3"))
    left = run(page)
    go(page, "Basics", lesson("gradient_flow").menu)
    expect(page.get_by_role("heading", name=lesson("gradient_flow").title)).to_be_visible()
    expect(page).not_to_have_url(re.compile("noise"))
    go(page, "Basics", lesson("rank").menu)
    expect(player(page)).to_have_attribute("data-run", left, timeout=60_000)
    expect(page).to_have_url(re.compile("noise=0.3"))


def test_a_deep_link_may_be_the_first_visit_of_all(window: BrowserContext) -> None:
    with served() as fresh:
        page = window.new_page()
        page.goto(f"{fresh}/rank")
        expect(player(page)).to_have_attribute("data-frame", _number, timeout=60_000)
        go(page, "Basics", lesson("merge").menu)
        expect(page.get_by_role("heading", name=lesson("merge").title)).to_be_visible(timeout=60_000)
        go(page, "Start", lesson(HOME).menu)
        expect(page.get_by_role("heading", name=lesson(HOME).title)).to_be_visible(timeout=60_000)
        page.close()


def test_reduced_motion_means_steps_only(open_page: Open) -> None:
    page = open_page("gradient_flow", motion="reduce")
    page.keyboard.press("Home")
    player(page).get_by_role("button", name=re.compile("Next frame")).click()
    page.wait_for_timeout(300)
    assert frame(page) == 1
    assert player(page).get_attribute("data-playing") == "false"


def test_a_changed_control_keeps_the_moment(open_page: Open) -> None:
    page = open_page("gradient_flow")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    before = run(page)
    page.locator(".st-key-rank input[type=range], .st-key-rank [role=slider]").first.focus()
    page.keyboard.press("ArrowLeft")
    expect(player(page)).not_to_have_attribute("data-run", before)
    assert frame(page) == 5


def test_the_cloud_turns_by_dragging(open_page: Open) -> None:
    page = open_page("bottleneck")
    before = picture(page)
    box = large(page).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 180, box["y"] + 180)
    page.mouse.down()
    page.mouse.move(box["x"] + 260, box["y"] + 210)
    page.mouse.up()
    page.mouse.move(5, 5)
    turned = picture(page)
    assert sum(a != b for a, b in zip(before, turned, strict=True)) == 1
    player(page).get_by_role("button", name="Turn left").first.click()
    assert sum(a != b for a, b in zip(turned, picture(page), strict=True)) == 1, "and by a button"


def test_hovering_a_heat_map_reads_a_cell(open_page: Open) -> None:
    page = open_page("rank")
    page.keyboard.press("3")  # the target's heat map
    box = large(page).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 40, box["y"] + 60)
    expect(player(page).locator(".tip")).to_have_text(re.compile(r"row \d+, column \d+: −?[\d.·⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+"))


def test_divergence_is_an_event_the_picture_explains(open_page: Open) -> None:
    page = open_page("gradient_flow?lr=5")
    expect(player(page).locator(".narration")).to_contain_text("diverged")


def test_the_still_figure_opens_on_demand(open_page: Open) -> None:
    page = open_page("merge")
    assert page.locator(".js-plotly-plot").count() == 0
    page.get_by_text("Still figure and data, for slides").click()
    expect(page.locator(".js-plotly-plot").first).to_be_visible(timeout=60_000)
    assert page.get_by_text("Data as CSV").is_visible()


def test_a_matrix_of_one_s_own_is_drawn_and_shared(open_page: Open) -> None:
    page = open_page("matrix?matrix=own")
    first = run(page)
    field = page.get_by_role("textbox", name="Your own M, at most 3×3")
    field.fill("3 0; 0 0")
    field.press("Enter")
    expect(player(page)).not_to_have_attribute("data-run", first)
    expect(page).to_have_url(re.compile("own_matrix=3"))
    own = run(page)
    field.fill("3 0; 0")
    field.press("Enter")
    expect(page.get_by_text("Showing what fitted last instead.")).to_be_visible()
    assert run(page) == own
    field.fill("3 0; 0 0")
    field.press("Enter")
    expect(page.get_by_text("Showing what fitted last instead.")).not_to_be_visible()
    page.reload()
    expect(player(page)).to_have_attribute("data-run", own, timeout=60_000)


def test_a_narrow_screen_gets_one_picture_and_the_names_of_the_others(open_page: Open) -> None:
    page = open_page("rank", size=(400, 800))
    cells = player(page).locator(".cell:visible")
    names = player(page).locator(".views [data-view]")
    among = player(page).locator(".cell").count()
    for _ in range(2):
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        expect(cells).to_have_count(1)
        box, bar = cells.bounding_box(), player(page).locator(".bar").bounding_box()
        assert box is not None and box["width"] > 340, "it has the whole width"
        assert bar is not None and bar["y"] + bar["height"] <= 800, "the transport stays on the screen"
        assert names.count() == among - 1
        name = names.first.inner_text()
        names.first.click()
        expect(large(page)).to_have_attribute("aria-label", re.compile("^" + re.escape(name)))


def test_the_machine_opens_moving(open_page: Open) -> None:
    for path in (HOME, ""):  # the start page shows it too
        page = open_page(path)
        expect(player(page)).to_have_attribute("data-playing", "true")
        page.keyboard.press(" ")
        calm = open_page(path, motion="reduce")
        assert calm.locator(".player").get_attribute("data-playing") == "false"
        assert frame(calm) == last_frame(calm)


def at_rest(page: Page) -> Locator:
    """The machine, stopped at step 5; its canvas."""
    page.keyboard.press("Home")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    return player(page).locator(".machine canvas")


def test_slow_motion_tells_one_step_in_eight_phases(open_page: Open) -> None:
    page = open_page("machine")
    at_rest(page)
    page.keyboard.press("s")
    told = []
    for _ in range(8):
        told.append(player(page).locator(".narration").inner_text())
        page.keyboard.press("ArrowRight")
    assert [text[:3] for text in told] == [f"{k}/8" for k in range(1, 9)]
    assert frame(page) == 6
    assert player(page).get_attribute("data-phase") == "1"
    page.keyboard.press("ArrowLeft")
    assert (frame(page), player(page).get_attribute("data-phase")) == (5, "8")
    page.keyboard.press(" ")
    page.wait_for_timeout(2200)
    page.keyboard.press(" ")
    assert frame(page) == 6, "playing slowly goes on, and stops when asked"
    page.keyboard.press("s")
    assert player(page).get_attribute("data-phase") == "0"


def test_the_machine_answers_hover_and_keyboard_alike(open_page: Open) -> None:
    page = open_page("machine")
    canvas = at_rest(page)
    canvas.focus()
    page.keyboard.press("ArrowRight")
    tip = player(page).locator(".tip")
    expect(tip).to_have_text(re.compile(r"ΔW₁₂ = s·Σ b·a = 1·\(.+ \+ .+\) = "))
    said = tip.inner_text()
    assert frame(page) == 5, "arrows move the cell, not the playhead"
    box = canvas.bounding_box()
    assert box is not None
    texts = set()
    for x in range(0, int(box["width"]), 12):
        page.mouse.move(box["x"] + x, box["y"] + 0.3 * box["height"])
        if tip.is_visible():
            texts.add(tip.inner_text())
    assert any(text.startswith("update: ΔW") for text in texts)
    assert any(text.startswith("frozen weight: W") for text in texts)
    for _ in range(3):
        page.keyboard.press("]")
    assert said != tip.inner_text()


def test_a_cell_can_be_changed_by_hand_and_nonsense_changes_nothing(open_page: Open) -> None:
    page = open_page("machine")
    canvas = at_rest(page)
    before = picture(page)
    canvas.focus()
    for _ in range(8):
        page.keyboard.press("[")
        if player(page).locator(".tip").inner_text().partition(": ")[2].startswith("B₁₁"):
            break
    for wrong in ("abc", "", "1e308", "NaN", "Infinity"):
        page.keyboard.press("Enter")
        ask = player(page).get_by_label("New value")
        ask.fill(wrong)
        ask.press("Enter")
        expect(player(page).locator(".tip")).to_contain_text("is not a number from")
        ask.press("Escape")
    page.keyboard.press("Enter")
    player(page).get_by_label("New value").fill("1.5")
    page.keyboard.press("Enter")
    expect(canvas).to_have_attribute("aria-label", re.compile("changed by hand"))
    assert picture(page)[0] != before[0]
    player(page).get_by_role("button", name="Reset").click()
    expect(canvas).not_to_have_attribute("aria-label", re.compile("changed by hand"))


def test_a_component_can_be_switched_off(open_page: Open) -> None:
    page = open_page("machine")
    canvas = at_rest(page)
    canvas.focus()
    page.keyboard.press("2")
    label = canvas.get_attribute("aria-label") or ""
    assert "changed by hand" in label
    second = label.rsplit(", ", 1)[1]
    assert second in ("0", "≈ 0"), "one component is left: the second singular value is 0 to rounding"
    page.keyboard.press("2")
    assert "changed by hand" not in (canvas.get_attribute("aria-label") or "")


def test_one_factor_can_step_alone(open_page: Open) -> None:
    page = open_page("machine")
    page.keyboard.press("Home")
    canvas = player(page).locator(".machine canvas")
    canvas.focus()
    loss = re.compile(r"loss of this sample ([\d.·⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)")

    def sample_loss() -> str:
        found = loss.search(canvas.get_attribute("aria-label") or "")
        assert found
        return found.group(1)

    start = sample_loss()
    page.keyboard.press("a")
    assert sample_loss() == start, "with B = 0 a step on A alone changes nothing"
    for _ in range(60):
        page.keyboard.press("b")
    assert float(sample_loss()) < float(start)
    expect(player(page).locator(".narration")).to_contain_text("Changed by hand")


def test_the_names_follow_the_convention(open_page: Open) -> None:
    def settled(path: str) -> list[str]:
        page = open_page(path, motion="reduce")
        rest(page)  # what was seen comes last, and takes its room from the pictures
        return picture(page)

    paper = settled(HOME)
    for convention in ("peft", "down_up", "row_vectors"):
        other = settled(f"{HOME}?convention={convention}")
        assert paper[0] != other[0]
        assert paper[1] == other[1]


@pytest.mark.parametrize("path", WORKED)
def test_a_page_of_numbers_fits_the_screen(window: BrowserContext, address: str, path: str) -> None:
    page = window.new_page()
    page.goto(f"{address}/{path}")
    seen = page.get_by_text("What you saw.").first
    expect(seen).to_be_visible(timeout=60_000)
    matrices = page.locator(".matrix")
    if path == "follow":
        page.get_by_text("All numbers of all steps").click()
    if path in ("follow", "mistake"):
        expect(matrices.first).to_be_visible(timeout=60_000)
    for size, scheme in LOOKS:
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        expect(page.get_by_test_id("stApp")).to_have_css("background-color", PAPER_OF_PAGE[scheme], timeout=60_000)
        what = f"{path} at {size}, {scheme}"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), what
        readable = [seen, *([matrices.first] if matrices.count() else [])]
        assert all(float(e.evaluate("m => parseFloat(getComputedStyle(m).fontSize)")) >= 15 for e in readable), what
        edges = matrices.evaluate_all("all => all.map((m) => m.getBoundingClientRect().right)")
        assert all(edge <= size[0] for edge in edges), f"no matrix is cut: {what}"
    assert page.locator(".katex-error, [data-testid=stException]").count() == 0
    page.set_viewport_size({"width": 1280, "height": 720})
    page.emulate_media(color_scheme="light")
    for_everyone(page)
    page.close()


def test_a_mistake_is_marked_and_revealed(window: BrowserContext, address: str) -> None:
    page = window.new_page()
    page.goto(f"{address}/mistake")
    page.get_by_role("button", name="0.2", exact=True).click(timeout=60_000)
    expect(page.locator(".matrix .found")).to_have_text("0.2")
    page.get_by_text("Reveal", exact=True).click()
    expect(page.get_by_text("1 of 8 entries are wrong; you marked 1 of them.")).to_be_visible()
    expect(page.get_by_text("2.2141")).to_be_visible()
    page.close()


def test_a_click_on_the_map_opens_that_run(open_page: Open) -> None:
    page = open_page("phase_map")
    expect(page.get_by_text("Refining")).to_have_count(0, timeout=60_000)
    expect(page.get_by_text("The chosen adapter").first).to_contain_text("is good")
    rest(page)  # the refined picture takes the coarse one's place
    field = large(page)
    box = field.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] - 20, box["y"] + 90)
    expect(page.get_by_text("The chosen adapter").first).to_contain_text("diverged after step", timeout=60_000)
    expect(page).to_have_url(re.compile(r"map_row=([7-9]\d|6[5-9])&map_column=9\d"))  # the last third of 97 by 97


def test_a_click_on_the_map_of_variants_picks_both(open_page: Open) -> None:
    page = open_page("variants")
    expect(page.get_by_text("on a rescaling of W's rows, DoRA with").first).to_be_visible(timeout=60_000)
    rest(page)
    box = large(page).bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] - 20, box["y"] + 50)  # the top row, LoRA's, rightmost column
    expect(page.get_by_text("on a rescaling of W's rows, LoRA with").first).to_be_visible(timeout=60_000)
    expect(page).to_have_url(re.compile("variant=lora(&|$)"))
    page.mouse.click(box["x"] + box["width"] * 0.22, box["y"] + 50)  # and the leftmost
    expect(page.get_by_text("on a random target of rank 4, LoRA with").first).to_be_visible(timeout=60_000)
    expect(page).to_have_url(re.compile("task=low_rank"))


def test_a_shared_picture_is_the_same_elsewhere(open_page: Open) -> None:
    page = open_page("gradient_flow?lr=0.05&seed=3&init=A_zero")
    page.keyboard.press("Home")
    for _ in range(7):
        page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Share").click()
    dialog = page.get_by_role("dialog")
    link = dialog.locator("code").first.inner_text()
    assert all(part in link for part in ("lr=0.05", "seed=3", "init=A_zero", "at=7"))
    assert not [part for part in ("rank=", "optimizer=", "controls=") if part in link], "only what differs"
    code = dialog.get_by_role("img", name="QR code of the link").bounding_box()
    assert code is not None and code["width"] > 300, "to be read across a room"
    other = open_page(link.partition("/gradient_flow")[1][1:] + link.partition("/gradient_flow")[2])
    assert run(other) == run(page)
    assert frame(other) == frame(page) == 7
    assert picture(other) == picture(page)

    with page.expect_download() as given:
        dialog.get_by_role("button", name="The picture as a file").click()
    file = page.context.new_page()
    file.goto(given.value.path().rename(given.value.path().with_suffix(".html")).as_uri())
    expect(player(file)).to_have_attribute("data-run", run(page), timeout=60_000)
    assert frame(file) == 7
    file.keyboard.press("ArrowRight")
    assert frame(file) == 8
    assert link in file.inner_text("body"), "the file says where it came from"
    file.close()

    dialog.get_by_text("Which controls stay").click()
    dialog.get_by_role("button", name="Learning rate η", exact=True).click()
    expect(dialog.locator("code").first).to_contain_text("controls=")
    short = dialog.locator("code").first.inner_text()
    assert "lr" not in short.partition("controls=")[2].split("&")[0].split("%2C")
    third = open_page(short.partition("/gradient_flow")[1][1:] + short.partition("/gradient_flow")[2])
    assert run(third) == run(page)
    expect(third.locator(".st-key-init")).to_be_visible()
    expect(third.locator(".st-key-lr")).to_have_count(0)


def test_a_page_without_the_lessons_controls_shares_its_own_address(open_page: Open) -> None:
    page = open_page("rank?noise=0.3")
    go(page, "Real models", "A real transformer")
    expect(page.get_by_role("heading", level=1)).to_contain_text("real transformer", timeout=60_000)
    expect(player(page)).to_have_count(1)
    page.get_by_role("button", name="Share", exact=True).click()
    link = page.get_by_role("dialog").locator("code").first
    expect(link).to_have_text(re.compile(r"/minilm(\?at=[\d.]+)?$"))
    expect(link).not_to_contain_text("noise")


def test_an_embedded_lesson_has_no_menu(open_page: Open) -> None:
    page = open_page("rank?embed=true&controls=none")
    expect(page.get_by_test_id("stHeader")).to_be_hidden()
    bar = player(page).locator(".bar").bounding_box()
    assert bar is not None and bar["y"] + bar["height"] <= 720
    assert bar["width"] > 1100, "without controls the picture has the whole width"


def test_the_five_minute_deck_is_presented_by_keyboard(open_page: Open, tmp_path: Path) -> None:
    """End to end, as with a clicker: every scene with its picture; a question hides it until it is answered."""
    deck = read_file(DECKS / "five_minutes.toml")
    page = open_page("machine?deck=five_minutes&scene=1")
    seen = set()
    for number_of, scene in enumerate(deck.scenes, start=1):
        heading = scene.question.text if scene.question else scene.caption
        expect(page.get_by_role("heading", name=heading, level=1)).to_be_visible(timeout=60_000)
        expect(page).to_have_url(re.compile(f"scene={number_of}(&|$)"))
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        expect(page.get_by_test_id("stHeader")).to_be_hidden()
        expect(player(page)).to_have_count(1)
        font = float(player(page).evaluate("e => parseFloat(getComputedStyle(e).getPropertyValue('--font'))"))
        assert font >= 20
        expect(player(page).locator(".bar")).to_be_in_viewport(ratio=1)
        stage = player(page).locator(".stage")
        if scene.question:
            expect(stage).to_be_hidden()
            for label in player(page).locator("canvas").evaluate_all("all => all.map((c) => c.ariaLabel)"):
                assert "Hidden until" in label, "a screen reader must not be told the answer either"
            answer = player(page).get_by_role("button", name="Reveal")
            answer.focus()
            page.keyboard.press("Enter")
            expect(player(page).locator(".told")).to_contain_text("Measured: ")
            page.keyboard.press("PageDown")  # the sentence comes before the next scene
            expect(player(page).locator(".caption")).to_have_text(scene.caption)
        expect(stage).to_be_visible()
        page.screenshot(path=tmp_path / f"{number_of}.png")
        seen.add((run(page), frame(page)) if scene.question is None else (number_of, -1))
        page.keyboard.press("PageDown")
    assert len(seen) == len(deck.scenes)
    expect(page.get_by_role("heading", name=deck.title, level=1)).to_be_visible(timeout=60_000)  # the end, with links
    page.keyboard.press("PageUp")
    expect(page.get_by_role("heading", name=deck.scenes[-1].caption, level=1)).to_be_visible(timeout=60_000)


def test_a_scene_leaves_only_its_controls_and_forgets_what_was_set(open_page: Open) -> None:
    page = open_page("gradient_flow?deck=five_minutes&scene=3")
    expect(player(page).locator(".narration")).to_contain_text("both gradients are exactly 0")
    expect(page.locator(".st-key-lr")).to_have_count(0)
    page.locator(".st-key-init").get_by_text("A = 0", exact=True).click()
    expect(player(page).locator(".narration")).not_to_contain_text("both gradients are exactly 0")
    page.keyboard.press("PageDown")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Whatever goes in", timeout=60_000)
    page.keyboard.press("PageUp")
    expect(page.get_by_role("heading", level=1)).to_contain_text("If both start at zero", timeout=60_000)
    expect(player(page).locator(".narration")).to_contain_text("both gradients are exactly 0")


def test_a_deck_as_a_file_needs_no_server(browser: Browser, tmp_path: Path) -> None:
    deck = read_file(DECKS / "five_minutes.toml")
    short = replace(deck, scenes=(deck.scenes[1], deck.scenes[4]))
    (tmp_path / "deck.html").write_text(deck_html(short), encoding="utf-8")
    context = browser.new_context(viewport={"width": 1280, "height": 720}, offline=True)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda r: None if r.url.startswith(("file:", "blob:", "data:")) else complaints.append(r.url))
    page.goto((tmp_path / "deck.html").as_uri())
    expect(player(page)).to_have_attribute("data-frame", "0", timeout=60_000)
    player(page).get_by_role("button", name="‖∇B‖", exact=True).click()
    expect(player(page).locator(".told")).to_contain_text("That is what you said.")
    page.keyboard.press("ArrowRight")
    expect(player(page)).to_have_attribute("data-frame", "1")
    page.keyboard.press("PageDown")
    expect(player(page).locator(".caption")).to_have_text(deck.scenes[1].caption)
    page.keyboard.press("PageDown")
    expect(page.locator("html")).to_have_attribute("data-leaf", "1")
    expect(player(page)).to_have_attribute("data-frame", "2")
    guess = player(page).get_by_role("textbox")
    guess.fill("x")
    guess.press("Enter")
    expect(player(page).locator(".told")).to_contain_text('"x" is not a number')
    guess.fill("0,5")
    guess.press("Enter")
    expect(player(page).locator(".told")).to_contain_text(
        "Your guess: 0.5. Measured: trained (5 seeds) 0.707 at rank 2."
    )
    assert len(set(picture(page))) == len(picture(page))
    context.close()
    assert not complaints


def test_a_curve_is_drawn_before_it_is_seen(open_page: Open, tmp_path: Path, browser: Browser) -> None:
    deck = read_file(DECKS / "five_minutes.toml")
    question = Question(kind="curve", text="Draw the gradient of A.", panel="gradients", series=("grad_a",))
    scene = replace(deck.scenes[1], question=question)
    (tmp_path / "curve.html").write_text(deck_html(replace(deck, scenes=(scene,))), encoding="utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "curve.html").as_uri())
    expect(player(page)).to_have_attribute("data-frame", "0", timeout=60_000)
    asked, *others = player(page).locator("canvas").all()
    expect(asked).to_be_visible()
    assert all(other.is_hidden() for other in others)
    box = asked.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 80, box["y"] + box["height"] * 0.5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 30, box["y"] + box["height"] * 0.55, steps=12)
    page.mouse.up()
    assert player(page).get_attribute("data-frame") == "0", "drawing does not scrub"
    player(page).get_by_role("button", name="That is my curve").click()
    expect(player(page).locator(".told")).to_contain_text("In the median you were off by a factor of")
    expect(asked).to_be_visible()
    assert all(other.is_hidden() for other in others), "a room sees one picture"
    page.close()


def test_the_run_before_stays_as_a_dotted_curve(open_page: Open) -> None:
    page = open_page("gradient_flow")
    before = run(page)
    page.keyboard.press("End")
    page.locator(".st-key-lr [role=slider], .st-key-lr input[type=range]").first.focus()
    page.keyboard.press("ArrowRight")
    expect(player(page)).not_to_have_attribute("data-run", before)
    without = picture(page)[0]
    player(page).get_by_role("button", name="Before").click()
    expect(player(page).get_by_role("button", name="Before")).to_have_attribute("aria-pressed", "true")
    assert picture(page)[0] != without
    player(page).get_by_role("button", name="Before").click()
    assert picture(page)[0] == without


def test_pictures_are_shown_with_what_each_way_says(open_page: Open) -> None:
    page = open_page("digits")
    pictures = player(page).locator(".pictures canvas")
    assert "full FT says" in (pictures.get_attribute("aria-label") or "")
    last = pictures.get_attribute("aria-label")
    page.keyboard.press("Home")
    assert pictures.get_attribute("aria-label") != last, "what is said follows the playhead"


def test_a_training_is_stopped_by_its_button(window: BrowserContext, address: str) -> None:
    page = window.new_page()
    page.goto(f"{address}/digits?steps=500&seed=4711", wait_until="commit")  # its last file may come after the training
    page.get_by_role("button", name="Stop training").click()
    expect(page.get_by_text("stopped, nothing is kept")).to_be_visible()
    assert player(page).count() == 0
    page.get_by_role("button", name="Start again").click()
    expect(player(page)).to_have_attribute("data-frame", _number, timeout=60_000)
    page.close()


@pytest.fixture(scope="module")
def every_panel() -> Iterator[str]:
    with served(ROOT / "tests" / "every_panel.py") as url:
        yield url


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_curves_and_fields_are_drawn_read_and_picked(
    browser: Browser, every_panel: str, scheme: Literal["light", "dark"]
) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 720}, color_scheme=scheme)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(every_panel)
    expect(player(page)).to_have_attribute("data-frame", "0", timeout=60_000)
    curves, field = player(page).locator("canvas").all()
    player(page).focus()
    before = picture(page)
    page.keyboard.press("ArrowRight")
    expect(player(page)).to_have_attribute("data-frame", "1")
    assert all(now != then for now, then in zip(picture(page), before, strict=True)), "both follow the playhead"

    assert "trained from 2 to 0.00781" in (curves.get_attribute("aria-label") or "")
    box = curves.bounding_box()
    assert box is not None
    for inwards in range(4, 200, 8):  # past the names at the ends of the curves
        page.mouse.move(box["x"] + box["width"] - inwards, box["y"] + box["height"] / 2)
        if player(page).locator(".tip").is_visible():
            break
    expect(player(page).locator(".tip")).to_have_text("rank r: 256; trained: 0.00781, floor: 0")

    page.keyboard.press("2")  # the second picture takes the first one's place
    field.focus()
    page.keyboard.press("ArrowRight")
    expect(player(page).locator(".tip")).to_have_text("lr 1e-5, rank 2: 503, slow")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    expect(player(page).locator(".tip")).to_have_text("lr 1e-6, rank 3: 604, slow")
    page.keyboard.press("Enter")
    expect(page.get_by_text("asked for")).to_contain_text("(6, 3)")
    box = field.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] - 12, box["y"] + 70)
    expect(page.get_by_text("asked for")).to_contain_text("(6, 10)")
    expect(player(page)).to_have_attribute("data-frame", "1")
    context.close()
    assert not complaints


def test_a_word_is_explained_on_hover_and_on_focus(open_page: Open) -> None:
    page = open_page("rank?level=newcomer")
    word = page.locator('a[href="glossary#rank"]')
    expect(word).to_have_count(1)
    told = "e => getComputedStyle(e, '::after').content"
    assert word.evaluate(told) == "none"
    word.focus()
    assert "non-zero singular values" in word.evaluate(told)
    page.get_by_role("heading", level=1).click()
    word.evaluate("e => e.blur()")
    assert word.evaluate(told) == "none"
    word.hover()
    assert "non-zero singular values" in word.evaluate(told)
