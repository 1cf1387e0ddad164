"""What does it look like when it moves? Plays two lessons in a real Chromium and keeps each as an animated WebP.

`python docs/take_loops.py` writes docs/machine.webp and docs/saddles.webp, which the README shows; run it again
before a release. It drags the scrubber as a visitor does and takes the player as it then stands: no picture is made up.
`python docs/take_loops.py machine` writes one, `--out DIR` elsewhere. Fails where a file is larger than 2 MB.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.browser import FLAGS, ROOT, chromium, served

MOST = 2_000_000  # bytes of a file
WIDTH = 880  # pixels: about what a README gives a picture


class Loop(NamedTuple):
    """A page at some settings, how many pictures of it, and how long each stands, in milliseconds; the last longer.

    The k-th of n is at the share (k/n)^power of the film: a training moves most at its beginning.
    """

    address: str
    pictures: int
    power: float
    stands: int


LOOPS = {"machine": Loop("machine", 44, 1.5, 140), "saddles": Loop("saddles", 48, 2.0, 120)}
DRAG = "(e, at) => { e.value = Math.round(at * e.max); e.dispatchEvent(new Event('input')); return e.value; }"


def pictures(page: Page, loop: Loop) -> list[Image.Image]:
    """The player at each place of its scrubber."""
    player, found = page.locator(".player"), []
    seen = None
    for k in range(loop.pictures):
        at = page.locator("[data-part=scrub]").evaluate(DRAG, (k / (loop.pictures - 1)) ** loop.power)
        if at == seen:
            continue
        seen = at
        page.wait_for_timeout(60)
        found.append(Image.open(io.BytesIO(player.screenshot())).convert("RGB"))
    height = round(found[0].height * WIDTH / found[0].width)
    return [one.resize((WIDTH, height), Image.Resampling.LANCZOS) for one in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*LOOPS, []], help="which of them")
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    asked = parser.parse_args()
    with served() as address, sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium(), args=FLAGS)
        context = browser.new_context(viewport={"width": 1280, "height": 720}, device_scale_factor=1.5, locale="en")
        for name in asked.names or LOOPS:
            loop = LOOPS[name]
            page = context.new_page()
            page.goto(f"{address}/{loop.address}")
            page.locator(".player canvas:visible").first.wait_for(timeout=120_000)
            page.wait_for_timeout(2500)
            shot = pictures(page, loop)
            target = asked.out / f"{name}.webp"
            stands = [loop.stands] * (len(shot) - 1) + [1800]
            shot[0].save(target, save_all=True, append_images=shot[1:], duration=stands, loop=0, quality=72, method=6)
            sys.stdout.write(f"{target}: {target.stat().st_size / 1e6:.2f} MB, {len(shot)} pictures\n")
            if target.stat().st_size > MOST:
                raise SystemExit(f"{target} is larger than {MOST / 1e6:g} MB: take fewer pictures.")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
