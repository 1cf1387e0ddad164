"""The language of whoever asks for a plain page: what its address says, else what its browser prefers."""

from __future__ import annotations

from starlette.requests import Request

from lora_viz.i18n.language import languages

__all__ = ["spoken_by"]


def spoken_by(request: Request) -> str:
    """As the address asks, else the first of the browser's languages that is known here."""
    asked = request.query_params.get("lang")
    if asked in languages():
        return str(asked)
    for one in request.headers.get("accept-language", "").split(","):
        code = one.partition(";")[0].strip().partition("-")[0].lower()
        if code in languages():
            return code
    return "en"
