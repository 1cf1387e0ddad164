"""The numbers beside the pictures, and the slide of them: a film with every kind of panel, in a file of its own."""

from __future__ import annotations

import base64
import json
import re
import typing
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from lora_viz.film.film import Film
from lora_viz.film.panels import (
    Answers,
    Bars,
    Cloud,
    Curve,
    Curves,
    Field,
    Group,
    HeatMap,
    Lines,
    Machine,
    Mark,
    Panel,
    Passage,
    Passages,
    Pictures,
    Points,
    Readout,
    Row,
    Series,
    Span,
)
from lora_viz.film.player import COLOURS
from lora_viz.film.standalone import Leaf, standalone_html
from lora_viz.film.style import number

T, m, n, r = 4, 3, 5, 2
draw = np.random.default_rng(17).normal
y, low, high = draw(size=(3, T))
bent = draw(size=(T, 7))
x = np.geomspace(1, 64, 7)
long = np.arange(300.0)
field = draw(size=(T, m, n))
field[2, 1, 3] = np.nan
matrix, tall, steady = draw(size=(T, m, n)), draw(size=(T, 37, 2)), draw(size=(5, 3))
tall[2, :6] = 0
bars, basis = draw(size=(2, T, 6)) ** 2, draw(size=(T, 2, 3))
few, many = draw(size=(T, 5, 3)), draw(size=(41, 3))
W, A, B, vectors, targets = (
    draw(size=(m, n)),
    draw(size=(T, r, n)),
    draw(size=(T, m, r)),
    draw(size=(T, n)),
    draw(size=(T, m)),
)
names = tuple("abcdef")
FILM = Film(
    axis="step",
    training=True,
    of_last=True,
    values=np.arange(T, dtype=float) * 10,
    start=1,
    narration=tuple(f"Told at {t}" for t in range(T)),
    panels=(
        Lines(
            "lines",
            "Lines",
            y_label="loss",
            series=(Series("one", "one", "A", y, low=low, high=high),),
            marks=(Mark("here", 20.0, "here"),),
        ),
        Curves(
            "curves",
            "Curves",
            x=x,
            x_label="rank",
            x_scale="log",
            y_label="error",
            series=(Curve("bent", "bent", "B", bent),),
        ),
        Curves(
            "long", "Long", x=long, x_label="place", y_label="height", series=(Curve("up", "up", "W", long / 7),), row=1
        ),
        Field(
            "field",
            "Field",
            values=field,
            x_labels=tuple("vwxyz"),
            y_labels=tuple("123"),
            x_title="across",
            y_title="down",
            regions=np.ones((m, n)),
            region_names=("bad", "good"),
            row=1,
        ),
        HeatMap("heat", "Heat", "delta", matrix, limit=2.5, row=2),
        HeatMap("tall", "Tall", "W", tall, limit=2.5, row=2),
        HeatMap("still", "Still", "W", steady, limit=2.5, row=2),
        Bars(
            "bars",
            "Bars",
            labels=names,
            y_label="σ",
            groups=(Group("left", "left", "A", bars[0]), Group("right", "right", "B", bars[1, 0])),
            row=3,
        ),
        Cloud(
            "cloud",
            "Cloud",
            "ink",
            dimension=3,
            limit=3.0,
            axes="x",
            points=(Points("few", "few", "A", few), Points("many", "many", "B", many)),
            spans=(Span("row_a", "row(A)", "A", basis),),
            span=6,
            row=3,
        ),
        Pictures(
            "pictures",
            "Pictures",
            images=np.zeros((2, 4, 3)),
            rows=(
                Answers(
                    "net", "net", (("7", "8"),) * 2 + (("7", "3"),) * 2, ((True, False),) * 2 + ((True, True),) * 2
                ),
            ),
            row=4,
        ),
        Readout(
            "readout",
            "Readout",
            (Row("still", "still", ("always",)), Row("moving", "moving", tuple(f"now {t}" for t in range(T)))),
            span=6,
            row=4,
        ),
        Machine(
            "machine",
            "Machine",
            colour="ink",
            W=W,
            A=A,
            B=B,
            x=vectors,
            target=targets,
            scaling=1.5,
            limits=(3.0,) * 8,
            names=("W₀", "A", "B", "ΔW"),
            symbol="W₀",
            span=12,
            row=5,
        ),
        Passages(
            "passages",
            "Passages",
            (Passage("told", "told", ("one",) * 2 + ("<b>two</b>",) * 2), Passage("asked", "asked", ("why?",))),
            span=12,
            row=7,
        ),
    ),
)


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    (tmp_path / "film.html").write_text(
        standalone_html("Every kind", [Leaf("Every kind", "", FILM.to_bytes(colours=COLOURS))]), encoding="utf-8"
    )
    page = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((tmp_path / "film.html").as_uri())
    expect(page.locator(".player")).to_have_attribute("data-frame", "1")
    yield page
    page.close()
    assert not complaints


def read(value: float) -> str:
    return number(float(np.float32(value)))


def tables(page: Page) -> dict[str, tuple[str, list[list[str]]]]:
    """Title → what follows it in the caption, and the rows, as they are read; the head of the columns comes first."""
    found = page.locator(".tables table").evaluate_all(
        "all => all.map((t) => [t.caption.textContent, [...t.rows].map((r) => [...r.cells].map((c) => c.textContent))])"
    )
    assert len({re.split("[:,.]", caption)[0] for caption, _ in found}) > 1
    return {caption.split(". ")[0]: (caption, rows) for caption, rows in found}


def test_the_film_has_every_kind() -> None:
    assert {type(panel) for panel in FILM.panels} == set(typing.get_args(Panel))


@pytest.mark.parametrize("t", [2, 3])
def test_tables_say_the_films_numbers_at_the_playhead(page: Page, t: int) -> None:
    button = page.get_by_role("button", name="Numbers")
    expect(page.get_by_role("region", name="Numbers at the playhead")).to_be_hidden()
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-expanded", "true")
    for _ in range(t - 1):
        page.keyboard.press("ArrowRight")
    expect(page.locator(".player")).to_have_attribute("data-frame", str(t))
    got = tables(page)

    caption, rows = got["Lines: loss"]
    assert caption.endswith("here at step 20.")
    assert rows == [["Curve", f"at step {10 * t}", "low", "high"], ["one", read(y[t]), read(low[t]), read(high[t])]]
    assert got["Curves: error"][1] == [["rank", "bent"], *([read(a), read(b)] for a, b in zip(x, bent[t], strict=True))]
    kept = [["place", "up"], *([read(v), read(v / 7)] for v in long[::3])]
    assert got["Long: height"] == ("Long: height. Left out: all but one in 3 of 300 rows.", kept)
    wanted = [["", *"vwxyz"], *([f"{i + 1}", *(f"{read(v)}, good" for v in field[t, i])] for i in (2, 1, 0))]
    assert got["Field, 3×5: down (down), across (across)"][1] == wanted
    for title, values in (("Heat, 3×5", matrix[t]), ("Still, 5×3", steady)):
        columns = ["", *(f"{j + 1}" for j in range(values.shape[1]))]
        assert got[title][1] == [columns, *([f"{i + 1}", *map(read, row)] for i, row in enumerate(values))]
    caption, rows = got["Tall, 37×2"]
    assert "Left out: the 74 entries" in caption
    size = number(float(np.linalg.norm(tall[t])))
    zeros = str(int((tall[t] == 0).sum()))
    assert rows[1:] == [
        ["least", read(tall[t].min())],
        ["most", read(tall[t].max())],
        ["Frobenius norm", size],
        ["exact zeros", zeros],
    ]
    assert got["Bars: σ"][1][1:] == [[names[i], read(bars[0, t, i]), read(bars[1, 0, i])] for i in range(6)]
    assert got["Cloud: few"][1] == [
        ["", "x₁", "x₂", "x₃"],
        *([f"{i + 1}", *map(read, p)] for i, p in enumerate(few[t])),
    ]
    assert got["Cloud: row(A), vectors"][1][1:] == [[f"{i + 1}", *map(read, v)] for i, v in enumerate(basis[t])]
    caption, rows = got["Cloud: many, 41 points"]
    assert "Left out: the 41 points" in caption
    assert rows[1] == ["least", *map(read, many.min(0))] and rows[3] == ["most", *map(read, many.max(0))]
    assert got["Pictures"][1][1] == ["net", "7", "3"]
    assert got["Readout"][1] == [["", "reading"], ["still", "always"], ["moving", f"now {t}"]]


def test_the_machines_tables_are_its_arithmetic(page: Page) -> None:
    page.get_by_role("button", name="Numbers").click()
    got = tables(page)
    w, a, b, v, target = (np.float32(each).astype(float) for each in (W, A[1], B[1], vectors[1], targets[1]))
    delta = 1.5 * b @ a
    g = w @ v + delta @ v - target
    for title, wanted in (
        ("W₀, 3×5", w), ("A, 2×5", a), ("B, 3×2", b), ("ΔW, 3×5", delta), ("∇A, 2×5", 1.5 * b.T @ np.outer(g, v)),
        ("∇B, 3×2", 1.5 * np.outer(g, v) @ a.T), ("g, 3×1", g[:, None]), ("h, 2×1", (a @ v)[:, None]),
    ):  # fmt: skip
        assert got[title][1][1:] == [[f"{i + 1}", *map(number, row)] for i, row in enumerate(wanted.tolist())], title
    assert got["Machine"][1][2] == ["loss of this sample", number(float(g @ g / 2))]
    sigma = np.linalg.svd(delta)[1][:r]
    assert [row[1] for row in got["Machine"][1][3:]] == [number(float(s)) for s in sigma]


def test_a_row_form_is_transposed(browser: Browser, tmp_path: Path) -> None:
    (machine,) = (panel for panel in FILM.panels if isinstance(panel, Machine))
    film = replace(FILM, panels=(replace(machine, rows=True, row=0, tall=1),))
    (tmp_path / "rows.html").write_text(standalone_html("Rows", [Leaf("Rows", "", film.to_bytes(colours=COLOURS))]))
    page = browser.new_page()
    page.goto((tmp_path / "rows.html").as_uri())
    page.get_by_role("button", name="Numbers").click()
    rows = tables(page)["A, 5×2"][1]
    assert rows[1:] == [[f"{i + 1}", *map(read, row)] for i, row in enumerate(A[1].T)]
    page.close()


def test_arrows_in_the_tables_scroll_and_do_not_step(page: Page) -> None:
    page.get_by_role("button", name="Numbers").click()
    page.get_by_role("region", name="Numbers at the playhead").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".player")).to_have_attribute("data-frame", "1")
    page.wait_for_function("document.querySelector('.tables').scrollTop > 0")


SLIDE = """async ([bytes, boxes]) => {
    const data = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
    const image = await createImageBitmap(new Blob([data], { type: 'image/png' }));
    const canvas = new OffscreenCanvas(image.width, image.height), g = canvas.getContext('2d');
    g.drawImage(image, 0, 0);
    const inked = ([x, y, w, h]) => {
        const d = g.getImageData(x, y, w, h).data;
        let n = 0;
        for (let i = 0; i < d.length; i += 4) n += d[i] + d[i + 1] + d[i + 2] < 600;
        return n;
    };
    return [image.width, image.height, [...g.getImageData(1, 1, 1, 1).data], boxes.map(inked)];
}"""


@pytest.mark.parametrize(("theme", "paper"), [("light", [255, 255, 255, 255]), ("dark", [16, 20, 27, 255])])
def test_a_slide_shows_what_is_shown_at_1920_by_1080(page: Page, tmp_path: Path, theme: str, paper: list[int]) -> None:
    page.set_viewport_size({"width": 700, "height": 900})  # the slide has its own width
    if theme == "light":
        page.get_by_role("button", name="All pictures").click()  # else what stands large has the slide for itself
    if theme == "dark":
        page.get_by_role("button", name="light").click()
        page.wait_for_timeout(900)  # the player looks at the theme now and then
    with page.expect_download() as got:
        page.get_by_role("button", name="Save a PNG of the picture").click()
    assert got.value.suggested_filename == "every-kind-step-10.png"
    got.value.save_as(tmp_path / "slide.png")
    data = base64.b64encode((tmp_path / "slide.png").read_bytes()).decode()
    # title and narration, then six rows of panels, left and right
    boxes = [[0, 0, 1920, 120], *([x0, 130 + 145 * k, 900, 140] for k in range(6) for x0 in (20, 980))]
    width, height, corner, inked = page.evaluate(SLIDE, [data, boxes])
    assert (width, height) == (1920, 1080)
    assert corner == paper
    if theme == "light":
        assert all(count > 150 for count in inked[:-1])


def test_what_is_asked_first_is_in_no_table(page: Page) -> None:
    page.locator(".player").evaluate("e => { e.dataset.asking = 'number'; }")
    numbers = page.locator(".player [data-part=numbers]")
    expect(numbers).to_be_hidden()
    numbers.dispatch_event("click")  # whoever finds a way to it all the same
    expect(page.locator(".tables")).to_have_text("Hidden until the question above is answered.")
    assert page.locator(".tables table").count() == 0


def with_header(data: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """The packed film with another header."""
    length = int.from_bytes(data[:4], "little")
    header = json.loads(data[4 : 4 + length])
    change(header)
    text = json.dumps(header).encode()
    text += b" " * (-(len(text) + 4) % 4)
    return len(text).to_bytes(4, "little") + text + data[4 + length :]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda header: header.update(protocol=99), "another version of the player: load the page again"),
        (lambda header: header["film"]["panels"][0].update(colour="mauve", kind="pie"), "damaged.*panels.0"),
        (lambda header: header["film"]["values"]["array"].__setitem__(0, 10**9), "damaged.*array of 4"),
    ],
)
def test_what_cannot_be_shown_is_one_sentence_in_place_of_the_picture(
    browser: Browser, tmp_path: Path, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    good = FILM.to_bytes(colours=COLOURS)
    leaves = [Leaf("Good", "", good), Leaf("Bad", "", with_header(good, change)), Leaf("Good", "", good)]
    (tmp_path / "bad.html").write_text(standalone_html("Bad", leaves), encoding="utf-8")
    page = browser.new_page(reduced_motion="reduce")
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((tmp_path / "bad.html").as_uri())
    play, told = page.locator("[data-part=play]"), page.locator(".stage [role=alert]")
    expect(play).to_be_visible()
    page.keyboard.press("PageDown")
    expect(told).to_have_text(re.compile(said))
    expect(page.locator(".stage canvas")).to_have_count(0)
    expect(play).to_be_hidden()
    for key in (" ", "ArrowRight", "End", "Home", "s"):
        page.keyboard.press(key)
    page.keyboard.press("PageDown")
    expect(told).to_have_count(0)
    expect(play).to_be_visible()
    expect(page.locator(".player")).to_have_attribute("data-frame", "1")
    page.close()
    assert not complaints
