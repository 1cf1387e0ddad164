"""Our own scripts as addresses: packed, kept by the browser for ever, and on their way before the session begins.

A component's script would else travel through the session, unpacked, each time a page is opened. Where our server does
not serve, in a test's, the script is handed over as it is. So is the toolbar's of who presents: it must hear the first
press of a clicker, and would come too late.
"""

from __future__ import annotations

import json
from hashlib import sha256

from starlette.requests import Request
from starlette.responses import Response

__all__ = ["FOLDER", "answer_script", "names", "script", "serve_scripts"]

FOLDER = "/ours"
_texts: dict[str, str] = {}
_serving: list[bool] = []  # whether these addresses are answered here


def serve_scripts() -> None:
    """From now on scripts are fetched at their addresses: whoever says so answers there."""
    _serving.append(True)


def names() -> tuple[str, ...]:
    """Every script by its address below the root."""
    return tuple(f"{FOLDER[1:]}/{name}" for name in _texts)


def script(name: str, text: str) -> str:
    """What a component is given for this script, a module with a default export; its name changes with its text."""
    if not _serving:
        return text
    file = f"{name}.{sha256(text.encode()).hexdigest()[:12]}.js"
    _texts[file] = text
    place = json.dumps(f"{FOLDER[1:]}/{file}")
    return (
        "\nconst root = window.__streamlit?.BACKEND_BASE_URL ?? document.baseURI;\n"
        f"const its = await import(new URL({place}, root).href);\nexport default its.default;\n"
    )


async def answer_script(request: Request) -> Response:
    """The script of this name."""
    text = _texts.get(request.path_params["name"])
    if text is None:
        return Response(status_code=404)
    kept = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(text, media_type="text/javascript", headers=kept)
