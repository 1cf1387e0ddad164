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
from playwright.sync_api import Browser, Page, expect

from lora_viz.lessons.deck_file import deck_html
from lora_viz.lessons.decks import read_bytes
from lora_viz.lessons.walk import home, lessons

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
def watched(browser: Browser, address: str) -> Iterator[Watched]:
    page = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    yield Watched(page, address)
    page.close()


def hostile(lesson: str, turn: int) -> str:
    """The address of a lesson with a probe in every parameter that it reads, and one as the name of another."""
    own = next(each for each in lessons() if each.id == lesson)
    answers: dict[str, Any] = {}
    names = []
    for control in own.walk(answers):
        answers[control.id] = control.usual(own.default)
        names += [control.id] if control.in_link else []
    asked = {name: PROBES[(turn + i) % len(PROBES)] for i, name in enumerate([*names, "level", "lang", "deck", "at"])}
    strange = PROBES[turn % len(PROBES)]
    asked |= {"controls": f"x{strange}", "device": strange, strange: strange}
    return f"{'' if own is home() else lesson}?{urlencode(asked)}"


def test_no_page_obeys_a_hostile_link(watched: Watched) -> None:
    page, wrong = watched.page, {}
    for turn, lesson in enumerate(lessons()):
        page.goto(f"{watched.address}/{hostile(lesson.id, turn)}")
        alerts = page.locator('[data-testid="stAlert"]')
        # The language is said first, what is no setting last of what comes before the picture.
        expect(alerts.filter(has_text="left out").first).to_be_visible(timeout=60_000)
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
    expect(page.get_by_text("modules given rank").first).to_be_visible(timeout=60_000)
    expect(page.locator("code", has_text=":red[a]").first).to_be_visible()
    assert not watched.obeyed()


DECK = f"""title = "**T** ![](//{HOST}/t) :red[x]"
about = "[a](//{HOST}) $x$ :smile:"
[[scene]]
page = "rank"
caption = "_C_ ![](//{HOST}/c) [b](//{HOST}) :material/home: $r$"
notes = "<img src=//{HOST}/n> www.{HOST} :red[x] **loud**"
settings = {{ "![](//{HOST}/k)" = "![](//{HOST}/v)", target_rank = "[x](//{HOST})" }}
question = {{ kind = "number", text = "Q ![](//{HOST}/q)?", panel = "![](//{HOST}/p)", series = ["s"] }}
"""


def test_a_deck_may_emphasise_and_no_more(watched: Watched) -> None:
    page = watched.page
    page.goto(f"{watched.address}/present")
    page.locator('input[type="file"]').set_input_files(
        {"name": f"![](..{HOST}).toml", "mimeType": "text/plain", "buffer": DECK.encode()}
    )
    page.get_by_role("button", name="Begin my deck").click(timeout=60_000)
    expect(page.locator("h1")).to_contain_text(f"Q ![](//{HOST}/q)?", timeout=60_000)
    page.get_by_text("Notes", exact=True).first.click()
    expect(page.locator("strong", has_text="loud")).to_be_visible(timeout=60_000)
    expect(page.get_by_text(f"<img src=//{HOST}/n> www")).to_be_visible()
    alerts = page.locator('[data-testid="stAlert"]')
    expect(alerts.locator("code").first).to_be_visible()
    said = page.evaluate(OBEYED, HOST)
    assert [one for one in said if "loud" not in one] == [] == watched.outside


def test_a_deck_as_a_file_asks_nobody(browser: Browser, tmp_path: Path) -> None:
    """Its policy holds even for what a script of the file would ask for; the notes window opens and answers."""
    text = DECK.replace(f'"![](//{HOST}/k)" = "![](//{HOST}/v)", target_rank = "[x](//{HOST})"', "")
    deck = read_bytes("mine.toml", text.partition("question")[0].encode())
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
    with page.expect_popup(timeout=60_000) as opened:
        page.get_by_role("button", name="Notes window").click(timeout=60_000)
    notes = opened.value
    expect(notes.locator("#place")).to_have_text(re.compile("Scene 1 of "), timeout=30_000)
    secret = json.loads(page.evaluate("sessionStorage.getItem('lora-notes')"))
    assert len(secret.removeprefix("lora-notes-").split("-")) == 4 and len(secret) > 25
    page.evaluate("window.loraSpeaker.turned.add('before')")
    notes.evaluate("secret => opener.postMessage({ lora: secret, ask: 'now' }, '*')", secret)
    page.evaluate(
        "secret => window.dispatchEvent(new MessageEvent('message', { data: { lora: JSON.parse(secret), ask: 'turn',"
        " by: 1, id: 'forged' }, origin: 'https://h.invalid', source: window }))",
        json.dumps(secret),
    )
    assert page.evaluate("[...window.loraSpeaker.turned]") == ["before"]
    expect(notes.locator("#place")).to_have_text(re.compile("Scene 1 of "))
    notes.get_by_role("button", name="Next").click()
    expect(notes.locator("#place")).to_have_text(re.compile("Scene 2 of "), timeout=30_000)
    assert not watched.outside
