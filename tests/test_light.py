"""The light edition: plain pages over HTTP and as files, their links, their words, their weight."""

import asyncio
import gzip
import json
import re
import threading
import time
import urllib.request
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, WebSocketRoute, expect
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from lora_viz.core.refusals import Refusal
from lora_viz.i18n.language import languages
from lora_viz.i18n.outside import isolated
from lora_viz.lessons.controls import Several, Switch, written
from lora_viz.lessons.lab import RESULTS, Lab
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.walk import lesson, lessons
from lora_viz.light.form import first_options
from lora_viz.light.markdown import as_html
from lora_viz.light.site import Made, write_site
from lora_viz.ui.plain_pages import answer_contents, answer_lesson, settled
from tests.awaited import awaited

SMALL = ("gauge", "glossary", "mistake")  # a film, a reference, a body; none of them trains


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site") / "in" / "a folder"
    write_site(out, SMALL)
    return out


async def stays() -> Any:
    """What the server hears of a reader who waits for the page: nothing."""
    await asyncio.sleep(3600)


def asked(path: str, query: str = "", **headers: str) -> tuple[int, dict[str, str], str]:
    """What the server answers, without a server."""
    name = path.removeprefix("/light/")
    scope = {"type": "http", "method": "GET", "path": path, "query_string": query.encode(), "client": ("127.0.0.1", 1),
             "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()],
             "path_params": {"lesson": name}}  # fmt: skip
    answer = answer_lesson if name else answer_contents
    found = awaited(answer(Request(scope, stays)))
    return found.status_code, dict(found.headers), bytes(found.body).decode()


def test_every_link_of_a_site_leads_somewhere_in_it(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    ids = {file: set(re.findall(r'\bid="([^"]+)"', file.read_text(encoding="utf-8"))) for file in pages}
    followed = 0
    for file in pages:
        for target in re.findall(r'\b(?:href|src)="([^"]*)"', file.read_text(encoding="utf-8")):
            parts = urlsplit(unescape(target))
            if parts.scheme in ("https", "data"):
                assert parts.scheme == "data" or parts.netloc == "arxiv.org", target
                continue
            assert not parts.scheme and not parts.path.startswith("/") and not parts.query, target
            meant = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            assert meant.is_file(), f"{file.name}: {target}"
            if parts.fragment:
                assert unquote(parts.fragment) in ids[meant], f"{file.name}: {target}"
            followed += 1
    assert followed > 10 * len(pages)


def test_a_site_has_every_answer_of_the_first_control_in_every_language(site: Path) -> None:
    for name in SMALL:
        found = first_options(lesson(name))
        assert found is not None
        for folder in (site, site / "de"):
            assert len([*folder.glob(f"{name}.html"), *folder.glob(f"{name}--*.html")]) == len(found[1])
    assert len(list((site / "films").iterdir())) == 3, "each film once, for all languages"


def test_a_site_is_made_anew_only_where_something_changed(site: Path) -> None:
    pages = len(json.loads((site / "made.json").read_text(encoding="utf-8")))
    stamps = {file: file.stat().st_mtime_ns for file in site.rglob("gauge*.html")}
    assert write_site(site, SMALL)[:2] == (0, pages)
    assert stamps == {file: file.stat().st_mtime_ns for file in stamps}
    (site / "gauge.html").unlink()
    assert write_site(site, SMALL).written == len(languages())


def test_what_is_no_longer_in_a_site_is_taken_away_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(Refusal, match="something else"):
        write_site(tmp_path, ("mistake",))
    out = tmp_path / "site"
    write_site(out, ("mistake", "glossary"))
    (out / "mine.txt").write_text("mine")
    made = write_site(out, ("mistake",))
    assert isinstance(made, Made) and not list(out.rglob("glossary*.html")) and (out / "mine.txt").exists()


def test_what_is_no_number_of_a_page_is_light(site: Path) -> None:
    """A page beside its film, and what all pages share, on a slow phone."""
    shared = sum(len(gzip.compress(file.read_bytes())) for file in (site / "assets").iterdir())
    for name in ("literature", "transformer", "glossary"):  # the longest
        _, _, text = asked(f"/light/{name}")
        assert len(gzip.compress(text.encode())) + shared < 100_000, name


def test_an_answer_may_be_kept_and_is_not_sent_twice() -> None:
    status, headers, text = asked("/light/gauge", "rank=3&lang=de")
    assert status == 200 and headers["cache-control"] == "public, max-age=300" and 'lang="de"' in text
    again, kept, nothing = asked("/light/gauge", "rank=3&lang=de", if_none_match=headers["etag"])
    assert again == 304 and kept["etag"] == headers["etag"] and not nothing
    assert asked("/light/gauge", "rank=2&lang=de")[1]["etag"] != headers["etag"]


def test_the_language_is_the_address_own_or_the_browsers() -> None:
    assert 'lang="de"' in asked("/light/mistake", accept_language="fr;q=0.9,de-CH;q=0.8")[2]
    assert '<html lang="en"' in asked("/light/mistake", "lang=en", accept_language="de")[2]
    assert '<html lang="de"' in asked("/light/", accept_language="de")[2]


def test_what_a_link_cannot_ask_for_is_said_and_the_rest_holds() -> None:
    status, _, text = asked("/light/gauge", "rank=999&seed=5&<b>=1&at=0")
    assert status == 200 and text.count('role="alert"') == 2
    assert "rank=999 is not possible" in text and "<b>" not in re.sub(r"<b>[^<]*</b>", "", text)
    assert asked("/light/nope")[0] == 404
    many = asked("/light/gauge", "&".join(f"x{i}=" for i in range(3000)))[2]
    assert many.count('role="alert"') == 1 and "x0 and 2999 more" in many, "one sentence for all of them"
    settings, notices = settled(lesson("gauge"), {"rank": ["3"], "seed": ["5"]})
    assert settings == lesson("gauge").settings(rank=3, seed=5) and not notices


def test_slow_pages_hold_up_no_other_address_and_are_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()

    def slow(*_: object) -> Response:
        go.wait(20)
        return Response()

    monkeypatch.setattr("lora_viz.ui.plain_pages._lesson", slow)
    scope = {"type": "http", "method": "GET", "path": "/light/gauge", "query_string": b"", "headers": []}

    async def all_at_once() -> list[int]:
        pages = [asyncio.create_task(answer_lesson(Request(dict(scope), stays))) for _ in range(130)]
        await asyncio.sleep(0.1)
        await asyncio.wait_for(run_in_threadpool(lambda: None), 10)  # of the threads that all others share
        go.set()
        return [answer.status_code for answer in await asyncio.gather(*pages)]

    found = awaited(all_at_once())
    assert found.count(200) == 112 and found.count(503) == 18


def test_what_a_reader_who_has_gone_asked_for_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = threading.Event()

    def endless(_: Settings, lab: Lab) -> None:
        while True:
            begun.set()
            lab.report(0.5)
            time.sleep(0.001)

    async def goes() -> Any:
        await asyncio.to_thread(begun.wait, 30)
        return {"type": "http.disconnect"}

    monkeypatch.setattr("lora_viz.ui.plain_pages.found", lambda _: replace(lesson("gauge"), measure=endless))
    scope = {"type": "http", "method": "GET", "path": "/light/gauge", "query_string": b"", "headers": [],
             "path_params": {"lesson": "gauge"}}  # fmt: skip
    before = RESULTS.counts()
    assert awaited(answer_lesson(Request(scope, goes))).status_code == 499
    end = time.monotonic() + 30
    while RESULTS.counts().running and time.monotonic() < end:
        time.sleep(0.01)
    after = RESULTS.counts()
    assert (after.dropped, after.running, after.computed) == (before.dropped + 1, 0, before.computed)


@pytest.mark.parametrize("name", [each.id for each in lessons()])
def test_a_form_asks_for_every_setting_of_a_link_as_it_stands(name: str) -> None:
    """What the form sends when nobody touches it is what the page was set to."""
    from lora_viz.light.form import form

    own = lesson(name)
    settings = own.settings()
    shown = form(own, settings)
    sent: dict[str, list[str]] = {}
    for field, options in re.findall(r'<select name="(\w+)">(.*?)</select>', shown):
        (chosen,) = re.findall(r'<option value="([^"]*)" selected>', options)
        sent[field] = [unescape(chosen)]
    for tag in re.findall(r"<input ([^>]*)>", shown):
        field, value = re.search(r'name="(\w+)"', tag), re.search(r'value="([^"]*)"', tag)
        assert field and value
        if 'type="checkbox"' not in tag or " checked" in tag:
            sent.setdefault(field[1], []).append(unescape(value[1]))
    for field, value in re.findall(r'<textarea name="(\w+)"[^>]*>(.*?)</textarea>', shown, re.S):
        sent[field] = [unescape(value)]
    again, notices = settled(own, sent)
    assert (again, notices) == (settings, ())


def test_words_from_outside_are_words_and_formulas_are_mathml() -> None:
    said = as_html(f"**A** $x_1$ of {isolated('<b>$y$ [z](https://evil.example)</b>')}: `$5`\n\n$$\n\\sum_i x_i\n$$")
    assert said.count("<math") == 2 and 'display="block"' in said and "<strong>A</strong>" in said
    assert "<b>" not in said and "href" not in said and "<code>$5</code>" in said


def test_the_first_control_of_every_lesson_has_pages_or_there_is_none_to_choose() -> None:
    for own in lessons():
        found = first_options(own)
        if found is None:
            continue
        control, options = found
        assert isinstance(control, Switch) or not isinstance(control, Several)
        for option in options:
            assert control.parse(written(option)) == option


def test_a_phone_and_a_keyboard_can_use_it_from_a_disk(site: Path, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 760}, color_scheme="dark")
    context.set_offline(True)
    tab = context.new_page()
    failed: list[str] = []
    tab.on("pageerror", lambda error: failed.append(str(error)))
    for name in ("gauge", "mistake", "index", "de/gauge"):
        tab.goto((site / f"{name}.html").as_uri())
        if "gauge" in name:
            expect(tab.locator("#player canvas:visible").first).to_be_visible()
        assert tab.evaluate("document.documentElement.scrollWidth") <= 360, name
        assert not Axe().run(tab).response["violations"], name
    before = tab.locator("[data-part=where]").inner_text()
    tab.locator(".player").focus()
    tab.keyboard.press("ArrowRight")
    expect(tab.locator("[data-part=where]")).not_to_have_text(before)
    tab.goto((site / "index.html").as_uri())
    tab.locator("#sought").fill("eckart")
    expect(tab.locator("[data-entry]:visible")).to_have_count(1)
    assert not failed
    context.close()


def test_a_page_without_its_connection_says_so_plays_on_and_leads_to_the_plain_one(
    address: str, browser: Browser
) -> None:
    tab = browser.new_page(locale="de")
    told, asked = tab.locator("#no-socket"), list[WebSocketRoute]()
    tab.goto(f"{address}/no-such-page")
    expect(told).to_contain_text("Unter dieser Adresse gibt es keine Seite")
    expect(tab.get_by_role("dialog")).to_have_count(0)

    def arrived(socket: WebSocketRoute) -> None:
        asked.append(socket)
        if len(asked) == 1:
            socket.connect_to_server()
        else:
            socket.close()

    tab.route_web_socket("**/_stcore/stream", arrived)
    tab.goto(f"{address}/gauge?rank=2")
    where, control = tab.locator(".player [data-part=where]"), tab.locator(".st-key-controls input[type=range]").first
    expect(where).not_to_be_empty()
    expect(control).to_be_enabled()
    asked[0].close()
    expect(told).to_contain_text("Die Verbindung ist abgerissen. Das Bild lässt sich weiter abspielen.")
    expect(control).to_be_disabled()
    before = where.inner_text()
    tab.locator(".player [data-part=forward]").click()  # nothing lies over it
    expect(where).not_to_have_text(before)
    tab.reload()
    expect(told).to_contain_text("Keine Verbindung ist offen")
    told.get_by_role("link").click()
    tab.wait_for_url("**/light/gauge?rank=2**")
    expect(tab.locator("#player canvas:visible").first).to_be_visible()
    tab.close()


def test_without_scripts_the_form_works_and_leads_to_the_app(address: str, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 760}, java_script_enabled=False)
    tab = context.new_page()
    tab.goto(f"{address}/gauge?lang=en")
    tab.get_by_role("link", name="All lessons").click()
    with urllib.request.urlopen(f"{address}/light/gauge?lang=en") as answer:
        assert answer.headers["ETag"] and b"__streamlit" not in answer.read(), "a plain page is sent as it was made"
    tab.goto(f"{address}/light/gauge?lang=en")
    tab.locator("select[name=rank]").select_option("2")
    tab.locator("form button.main").click()
    tab.wait_for_url("**rank=2**")
    expect(tab.locator(".takeaway")).to_contain_text("What you saw.")
    told = lesson("gauge").play(rank=2).takeaway
    assert re.sub(r"\W", "", told)[:60] in re.sub(r"\W", "", tab.locator(".takeaway").inner_text())
    assert "rank=2" in str(tab.get_by_role("link", name="The same in the app").get_attribute("href"))
    context.close()
