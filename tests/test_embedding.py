"""One film in a page of somebody's: the element, a plain frame, and what neither may do to that page."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Frame, expect
from streamlit import config

from lora_viz.lessons.walk import home, lesson
from lora_viz.light.assets import ELEMENT, element
from lora_viz.light.one_file import one_file
from lora_viz.light.site import write_site
from lora_viz.ui.qr import parted
from tests.test_browser_files import adapter

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A course</title>
<script src="{script}" defer></script></head><body style="width: 700px"><main><h1>A course</h1>
<lora-film id="served" src="{address}/light/gauge?rank=2"><a href="x">A film</a></lora-film>
<lora-film id="site" src="site/gauge.html?x=1#other"></lora-film>
<lora-film id="file" src="one.html" height="600"></lora-film>
<iframe id="plain" src="site/de/gauge.html#film" title="Ein Film" width="700" height="640"></iframe>
<iframe id="app" src="{address}/inspector?embed=true" title="The app" width="700" height="640"></iframe>
<lora-film id="wrong" src="javascript:alert(1)"></lora-film>
<lora-film id="small" src="one.html" height="9"></lora-film>
</main></body></html>"""


def frame_in(tab: object, selector: str) -> Frame:
    handle = tab.locator(selector).element_handle()  # type: ignore[attr-defined]
    found = handle.content_frame()
    assert found is not None
    return found  # type: ignore[no-any-return]


def test_a_film_stands_in_a_page_that_is_opened_from_a_disk(address: str, browser: Browser, tmp_path: Path) -> None:
    """One page with a film from a server, one of a site and one in a file; alone, as tall as it needs, a stranger."""
    write_site(tmp_path / "site", ("gauge",))
    (tmp_path / "one.html").write_text(one_file(lesson("gauge").play(rank=2)), encoding="utf-8")
    page = tmp_path / "course.html"
    page.write_text(PAGE.format(script=f"site/{ELEMENT}", address=address), encoding="utf-8")
    assert (tmp_path / "site" / ELEMENT).read_bytes() == element()
    context = browser.new_context(viewport={"width": 900, "height": 800})
    tab = context.new_page()
    failed: list[str] = []
    tab.on("pageerror", lambda error: failed.append(str(error)))
    tab.goto(page.as_uri())
    for place in ("#served iframe", "#site iframe", "#file iframe", "#plain"):
        tab.locator(place).scroll_into_view_if_needed()
        film = frame_in(tab, place)
        expect(film.locator(".player canvas:visible").first).to_be_visible()
        expect(film.locator("h1")).to_be_visible()
        expect(film.locator(".takeaway")).to_be_visible()
        expect(film.locator("form:visible, nav:visible, details:visible, .claim:visible")).to_have_count(0)
        wide, inner = film.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= inner, place
    served = frame_in(tab, "#served iframe")
    tall, inner = served.evaluate("[document.documentElement.scrollHeight, innerHeight]")
    assert tall <= inner, "the element is as tall as its film"
    before = served.locator("[data-part=where]").inner_text()
    served.locator(".player").focus()
    tab.keyboard.press("ArrowRight")
    expect(served.locator("[data-part=where]")).not_to_have_text(before)
    assert served.evaluate("origin") == "null", "it can read nothing of the page around it, nor of its own server"
    expect(tab.locator("#served iframe")).to_have_attribute("title", served.title())
    assert "is not the address of a film" in tab.locator("#wrong p").inner_text()
    assert "Valid: 200 to 4000" in tab.locator("#small p").inner_text()
    tab.locator("#small").evaluate("e => e.setAttribute('height', '300')")
    expect(tab.locator("#small iframe")).to_have_css("height", "300px")
    with context.expect_page() as opened:
        served.locator(".whole a").click()
    expect(opened.value.locator("form")).to_be_visible()
    # The app itself, too: there the browser withholds the cookie that Streamlit wants to see with a file.
    tab.locator("#app").scroll_into_view_if_needed()
    app = frame_in(tab, "#app")
    expect(app.locator(".player")).to_have_attribute("data-frames", "36", timeout=60_000)
    data = {"name": "good.safetensors", "mimeType": "application/octet-stream", "buffer": adapter(5)}
    app.locator("input[type=file]").first.set_input_files(data)  # type: ignore[arg-type]
    expect(app.get_by_text("Adapter: your own file.")).to_be_visible()
    assert not Axe().run(tab).response["violations"] and not failed
    context.close()


@pytest.mark.parametrize("base", ["", "tools/lora", "rank"])
def test_another_page_is_named_below_the_path_of_the_app(base: str) -> None:
    before = config.get_option("server.baseUrlPath")
    config.set_option("server.baseUrlPath", base)
    try:
        root = f"https://example.org/{base}".rstrip("/")
        assert parted(f"{root}/") == parted(root) == (root, home().id)
        assert parted(f"{root}/rank") == (root, "rank")
        assert parted("https://example.org/seen/by/a/proxy/") == ("https://example.org/seen/by/a/proxy", home().id)
    finally:
        config.set_option("server.baseUrlPath", before)
