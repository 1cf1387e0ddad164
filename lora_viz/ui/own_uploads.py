"""Uploads from a page of our own that stands in somebody's frame: there the browser withholds Streamlit's cookie.

Streamlit takes an upload where a cookie and a header hold the same token: so it knows that its own page sends it. In a
foreign frame browsers send no cookie. They do send Origin, which no page can forge: where that is this very server, the
page is its own, and the pair of tokens is put in here. Who asks from another origin gets 403 as before, and would need
the number of somebody's session in any case.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.web.server.starlette.starlette_app_utils import generate_xsrf_token_string
from streamlit.web.server.starlette.starlette_server_config import XSRF_COOKIE_NAME

__all__ = ["OwnUploads"]


class OwnUploads:
    """Middleware, behind the one that knows whom the server answers to."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and "/_stcore/upload_file/" in scope["path"] and scope["method"] != "OPTIONS":
            headers = Headers(scope=scope)
            if _from_itself(headers) and f"{XSRF_COOKIE_NAME}=" not in headers.get("cookie", ""):
                token = generate_xsrf_token_string().encode()
                kept = [pair for pair in scope["headers"] if pair[0] not in (b"cookie", b"x-xsrftoken")]
                cookie = f"{XSRF_COOKIE_NAME}=".encode() + token
                scope = {**scope, "headers": [*kept, (b"cookie", cookie), (b"x-xsrftoken", token)]}
        await self.app(scope, receive, send)


def _from_itself(headers: Headers) -> bool:
    try:
        origin = urlsplit(headers.get("origin", ""))
    except ValueError:
        return False
    return origin.scheme in ("http", "https") and origin.netloc != "" and origin.netloc == headers.get("host")
