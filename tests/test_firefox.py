"""Firefox beside Chromium: the player, a plain page, a file and the phone's page do there what they do elsewhere.

Playwright drives a Firefox of its own alone; Debian's is driven by puppeteer, over WebDriver BiDi
(tests/player/in_firefox.js). Here is what it looks at: pages of this process, without Streamlit.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from lora_viz.content.decks.asking import asked_first
from lora_viz.content.decks.scenes import Question as Asking
from lora_viz.film.film import Film
from lora_viz.film.panels import Answers, Curve, Curves, Field, HeatMap, Machine, Panel, Passages, Pictures, Readout
from lora_viz.film.player import COLOURS, words
from lora_viz.film.standalone import Leaf, standalone_html
from lora_viz.rooms.opening import open_room
from lora_viz.rooms.room import Asked, Room
from lora_viz.rooms.store import Memory
from lora_viz.ui import room_pages
from lora_viz.ui.plain_pages import answer_asset, answer_lesson
from lora_viz.ui.room_pages import ROOM_ADDRESSES
from tests.test_film import T, a_film
from tests.test_room_pages import CHOICE, CURVE, NUMBER

PLAYER = Path(__file__).parent / "player"
FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
WANTED = (
    "no Firefox on the PATH: `bash tests/from_debian.sh firefox` installs Debian's"
    if FIREFOX is None
    else "no node on the PATH"
    if shutil.which("node") is None
    else "puppeteer is missing: `npm ci --prefix tests/player` installs it"
    if not (PLAYER / "node_modules" / "puppeteer-core").is_dir()
    else ""
)


def every_kind() -> Film:
    """The film with most kinds of panels, and the kinds that it lacks."""
    film, rng = a_film(), np.random.default_rng(7)
    more: tuple[Panel, ...] = (
        Curves(
            "floor",
            "floor",
            x=np.array([1.0, 2.0, 5.0]),
            x_label="r",
            y_label="e",
            series=(Curve("e", "e", "B", rng.random((T, 3))),),
            row=3,
        ),
        Field(
            "map",
            "map",
            values=rng.random((2, 3)),
            x_labels=("1", "2", "3"),
            y_labels=("a", "b"),
            x_title="r",
            y_title="lr",
            row=3,
        ),
        Pictures(
            "digits",
            "digits",
            images=rng.random((2, 5, 7)),
            rows=(Answers("says", "says", (("3", "8"),), ((True, False),)),),
            span=12,
            row=4,
        ),
        Machine(
            "layer",
            "layer",
            colour="ink",
            W=rng.standard_normal((3, 5)),
            A=rng.standard_normal((T, 2, 5)),
            B=rng.standard_normal((T, 3, 2)),
            x=rng.standard_normal((T, 5)),
            target=rng.standard_normal((T, 3)),
            scaling=2.0,
            limits=(3.0,) * 8,
            names=("W", "A", "B", "ΔW"),
            symbol="W",
            span=12,
            row=5,
        ),
    )
    return replace(film, panels=film.panels + more)


def packed(film: Film, **beside: Any) -> bytes:
    return film.to_bytes(colours=COLOURS, words=words(), shares=False, **beside)


@contextmanager
def served(kept: Memory, room: Room) -> Iterator[str]:
    """A plain page, the phones' pages, and two addresses by which a question is asked and the answers are seen."""

    async def ask(request: Request) -> JSONResponse:
        question = {"choice": CHOICE, "number": NUMBER, "curve": CURVE}[request.path_params["kind"]]
        kept.change(room.code, Asked("d/1", question, 60.0))
        return JSONResponse(None)

    async def answers(request: Request) -> JSONResponse:
        place = len(kept.get(room.code).rounds) - 1
        return JSONResponse(kept.answers(room.code, place))

    own = [Route(path, answer, methods=[*methods]) for path, answer, methods in ROOM_ADDRESSES]
    light = [Route("/light/assets/{name}", answer_asset), Route("/light/{lesson}", answer_lesson)]
    asked = [Route("/ask/{kind}", ask, methods=["POST"]), Route("/answers", answers)]
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = uvicorn.Server(
            uvicorn.Config(Starlette(routes=own + light + asked), log_level="error", lifespan="off")
        )
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = server.force_exit = True
            thread.join(20)


@pytest.mark.skipif(bool(WANTED), reason=WANTED)
def test_firefox_plays_reads_and_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Memory()
    monkeypatch.setattr(room_pages, "store", lambda: kept)
    room_pages._bell.cache_clear()
    room, _ = open_room(kept=kept)
    film = every_kind()
    w = film.panels[1]
    assert isinstance(w, HeatMap)
    still = replace(film, values=film.values[:1], start=0, narration=(), panels=(replace(w, span=12),))
    guess = asked_first(film, Asking(kind="curve", text="Draw it.", panel="loss", series=("band",)))
    kinds, drawn = tmp_path / "kinds.html", tmp_path / "guess.html"
    leaves = [Leaf(title, "", packed(each)) for title, each in (("all", film), ("still", still))]
    kinds.write_text(standalone_html("kinds", leaves), encoding="utf-8")
    asking = Leaf("guess", "", packed(film, question=guess, at=0))
    drawn.write_text(standalone_html("guess", [asking]), encoding="utf-8")
    with served(kept, room) as server:
        given = {
            "firefox": FIREFOX,
            "server": server,
            "light": f"{server}/light/gauge?lang=en",
            "kinds": kinds.as_uri(),
            "guess": drawn.as_uri(),
            "titles": [each.title for each in film.panels if not isinstance(each, Readout | Passages)],
            "code": room.code,
        }
        done = subprocess.run(
            ["node", "--test", "--test-reporter=spec", str(PLAYER / "in_firefox.js")],
            env=os.environ | {"LORA_IN_FIREFOX": json.dumps(given)},
            capture_output=True,
            text=True,
            timeout=180,
        )
    room_pages._bell.cache_clear()
    assert done.returncode == 0, done.stdout + done.stderr
