"""The one script that is written into the page itself: its text never changes, so that the browser runs no other."""

from __future__ import annotations

from html import escape
from pathlib import Path

__all__ = ["PAGE_SCRIPT", "page_script"]

_HISTORY = (Path(__file__).parent / "history.js").read_text(encoding="utf-8")
# A page read aloud needs its language.
PAGE_SCRIPT = f"\ndocument.documentElement.lang = document.currentScript.dataset.language;\n{_HISTORY}"


def page_script(language: str) -> str:
    """The script as HTML, for a page in the language of this code."""
    return f'<script data-language="{escape(language)}">{PAGE_SCRIPT}</script>'
