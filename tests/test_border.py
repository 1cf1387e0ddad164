"""Every page, opened by a hostile link, and the pages for files with hostile files: words stay words in Chromium.

A probe in every parameter, name and text; seen is that no other host is asked for anything, that no link leaves, that
no directive, maths or emoji of a probe is obeyed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from lora_viz.lessons.deck_file import deck_html
from lora_viz.lessons.decks import read_bytes
from lora_viz.lessons.walk import home, lessons
from tests.everyone import stir

HOST = "h.invalid"
PROBES = (
    *(f"![](//{HOST}/x)", f"[Log in](//{HOST})", f"<https://{HOST}>", f"https://{HOST}", f"me@{HOST}", f"www.{HOST}"),
    *(":material/home:", ":red[x]", ":red-badge[x]", ":smile:", ":streamlit:", "$x^2$", "`x`", "**x**", "~~x~~"),
)
# What of a probe was obeyed: in a warning nothing may be, and nowhere a link or a picture from elsewhere.
OBEYED = """host => {
  const found = [], inner = 'img, a, .katex, strong, em, del, [class*="stMarkdownCol"], [class*="stMarkdownB"]';
  for (const one of document.querySelectorAll(`[data-testid="stAlert"] [data-testid="stMarkdownContainer"] *`))
    if (one.matches(inner) || one.matches('[role="img"]')) found.push(one.outerHTML.slice(0, 200));
  for (const one of document.querySelectorAll("[href], [src]"))
    if (new URL(one.href || one.src, location).hostname.includes(host)) found.push(one.outerHTML.slice(0, 200));
  for (const a of document.querySelectorAll("a[href]"))
    if (!["arxiv.org", location.hostname, ""].includes(new URL(a.href).hostname)) found.push(a.href);
  return found;
}"""


# In the same visit, as the browser's Back and Forth do it.
COME = "to => { history.pushState(null, '', to); dispatchEvent(new PopStateEvent('popstate')); }"


class Watched:
    """A page, and every request that went elsewhere."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address, self.outside = page, address, list[str]()
        page.on("request", lambda request: self._asked(request.url))

    def _asked(self, url: str) -> None:
        own = urlsplit(self.address).netloc
        if urlsplit(url).scheme not in ("data", "blob", "about") and urlsplit(url).netloc != own:
            self.outside.append(url)

    def obeyed(self) -> list[str]:
        return [*self.page.evaluate(OBEYED, HOST), *self.outside]


@pytest.fixture
def watched(window: BrowserContext, address: str) -> Iterator[Watched]:
    page = window.new_page()
    yield Watched(page, address)
    page.close()


def hostile(lesson: str, turn: int) -> str:
    """The address of a lesson with a probe in every parameter that it reads, and one as the name of another.

    That name ends in the turn. The page that opens keeps its place: a link with the machine's settings leads away.
    """
    own = next(each for each in lessons() if each.id == lesson)
    answers: dict[str, Any] = {}
    names = []
    for control in own.walk(answers):
        answers[control.id] = control.usual(own.default)
        names += [control.id] if control.in_link else []
    names += ["level", "lang", *([] if own is home() else ["deck", "at", "device", "controls"])]
    asked = {name: PROBES[(turn + i) % len(PROBES)] for i, name in enumerate(names)}
    if "controls" in asked:
        asked["controls"] = f"x{asked['controls']}"
    strange = PROBES[turn % len(PROBES)]
    asked[f"{strange} n{turn}"] = strange
    return f"{'' if own is home() else lesson}?{urlencode(asked)}"


def test_no_page_obeys_a_hostile_link(watched: Watched) -> None:
    """The first page is loaded; the others are come to in the same visit, as by the browser's Forth: no page is loaded
    again for each, and what the server sends and the browser makes of it is the same.
    """
    page, wrong = watched.page, {}
    page.goto(f"{watched.address}/rank")
    expect(page.locator(".player")).to_be_visible(timeout=60_000)
    for turn, lesson in enumerate(lessons()):
        page.evaluate(COME, f"/{hostile(lesson.id, turn)}")
        # What is no setting is said last of what comes before the picture.
        alerts = page.locator('[data-testid="stAlert"]')
        said_last = alerts.filter(has_text=re.compile(rf"\bn{turn}\b.* left out"))
        expect(said_last).to_be_visible(timeout=60_000)
        assert alerts.locator("code").count() >= 2, f"{lesson.id}: the probes are shown, as words"
        if found := watched.obeyed():
            wrong[lesson.id] = found
            watched.outside.clear()
    assert not wrong


def adapter(names: list[str]) -> bytes:
    """A safetensors file with a LoRA of rank 2 under each of these names."""
    rng, tensors, data = np.random.default_rng(3), {}, b""
    for name in names:
        for part, shape in (("lora_A", (2, 5)), ("lora_B", (3, 2))):
            values = rng.standard_normal(shape).astype("<f4").tobytes()
            where = [len(data), len(data) + len(values)]
            tensors[f"base_model.model.{name}.{part}.weight"] = {"dtype": "F32", "shape": shape, "data_offsets": where}
            data += values
    header = json.dumps(tensors).encode()
    return len(header).to_bytes(8, "little") + header + data


def test_names_in_a_file_are_words(watched: Watched) -> None:
    page = watched.page
    page.goto(f"{watched.address}/inspector?level=expert")
    name = f"[x]({HOST}) :red[a] ![](..{HOST}).safetensors"
    file = {"name": name, "mimeType": "application/octet-stream", "buffer": adapter([f"l.0.{p}" for p in PROBES])}
    page.locator('input[type="file"]').first.set_input_files(file)  # type: ignore[arg-type]
    expect(page.locator(".st-key-adapter_file, body").first).to_contain_text("your own file", timeout=60_000)
    expect(page.get_by_text("Of rank ").first).to_be_visible(timeout=60_000)
    expect(page.locator("code", has_text="_red[a]").first).to_be_visible()  # a colon stands in no name of a file
    assert not watched.obeyed()


DECK = f"""title = "**T** ![](//{HOST}/t) :red[x]"
about = "[a](//{HOST}) $x$ :smile:"
[[scene]]
page = "rank"
caption = "_C_ ![](//{HOST}/c) [b](//{HOST}) :material/home: $r$"
notes = "<img src=//{HOST}/n> www.{HOST} :red[x] **loud**"
"""
QUESTION = f"""question = {{ kind = "number", text = "Q ![](//{HOST}/q)?", panel = "error", series = ["trained"] }}
"""
REFUSED = {  # a line of a scene -> what is said of it, beside the word itself
    f'settings = {{ "![](//{HOST}/k)" = 1 }}': "is not a setting of the page",
    f'settings = {{ target_rank = "[x](//{HOST})" }}': "is not possible in this lesson",
    f'controls = [":red[{HOST}]"]': "is not a control of the page",
    f'panels = ["<https://{HOST}>"]': "is not a picture of the page",
    QUESTION.replace('"error"', f'"![](//{HOST}/p)"'): "is not in this picture",
}


def give(page: Page, deck: str) -> None:
    page.locator('input[type="file"]').set_input_files(
        {"name": f"![](..{HOST}).toml", "mimeType": "text/plain", "buffer": deck.encode()}
    )


def test_a_deck_may_emphasise_and_no_more(watched: Watched) -> None:
    """A name that its lesson does not know is said as a word where the deck is given; what is shown, as it is."""
    page = watched.page
    page.goto(f"{watched.address}/present")
    for line, said in REFUSED.items():
        give(page, f"{DECK}{line}\n")
        alert = page.locator('[data-testid="stAlert"]').filter(has_text=said)
        expect(alert).to_contain_text("Nothing was opened.", timeout=60_000)
        expect(alert.locator("code").filter(has_text=HOST)).to_be_visible()
        assert not watched.obeyed(), line
    give(page, DECK + QUESTION)
    begin = page.get_by_role("button", name="Begin my deck")
    expect(begin).to_be_visible(timeout=60_000)
    expect(page.locator("strong", has_text=re.compile("^T$"))).to_have_count(1)
    assert not watched.obeyed()
    begin.click()
    expect(page.locator("h1")).to_contain_text(f"Q ![](//{HOST}/q)?", timeout=60_000)
    stir(page)
    page.get_by_text("Notes", exact=True).first.click()
    expect(page.locator("strong", has_text="loud")).to_be_visible(timeout=60_000)
    expect(page.get_by_text(f"<img src=//{HOST}/n> www")).to_be_visible()
    said = page.evaluate(OBEYED, HOST)
    assert [one for one in said if "loud" not in one] == [] == watched.outside


def test_a_deck_as_a_file_asks_nobody(browser: Browser, tmp_path: Path) -> None:
    """Its policy holds even for what a script of the file would ask for; the notes window opens and answers."""
    deck = read_bytes("mine.toml", DECK.encode())
    file = tmp_path / "deck.html"
    file.write_text(deck_html(deck), encoding="utf-8")
    page = browser.new_page()
    watched = Watched(page, "")
    page.goto(file.as_uri())
    expect(page.locator("html")).to_have_attribute("data-leaf", "0", timeout=30_000)
    page.locator("#host canvas").first.wait_for()
    assert watched.outside == []
    blocked = page.evaluate(
        "host => new Promise(done => { addEventListener('securitypolicyviolation', e => done(e.effectiveDirective));"
        " new Image().src = 'https://' + host + '/x'; })",
        HOST,
    )
    assert blocked == "img-src"
    with page.expect_popup() as opened:
        page.locator("#speak").click()
    notes = opened.value
    expect(notes.locator("#notes")).to_contain_text(f"<img src=//{HOST}/n>")
    expect(notes.locator("#status")).to_be_empty()
    page.close()


def test_the_notes_window_talks_to_its_own_origin_only(watched: Watched) -> None:
    """Whoever knew the secret, from another origin, turns nothing; the secret is drawn by the system."""
    page = watched.page
    page.goto(f"{watched.address}/gradient_flow?deck=five_minutes&scene=1")
    shown = page.get_by_role("button", name="Notes window")
    expect(shown).to_be_visible(timeout=60_000)
    shown.focus()
    with page.expect_popup(timeout=60_000) as opened:
        page.keyboard.press("Enter")
    notes = opened.value
    expect(notes.locator("#place")).to_have_text(re.compile("Scene 1 of "), timeout=30_000)
    secret = json.loads(page.evaluate("sessionStorage.getItem('lora-notes')"))
    assert len(secret.removeprefix("lora-notes-").split("-")) == 4 and len(secret) > 25
    page.evaluate("window.loraSpeaker.turned.add('before')")
    for window, other in ((page, "loraSpeaker.window"), (notes, "opener")):
        window.evaluate(f"""() => {{
          const other = {other}, post = other.postMessage.bind(other);
          window.targets = [];
          other.postMessage = (message, target) => {{
            if (message.lora) window.targets.push(target);  // the frame of the app tells itself other things
            post(message, target);
          }};
        }}""")
    forged = (
        "given => dispatchEvent(new MessageEvent('message', { ...given, origin: 'https://h.invalid', source: %s }))"
    )
    turn = {"lora": secret, "ask": "turn", "by": 1, "id": "forged"}
    page.evaluate(forged % "loraSpeaker.window", {"data": turn})
    notes.evaluate(forged % "opener", {"data": {"lora": secret, "scene": {"caption": "forged", "words": {}}}})
    assert page.evaluate("[...window.loraSpeaker.turned]") == ["before"]
    assert "forged" not in notes.locator("#caption").inner_text()
    expect(notes.locator("#place")).to_have_text(re.compile("Scene 1 of "))
    notes.get_by_role("button", name="Next").click()
    expect(notes.locator("#place")).to_have_text(re.compile("Scene 2 of "), timeout=30_000)
    assert {*page.evaluate("targets"), *notes.evaluate("targets")} == {"/"}, "nothing is posted to whoever is there"
    assert not watched.outside
