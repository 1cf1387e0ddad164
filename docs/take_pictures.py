"""What does each page look like? Opens pages in a real Chromium and keeps their pictures.

`python docs/take_pictures.py rank merge` writes docs/rank.png and docs/merge.png, as in the README; `--all` shoots two
sizes in two themes instead, and `--out DIR` says where to. Without names: every page.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from playwright.sync_api import expect, sync_playwright

from lora_viz.i18n.language import say, speak
from lora_viz.lessons.walk import home, lessons
from tests.browser import FLAGS, ROOT, chromium, served

SIZES = {"1280": (1280, 720), "1920": (1920, 1080)}
READY = "[data-testid=stApp][data-test-connection-state=CONNECTED][data-test-script-state=notRunning]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*", help="ids of lessons, each maybe with ?a=b behind it")
    parser.add_argument("--all", action="store_true", help="two sizes, two themes")
    parser.add_argument("--whole", action="store_true", help="the whole page, not just the first screen")
    parser.add_argument("--language", default="en", help="as a visitor whose browser speaks it sees them")
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    asked = parser.parse_args()
    pages = asked.pages or [each.id for each in lessons()]
    looks = [(size, theme) for size in SIZES for theme in ("light", "dark")] if asked.all else [("1280", "light")]
    with speak(asked.language):
        seen = say("**What you saw.** {seen}", seen="").strip(" *")
    asked.out.mkdir(parents=True, exist_ok=True)
    with served() as address, sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium(), args=FLAGS)
        for size, theme in looks:
            width, height = SIZES[size]
            context = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme="light" if theme == "light" else "dark",
                locale=asked.language,
            )
            for name in pages:
                page = context.new_page()
                page.goto(f"{address}/{'' if name == home().id else name}")
                page.locator(READY).wait_for(state="attached", timeout=60_000)
                page.get_by_text(seen).first.wait_for(timeout=60_000)
                expect(page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=60_000)
                page.wait_for_timeout(1200)
                stem = name.partition("?")[0]
                target = asked.out / (f"{stem}_{size}_{theme}.png" if asked.all else f"{stem}.png")
                page.screenshot(path=target, full_page=asked.whole)
                page.close()
            context.close()
        browser.close()


if __name__ == "__main__":
    main()
