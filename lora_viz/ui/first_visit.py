"""What a first visit waits for, told to the browser at once: scripts that the first picture needs, and where it is.

Streamlit's own page names the scripts of its frame; those of each widget it fetches when the widget arrives, one after
the other, and it asks every folder of the address whether the server is there. Its font of icons is served cut down
(docs/make_icons.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import streamlit
from starlette.requests import Request

from lora_viz.i18n.language import say, speak
from lora_viz.ui.browser_language import spoken_by
from lora_viz.ui.scripts import names

__all__ = ["ICONS", "ROOT_SCRIPT", "SOCKET_SCRIPT", "FirstVisit", "head"]

ICONS = Path(__file__).parent / "fonts" / "material_symbols.woff2"
_STATIC = Path(streamlit.__file__).parent / "static"
_NEEDED = ("Html", "ButtonGroup", "BidiComponent", "Slider", "Button", "NumberInput", "PageLink")
_IMPORT = re.compile(r"""(?:from|import)\s*["']\./([\w.-]+\.js)["']""")
_ROOT = b'<div id="root">'  # what only Streamlit's own page has
_NOSCRIPT = re.compile(rb"<noscript>.*?</noscript>", re.S)
# Every page stands one step below the root, whatever the root's own path is.
SOCKET_SCRIPT = "(() => {\n" + (Path(__file__).parent / "no_socket.js").read_text(encoding="utf-8") + "})();"
ROOT_SCRIPT = (
    'window.__streamlit={BACKEND_BASE_URL:new URL("./",location.href).href,HOST_CONFIG:{blockErrorDialogs:true}}'
)


@cache
def head(code: str) -> bytes:
    """What is added to the head of Streamlit's page, for a browser that speaks the language of this code."""
    folder = _STATIC / "static" / "js"
    known = set(re.findall(r"static/js/([\w.-]+\.js)", (_STATIC / "index.html").read_text(encoding="utf-8")))
    wanted = [path.name for name in _NEEDED for path in folder.glob(f"{name}.*.js")]
    links = (f'<link rel="modulepreload" crossorigin href="./static/js/{name}">' for name in _with_imports(
        folder, wanted, known))  # fmt: skip
    own = (f'<link rel="modulepreload" href="./{name}">' for name in names())
    with speak(code):
        told = {
            "never": say("No connection is open: some networks forbid what this page needs."),
            "plain": say("This lesson as a plain page works without."),
            "lost": say(
                "The connection is lost. The picture can still be played. The controls work again as soon as the "
                "server answers."
            ),
            "page": say("There is no page at this address: this is the first one."),
            "all": say("All lessons"),
            "fault": say("Something went wrong in this page:"),
            "anew": say("Load it anew."),
        }
    data = " ".join(f'data-{name}="{escape(text)}"' for name, text in told.items())
    notice = f"<script {data}>{SOCKET_SCRIPT}</script>"
    return "".join((f"<script>{ROOT_SCRIPT}</script>", notice, *own, *links)).encode()


def without_scripts(code: str) -> bytes:
    """What is read where scripts are off: the way to the pages that need none."""
    with speak(code):
        told, link = escape(say("This page needs JavaScript. These do not:")), escape(say("All lessons"))
    return f'<noscript><p>{told} <a href="light/">{link}</a></p></noscript>'.encode()


def _with_imports(folder: Path, names: Iterable[str], known: set[str]) -> list[str]:
    """These scripts and all that they import, without what the page names itself."""
    found: dict[str, None] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop(0)
        if name in found or name in known or not (folder / name).exists():
            continue
        found[name] = None
        waiting += _IMPORT.findall((folder / name).read_text(encoding="utf-8"))
    return list(found)


class FirstVisit:
    """Middleware that adds ``head()`` to Streamlit's page and serves the smaller font of icons."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self.app(scope, receive, send)
        elif re.search(r"/static/media/MaterialSymbols-Rounded\.[\w-]+\.woff2$", scope["path"]):
            await _serve_icons(send)
        else:
            # Streamlit compresses too, inside of this: what is packed cannot be added to.
            plain = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
            page = "." not in scope["path"].rpartition("/")[2]
            code = spoken_by(Request(scope))
            await self.app(
                {**scope, "headers": plain} if page else scope,
                receive,
                _Adding(send, head(code), without_scripts(code)),
            )


async def _serve_icons(send: Any) -> None:
    content = ICONS.read_bytes()
    headers = [
        (b"content-type", b"font/woff2"),
        (b"content-length", str(len(content)).encode()),
        (b"cache-control", b"public, immutable, max-age=31536000"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


class _Adding:
    """Passes a response on; a page gets what is ``added`` into its own head, and ``plain`` where scripts are off."""

    def __init__(self, send: Any, added: bytes, plain: bytes) -> None:
        self.send, self.added, self.plain, self.start, self.body = send, added, plain, None, b""

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            kind = dict(message["headers"]).get(b"content-type", b"")
            if kind.startswith(b"text/html") and message["status"] == 200:
                self.start = message
                return
        elif self.start is not None and message["type"] == "http.response.body":
            self.body += message.get("body", b"")
            if message.get("more_body"):
                return
            start, body, self.start = self.start, self.body, None
            if _ROOT not in body:  # a page of our own
                await self.send(start)
                await self.send({"type": "http.response.body", "body": body})
                return
            body = _NOSCRIPT.sub(lambda _: self.plain, body.replace(b"</head>", self.added + b"</head>", 1), 1)
            kept = [pair for pair in start["headers"] if pair[0] not in (b"content-length", b"etag")]
            added = ((b"content-length", str(len(body)).encode()), (b"vary", b"Accept-Language"))
            await self.send({**start, "headers": [*kept, *added]})
            await self.send({"type": "http.response.body", "body": body})
            return
        await self.send(message)
