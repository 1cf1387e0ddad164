"""Does the picture keep up with its viewer? Frames a second, scrubbing, traffic, and how soon a changed control shows.

A headless Chromium without a GPU looks at one film on a stage, then at every lesson of the app. All clocks run inside
the page: Python would measure its own way there. Every settled value is one that was never asked for before.
"""

from __future__ import annotations

import json
import statistics

from playwright.sync_api import Page, WebSocket, sync_playwright

from tests.browser import FLAGS, ROOT, chromium, served

CHANGES, POSITIONS = 6, 40
# Every page that has a seed to draw anew: it trains or draws something when it is asked to.
LESSONS = tuple(
    sorted(p.stem for p in ROOT.glob("pages/*.py") if "default=Experiment(" in p.read_text(encoding="utf-8"))
)

IN_PAGE = """
const bench = (window.bench = {});
bench.find = (selector, root = document) => {
  const here = root.querySelector(selector);
  if (here) return here;
  for (const host of root.querySelectorAll("*")) {
    const found = host.shadowRoot && bench.find(selector, host.shadowRoot);
    if (found) return found;
  }
  return null;
};
bench.player = () => bench.find(".player");
bench.part = (name) => bench.player().querySelector(`[data-part="${name}"]`);
bench.frame = () => new Promise((done) => requestAnimationFrame(done));

// Distinct frames seen and pictures drawn in so many seconds of playing from the start.
bench.play = async (speed, seconds) => {
  bench.part("reset").click();
  await bench.frame();
  await bench.frame();
  const menu = bench.part("speed");
  menu.selectedIndex = [...menu.options].findIndex((option) => option.text === speed);
  menu.dispatchEvent(new Event("change"));
  const mark = bench.player().dataset, seen = new Set();
  bench.part("play").click();
  await bench.frame();
  const began = performance.now(), first = Number(mark.drawn);
  let callbacks = 0, now = began;
  while (now - began < 1000 * seconds && mark.playing === "true") {
    await bench.frame();
    now = performance.now();
    callbacks += 1;
    seen.add(mark.frame);
  }
  const passed = (now - began) / 1000, drawn = Number(mark.drawn) - first;
  if (mark.playing === "true") bench.part("play").click();
  return { frames: seen.size / passed, drawn: drawn / passed, callbacks: callbacks / passed, passed };
};

bench.scrub = async (positions) => {
  const scrub = bench.part("scrub"), mark = bench.player().dataset, times = [], handlers = [], shown = [];
  for (let i = 0; i < positions; i++) {
    await new Promise((done) => setTimeout(done, 30 + 37 * (i % 3)));
    const to = String((1 + i * 197) % Number(mark.frames));
    scrub.value = to;
    const began = performance.now();
    scrub.dispatchEvent(new Event("input", { bubbles: true }));
    handlers.push(performance.now() - began);
    if (mark.frame !== to) throw new Error(`asked for frame ${to}, got ${mark.frame}`);
    await bench.frame();
    times.push(performance.now() - began);
    await bench.frame(); // the one after: by now the picture has left for the screen
    shown.push(performance.now() - began);
  }
  return { times, handlers, shown };
};

// The machine in slow motion: pictures drawn a second while it moves, and how soon a hovered cell answers.
bench.machine = async (seconds) => {
  const mark = bench.player().dataset, canvas = bench.player().querySelector(".machine canvas");
  bench.part("slow").click();
  if (mark.playing !== "true") bench.part("play").click();
  const began = performance.now(), first = Number(mark.drawn);
  let moving = 0, last = began;
  while (performance.now() - began < 1000 * seconds) {
    const before = mark.drawn;
    await bench.frame();
    const now = performance.now();
    if (mark.drawn !== before) moving += now - last;
    last = now;
  }
  const drawn = Number(mark.drawn) - first;
  bench.part("play").click();
  const r = canvas.getBoundingClientRect(), hovers = [];
  for (let i = 0; i < 60; i++) {
    const across = 5 + (i * 37) % 90;
    const at = { clientX: r.left + (r.width * across) / 100, clientY: r.top + r.height * 0.3, bubbles: true };
    const start = performance.now();
    canvas.dispatchEvent(new PointerEvent("pointermove", at));
    await bench.frame();
    hovers.push(performance.now() - start);
  }
  return { fps: (1000 * drawn) / moving, hovers };
};

// From the next key press or click until the player has drawn another run.
bench.await_change = () => {
  const player = bench.player(), before = player.dataset.run;
  bench.pressed = 0;
  const press = (event) => { if (!bench.pressed) bench.pressed = event.timeStamp; };
  for (const kind of ["keydown", "pointerdown"]) window.addEventListener(kind, press, { capture: true, once: true });
  bench.settled = new Promise((done) => {
    const watch = new MutationObserver(() => {
      if (player.dataset.run === before) return;
      watch.disconnect();
      done(performance.now() - bench.pressed);
    });
    watch.observe(player, { attributes: true, attributeFilter: ["data-run"] });
    setTimeout(() => { watch.disconnect(); done(player.isConnected ? null : -1); }, 8000);
  });
};
"""


def opened(page: Page, address: str) -> None:
    """Go there and wait until the first picture stands and the script has come to rest."""
    page.goto(address)
    page.locator(".player[data-run]").wait_for(timeout=60_000)
    page.wait_for_timeout(1500)


def on_the_stage(page: Page, address: str) -> dict[str, float]:
    """Playing and scrubbing, with every websocket frame in either direction counted; none is taken for a ping."""
    messages: list[str] = []

    def listen(line: WebSocket) -> None:
        line.on("framesent", lambda _: messages.append("sent"))
        line.on("framereceived", lambda _: messages.append("received"))

    page.on("websocket", listen)
    opened(page, address)
    to_load = len(messages)
    normal = page.evaluate("bench.play('1×', 4)")
    fast = page.evaluate("bench.play('4×', 2.5)")
    scrubbed = page.evaluate("(positions) => bench.scrub(positions)", POSITIONS)
    page.wait_for_timeout(200)
    print(f"{'':10s}{'frames/s':>10s}{'drawn/s':>10s}{'rAF/s':>10s}")
    for name, m in (("1×", normal), ("4×", fast)):
        print(f"{name:10s}{m['frames']:10.1f}{m['drawn']:10.1f}{m['callbacks']:10.1f}")
    scrub_ms, handler_ms, shown_ms = (statistics.median(scrubbed[name]) for name in ("times", "handlers", "shown"))
    print(
        f"scrubbing: {scrub_ms:.1f} ms to the next frame ({handler_ms:.1f} ms drawing), {shown_ms:.1f} to the one after"
    )
    print(f"websocket: {to_load} frames to load, {len(messages) - to_load} while playing and scrubbing")
    if not to_load:
        raise RuntimeError("not even loading the page sent a websocket frame: the count proves nothing.")
    return {
        "fps": normal["frames"],
        "fps_4x": fast["frames"],
        "scrub_ms": scrub_ms,
        "scrub_ms_max": max(scrubbed["times"]),
        "scrub_draw_ms": handler_ms,
        "scrub_shown_ms": shown_ms,
        "websocket_messages": len(messages) - to_load,
    }


def in_the_machine(page: Page, address: str) -> dict[str, float]:
    """The machine's own motion, and its answer to the pointer; neither asks the server."""
    opened(page, address)
    found = page.evaluate("bench.machine(6)")
    hover_ms = statistics.median(found["hovers"])
    print(f"machine: {found['fps']:.1f} pictures a second while it moves, a hovered cell answers in {hover_ms:.1f} ms")
    return {"machine_fps": found["fps"], "machine_hover_ms": hover_ms}


def settle(page: Page, address: str) -> dict[str, list[float]]:
    """Milliseconds from the press to another run's picture, for new seeds and for one control under each new seed."""
    opened(page, address)
    times: dict[str, list[float]] = {"new seed": [], "control": []}

    def timed(kind: str) -> None:
        passed = page.evaluate("bench.settled")
        if passed is None or passed < 0:
            why = "the player was replaced" if passed else "no other run was drawn in 8 s"
            raise TimeoutError(f"{address}: {kind}: {why}.")
        times[kind].append(passed)
        page.wait_for_timeout(400)

    slider = page.locator("[data-testid=stSlider] [role=slider], [data-testid=stSlider] input[type=range]").first
    segments = page.locator("[data-testid=stButtonGroup]").first.locator("button")
    for i in range(CHANGES):
        page.get_by_role("button", name="New seed").focus()
        page.evaluate("bench.await_change()")
        page.keyboard.press("Enter")
        timed("new seed")
        if slider.count() and slider.is_visible():
            slider.focus()
            page.evaluate("bench.await_change()")
            page.keyboard.press("ArrowRight" if i % 2 == 0 else "ArrowLeft")
        else:
            page.evaluate("bench.await_change()")
            segments.nth(i % 2).click()
        timed("control")
    return times


def main() -> None:
    """The stage first, then each lesson."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)

        def new_page() -> Page:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.add_init_script(IN_PAGE)
            page.on("pageerror", lambda error: print(f"error in the page: {error}"))
            return page

        page = new_page()
        with served(ROOT / "benchmarks" / "stage.py") as address:
            figures = on_the_stage(page, address)
            page.close()
        settled: dict[str, float] = {}
        by_kind: dict[str, dict[str, float]] = {}
        with served() as address:
            page = new_page()
            figures |= in_the_machine(page, address)
            page.close()
            print(f"{'settled after, ms':20s}{'new seed':>10s}{'control':>10s}{'slowest':>10s}")
            for lesson in LESSONS:
                page = new_page()
                try:
                    times = settle(page, f"{address}/{'' if lesson == 'machine' else lesson}")
                except TimeoutError as late:
                    print(f"{lesson:20s}  {late}")
                    continue
                finally:
                    page.close()
                by_kind[lesson] = {kind: round(statistics.median(values), 1) for kind, values in times.items()}
                everything = [*times["new seed"], *times["control"]]
                settled[lesson] = round(statistics.median(everything), 1)
                print(f"{lesson:20s}" + "".join(f"{x:10.0f}" for x in (*by_kind[lesson].values(), max(everything))))
        browser.close()
    print(
        json.dumps(
            {"benchmark": "player", "ratio": round(figures["fps"] / 30, 3)}
            | {name: round(value, 2) for name, value in figures.items()}
            | {"settle_ms": settled, "settle_ms_by_kind": by_kind}
        )
    )


if __name__ == "__main__":
    main()
