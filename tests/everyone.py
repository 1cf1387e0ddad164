"""What every page owes to everybody, asked of one that is open in a real Chromium: axe, and a screen of a phone."""

from __future__ import annotations

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

__all__ = ["SETTLED", "findings", "for_everyone", "rest", "stir"]

SETTLED = """() => {
    const app = document.querySelector('[data-testid="stApp"]'), title = document.querySelector('h1');
    const count = document.querySelectorAll('*').length;
    // Where a part's own script is still being fetched, Streamlit shows a skeleton.
    const here = title && !document.querySelector('[data-testid="stSkeleton"]');
    const rests = app?.dataset.testScriptState === 'notRunning' && here && count === window.lastCount;
    window.lastCount = count;
    window.rested = rests ? (window.rested || 0) + 1 : 0;
    return window.rested > 4;
}"""
# Less than serious for axe, kept all the same.
OURS = ("heading-order", "empty-table-header")

TOO_SMALL = """() => {
    const small = [];
    const look = (root) => { for (const e of root.querySelectorAll('*')) {
        const size = parseFloat(getComputedStyle(e).fontSize);
        const words = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
        if (e.shadowRoot) look(e.shadowRoot);
        // A formula's indices are as small as its letters make them; what only a screen reader hears has no size.
        if (!words || size >= 12 || e.getBoundingClientRect().width <= 1 || e.closest('.katex, style')) continue;
        small.push(`${size} ${e.textContent.slice(0, 40)}`);
    } };
    look(document.body);
    return small;
}"""


def rest(page: Page) -> None:
    """Wait until the script has run and nothing more comes onto the page."""
    page.evaluate("window.rested = 0")
    page.wait_for_function(SETTLED, polling=50, timeout=60_000)


def stir(page: Page) -> None:
    """The toolbar comes when somebody moves, as a hand does: not once, and not only while a page is being turned."""
    moved = page.locator("html[data-moved]")
    for at in range(200, 440, 12):
        page.mouse.move(at, at)
        if moved.count():
            return
        page.wait_for_timeout(100)
    raise AssertionError("nobody hears that the pointer moves")


def findings(page: Page, *rules: str) -> list[str]:
    """What axe calls serious or critical on this page, nothing left out; with ``rules``, all that they find."""
    if not page.evaluate("'axe' in window"):  # a tab that goes from page to page has it already
        page.evaluate(AXE_SCRIPT)
    options = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
    found = page.evaluate("(options) => axe.run(document, options)", options)["violations"]
    return [
        f"{each['id']}: {node['html'][:120]} {node['failureSummary'][:200]}"
        for each in found
        for node in each["nodes"]
        if rules or each["impact"] in ("serious", "critical") or each["id"] in OURS
    ]


def for_everyone(page: Page) -> None:
    """No serious finding of axe; 390 pixels wide nothing scrolls to the side, and no letter is under 12 pixels."""
    before = page.viewport_size
    assert before is not None
    page.emulate_media(reduced_motion="reduce")
    rest(page)
    found = findings(page)
    assert not found, found
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function("innerWidth === 390")
    page.wait_for_function("document.documentElement.scrollWidth <= 390")  # once it has been laid out anew
    assert not page.evaluate(TOO_SMALL)
    page.set_viewport_size(before)
    page.emulate_media(reduced_motion="no-preference")
