"""How many may come and how much they may bring. Where there is no room left, a page says so, instead of hanging."""

from __future__ import annotations

from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit import config

from lora_viz.core.host import is_small, limit
from lora_viz.i18n.language import language, say, speak
from lora_viz.lessons.walk import lessons, now_at
from lora_viz.ui.browser_language import spoken_by
from lora_viz.ui.events import tell

__all__ = ["OPEN", "SESSIONS", "Seats", "fit_to_host"]

SESSIONS = "LORA_PLAYGROUND_SESSIONS"  # how many sessions are open at once
_USUAL, _SMALL = 500, 8
_ON_SMALL = {"server.maxUploadSize": 50, "server.disconnectedSessionTTL": 30}
_ASKED_FOR = ("environment variable", "command-line argument or environment variable")


class _Open:
    """How many sessions of this process are open."""

    taken = 0


OPEN = _Open()


def fit_to_host() -> None:
    """On a host with little memory, lower Streamlit's own limits where whoever started it did not set them."""
    if not is_small():
        return
    for name, value in _ON_SMALL.items():
        if config.get_where_defined(name) not in _ASKED_FOR:
            config.set_option(name, value)


class Seats:
    """Middleware: as many sessions as there is room for. Who comes later gets a page that says so, and the plain ones.

    A session is an open socket. A page is refused where all seats are taken; so is a socket, should a page have slipped
    through. 0 seats mean that there is no limit.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app, self.most = app, limit(SESSIONS, _USUAL, _SMALL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        full = 0 < self.most <= OPEN.taken
        if scope["type"] == "websocket":
            if full:
                tell("session", does="refused", open=OPEN.taken)
                await receive()
                await send({"type": "websocket.close", "code": 1013})
                return
            OPEN.taken += 1
            tell("session", does="opened", open=OPEN.taken)
            try:
                await self.app(scope, receive, send)
            finally:
                OPEN.taken -= 1
                tell("session", does="closed", open=OPEN.taken)
        elif full and scope["type"] == "http" and scope["method"] == "GET" and _is_page(str(scope["path"])):
            with speak(spoken_by(Request(scope))):
                page = HTMLResponse(_full(self.most), 503, {"Retry-After": "60", "Cache-Control": "no-store"})
            await page(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def _is_page(path: str) -> bool:
    base = str(config.get_option("server.baseUrlPath") or "").strip("/")
    below = path.strip("/").removeprefix(base).strip("/")
    return not below or now_at(below) != below or below in {each.id for each in lessons()}


def _full(most: int) -> str:
    told = say("All {count} places of this playground are taken. Come back in a minute, or read the plain pages: they "
               "need no place.", count=most)  # fmt: skip
    base = str(config.get_option("server.baseUrlPath") or "").strip("/")
    light = f"/{base}/light/".replace("//", "/")
    return (
        f'<!doctype html><html lang="{language()}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f'<title>LoRA Playground</title><body style="font: 18px system-ui; margin: 2em"><p>{escape(told)}</p>'
        f'<p><a href="{escape(light)}">{escape(say("All lessons"))}</a></p></body></html>'
    )
