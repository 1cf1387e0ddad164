"""How long does a first visit wait for its first picture? With and without what the browser is told at once.

Both sides in turn, each visit with an empty cache; "slow" is 1.6 Mbit/s and 150 ms a way. The clock runs from the
request to the player's first drawn frame. Bytes are what came over the wire by HTTP until then and 1.5 s after.
"""

from __future__ import annotations

import json
import statistics
import sys
import time

from playwright.sync_api import Browser, sync_playwright

from tests.browser import FLAGS, ROOT, chromium, served

PAGES = ("", "gradient_flow")
DRAWN = """() => {
  const find = (root) => {
    for (const each of root.querySelectorAll("*")) {
      const inner = each.shadowRoot && (each.shadowRoot.querySelector(".player") ?? find(each.shadowRoot));
      if (inner) return inner;
    }
    return null;
  };
  return Number(find(document)?.dataset.drawn) > 0;
}"""


def visit(browser: Browser, address: str, *, slow: bool) -> tuple[float, float, int]:
    """Seconds to the first picture, kilobytes and requests of one first visit."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    page = context.new_page()
    wire = context.new_cdp_session(page)
    wire.send("Network.enable")
    if slow:
        speed = {"latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 94_000}
        wire.send("Network.emulateNetworkConditions", {"offline": False, **speed})
    sizes: list[float] = []
    wire.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    began = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_function(DRAWN, polling=30, timeout=120_000)
    passed = time.perf_counter() - began
    page.wait_for_timeout(1500)
    context.close()
    return passed, sum(sizes) / 1000, len(sizes)


def main(visits: int) -> None:
    other = ROOT / "benchmarks" / "without_first_visit.py"
    with served() as now, served(other) as before, sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium(), args=FLAGS)
        for address in (now, before):
            visit(browser, address, slow=False)  # the server's own first time
        print("page             line    without    with   ratio   kB without   with   requests")
        told: dict[str, float] = {}
        for page in PAGES:
            for slow in (False, True):
                found = [
                    (visit(browser, f"{before}/{page}", slow=slow), visit(browser, f"{now}/{page}", slow=slow))
                    for _ in range(visits)
                ]
                (old, old_size, old_count), (new, size, count) = (
                    [statistics.median(run[side][i] for run in found) for i in range(3)] for side in (0, 1)
                )
                ratio = statistics.median(b[0] / a[0] for a, b in found)
                told[f"/{page} {'slow' if slow else 'local'}"] = round(ratio, 3)
                print(
                    f"/{page:15} {'slow' if slow else 'local':6} {old:6.2f} s {new:6.2f} s   {ratio:.2f} "
                    f"{old_size:12.0f} {size:6.0f}   {old_count:.0f}, {count:.0f}",
                    flush=True,
                )
        browser.close()
    print(json.dumps({"first_visit_with_over_without": told}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
