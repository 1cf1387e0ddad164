"""The server around Streamlit: our own addresses, whom it answers, and the headers of everything that it answers with.

``app.py`` hands ``routes()`` and ``MIDDLEWARE`` to ``st.App``. What needs no session has an ``Address`` in ``OWN``; its
answers get the same headers, and one that they set themselves (a stricter policy of frames, say) stays. Streamlit keeps
``/_stcore/``, ``/media/``, ``/component/`` and ``/static/`` for itself.

Raises ValueError at the start: what the environment says of frames cannot stand in a header.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import streamlit
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config

from lora_viz.ui.arriving import Arriving
from lora_viz.ui.counted import Counted
from lora_viz.ui.first_visit import ROOT_SCRIPT, SOCKET_SCRIPT, FirstVisit
from lora_viz.ui.limits import Seats
from lora_viz.ui.metrics import answer_metrics
from lora_viz.ui.own_uploads import OwnUploads
from lora_viz.ui.page_script import PAGE_SCRIPT
from lora_viz.ui.plain_pages import answer_asset, answer_contents, answer_element, answer_lesson, answer_slash
from lora_viz.ui.readiness import answer_ready
from lora_viz.ui.room_pages import ROOM_ADDRESSES
from lora_viz.ui.scripts import FOLDER, answer_script, serve_scripts

__all__ = [
    "FRAMES",
    "MIDDLEWARE",
    "OWN",
    "Address",
    "Guarded",
    "answers_to",
    "content_policy",
    "frames",
    "named_hosts",
    "routes",
]


class Address(NamedTuple):
    """An address of our own: its path ("/light/{lesson}"), and what answers there."""

    path: str
    answer: Callable[[Request], Awaitable[Response]]
    methods: tuple[str, ...] = ("GET",)


OWN = (
    Address(f"{FOLDER}/{{name}}", answer_script),
    Address("/ready", answer_ready),
    Address("/metrics", answer_metrics),
    Address("/light", answer_slash),
    Address("/light/", answer_contents),
    Address("/light/assets/{name}", answer_asset),
    Address("/light/lora-film.js", answer_element),
    Address("/light/{lesson}", answer_lesson),
    *(Address(*each) for each in ROOM_ADDRESSES),
)
FRAMES = "LORA_PLAYGROUND_FRAMES"  # who may show the app in a frame, as frame-ancestors writes it
_INLINE = re.compile(r"<script>(.*?)</script>", re.S)
_NAMED = re.compile(r"(?:\[[\da-fA-F:.]+\]|[\w.\-]+)(?::\d+)?")
_HOST = re.compile(r"[\w.\-]+(:\d+)?")
_SOURCES = re.compile(r"[\w\-.:/*'\[\] ]+")


def routes(own: Iterable[Address] = OWN) -> list[BaseRoute]:
    """Our own addresses, below the path at which the app is served."""
    base = str(config.get_option("server.baseUrlPath") or "").strip("/")
    serve_scripts()
    return [Route(f"/{base}{path}" if base else path, answer, methods=[*methods]) for path, answer, methods in own]


def answers_to(host: str | None, named: Iterable[str] = ()) -> bool:
    """Whether a request with this Host header is meant for us: this machine, any address in digits, or a ``named`` one.

    Another name is somebody's page whose name was pointed at this machine to reach it from a visitor's browser. Digits
    cannot be pointed elsewhere. ``*.example.org`` names all below it, ``*`` all there are.
    """
    try:
        parsed = urlsplit(f"//{host or ''}")
        name, _ = (parsed.hostname or "").rstrip("."), parsed.port  # reading the port checks it
    except ValueError:
        return False
    if not name or not _NAMED.fullmatch(host or ""):
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        own = socket.gethostname().lower()
        known = {"localhost", "*.localhost", own, f"{own.partition('.')[0]}.local"}
        known.update(one.strip().lower().rstrip(".") for one in named)
        return any(name == one or one == "*" or (one[:2] == "*." and name.endswith(one[1:])) for one in known)
    return True


@cache
def named_hosts() -> tuple[str, ...]:
    """The names that whoever runs the server allows: ``--server.allowedHosts``, split at spaces and commas.

    Streamlit's own check of sockets is taken out: it knows these names alone, and would refuse this machine's own.
    """
    given = config.get_option("server.allowedHosts") or ()
    config.set_option("server.allowedHosts", [])
    return tuple(name for one in given for name in re.split(r"[\s,]+", one) if name)


def frames() -> str:
    """Who may show the app in a frame: anybody, since that is how it gets into a course's pages, or whom FRAMES names.

    Raises ValueError.
    """
    named = os.environ.get(FRAMES, "").strip() or "*"
    if not _SOURCES.fullmatch(named):
        raise ValueError(
            f"{FRAMES}={named!r} is not a list of sources. Valid values: one like 'self' https://example.org."
        )
    return named


def content_policy(host: str = "", framed_by: str = "*") -> str:
    """The Content-Security-Policy: everything from here, scripts by their own text, nothing from anywhere else.

    Components arrive as blobs, pictures and fonts also as data; Streamlit writes its styles into the page.
    """
    sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""  # older browsers: not part of 'self'
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' blob: {' '.join(_inline_scripts())}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "media-src 'self' data: blob:",
            f"connect-src 'self'{sockets} data: blob:",
            "worker-src 'self' blob:",
            "frame-src 'self'",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            # Anybody: * would leave out a page that is opened from a disk.
            *(() if framed_by == "*" else (f"frame-ancestors {framed_by}",)),
        )
    )


@cache
def _inline_scripts() -> tuple[str, ...]:
    """By their hashes: what stands in the page of the Streamlit that is installed, and our own."""
    page = Path(streamlit.__file__).parent / "static" / "index.html"
    scripts = (*_INLINE.findall(page.read_text(encoding="utf-8")), PAGE_SCRIPT, ROOT_SCRIPT, SOCKET_SCRIPT)
    return tuple(f"'sha256-{b64encode(sha256(script.encode()).digest()).decode('ascii')}'" for script in scripts)


class Guarded:
    """Answers only who asks for us by our name, and puts the headers on every answer that does not set its own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app, self.framed_by, self.named = app, frames(), named_hosts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        host = Headers(scope=scope).get("host")
        allowed = answers_to(host, self.named)

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault(
                    "Content-Security-Policy", content_policy(host or "" if allowed else "", self.framed_by)
                )
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Referrer-Policy", "same-origin")
                headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
            await send(message)

        if allowed:
            await self.app(scope, receive, headed)
        elif scope["type"] == "websocket":
            await receive()  # it must be heard before it is refused
            await send({"type": "websocket.close", "code": 1008})
        else:
            told = (
                f"This server is not known as {(host or 'nothing')[:80]!r}. Whoever runs it allows a name by "
                "--server.allowedHosts or STREAMLIT_SERVER_ALLOWED_HOSTS."
            )
            await PlainTextResponse(told, 421)(scope, receive, headed)


# Compressed, the first page is a third of the size: the room's Wi-Fi is bad and everybody opens it at once.
MIDDLEWARE = (
    Middleware(Counted),
    Middleware(Guarded),
    Middleware(Arriving),
    Middleware(GZipMiddleware, minimum_size=2000),
    Middleware(Seats),
    Middleware(OwnUploads),
    Middleware(FirstVisit),
)
