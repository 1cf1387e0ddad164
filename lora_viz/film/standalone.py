"""Pictures as one HTML file that needs no server: it holds the films and the player."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from lora_viz.film.player import CSS, HTML, LEAVES_CSS, LEAVES_SCRIPT, words
from lora_viz.i18n.language import language, say

__all__ = ["Leaf", "standalone_html"]


class Leaf(NamedTuple):
    """One picture of the file: what stands above and below it, and the packed film (``Film.to_bytes``), maybe none.

    ``about`` is for the speaker alone: what the picture shows, where the title only asks.
    """

    title: str
    caption: str
    film: bytes
    takeaway: str = ""
    notes: str = ""
    source: str = ""
    about: str = ""


def standalone_html(title: str, leaves: Sequence[Leaf]) -> str:
    """One file that opens from a disk with no network: every picture plays, steps and scrubs as in the app.

    Its own words are said in the language that is spoken now; the player's come with each film. Whatever the films and
    texts hold, its policy lets the browser run this script alone and ask nobody for anything.
    """
    packed = [
        {**leaf._asdict(), "film": base64.b64encode(zlib.compress(leaf.film, 9)).decode("ascii") if leaf.film else ""}
        for leaf in leaves
    ]
    data = json.dumps({"leaves": packed, "words": words(), "title": title}, ensure_ascii=False).replace("<", "\\u003c")
    pictures, which = html.escape(say("Pictures")), html.escape(say("Which picture"))
    back, forth, notes = html.escape(say("◀ Back")), html.escape(say("Next ▶")), html.escape(say("Notes"))
    up, down = html.escape(say("Page up")), html.escape(say("Page down"))
    themes = html.escape(say("Light, dark, high contrast"))
    script = f"\n{LEAVES_SCRIPT}\n"
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    policy = (
        f"default-src 'none'; script-src 'sha256-{allowed}' blob:; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
    return f"""<!doctype html>
<html lang="{language()}"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title><style>{LEAVES_CSS}{CSS}</style></head>
<body>
<nav aria-label="{pictures}">
<button id="back" title="{up}">{back}</button><select id="list" aria-label="{which}"></select>
<button id="forth" title="{down}">{forth}</button><button id="theme" title="{themes}"></button>
<button id="tell">{notes}</button><button id="speak"></button>
<span id="count" class="count" aria-live="polite"></span><span id="timer" role="timer"></span>
<p id="blocked" role="alert" hidden></p></nav>
<main><h1 id="title"></h1><p id="caption" class="caption"></p>
<div id="host">{HTML}</div>
<p id="notes" class="notes" hidden></p><p id="takeaway" class="takeaway"></p><p id="source"></p></main>
<script type="application/json" id="leaves">{data}</script>
<script type="module">{script}</script></body></html>
"""
