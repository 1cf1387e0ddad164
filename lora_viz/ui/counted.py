"""Every answer by HTTP is told, by its kind and status; nothing of whom it went to."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config

from lora_viz.lessons.walk import lessons, now_at
from lora_viz.ui.events import tell

__all__ = ["Counted", "kind_of"]

_KINDS = {
    "light": "plain page",
    "room": "room",
    "ready": "watch",
    "metrics": "watch",
    "static": "file",
    "media": "file",
    "component": "file",
    "ours": "file",
    "app": "file",
}


def kind_of(path: str) -> str:
    """Of which kind an address of the app is, whatever else stands in it."""
    base = str(config.get_option("server.baseUrlPath") or "").strip("/")
    first, _, rest = path.strip("/").removeprefix(base).strip("/").partition("/")
    if first == "_stcore":
        return {"health": "watch", "upload_file": "upload"}.get(rest.partition("/")[0], "session")
    if not first or now_at(first) != first or first in {each.id for each in lessons()}:
        return "page"
    return _KINDS.get(first, "other")


class Counted:
    """Middleware that tells of each answer when it is through."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.monotonic(), 500

        async def heard(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, heard)
        finally:
            tell("answer", kind=kind_of(str(scope["path"])), status=status, seconds=time.monotonic() - began)
