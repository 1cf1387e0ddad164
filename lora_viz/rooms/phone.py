"""The audience's page: plain HTML with one small script, 30 kB together, which knows nothing of Streamlit."""

from __future__ import annotations

import json
from functools import cache
from hashlib import sha256
from html import escape
from pathlib import Path

from lora_viz.film.player import bundle, said_in_script
from lora_viz.i18n.language import language, languages, say

__all__ = ["POLICY", "assets", "page"]

_HERE = Path(__file__).parent
_SCRIPT = f'"use strict";\n(() => {{\n{bundle("phone.js", _HERE).strip()}\n}})();\n'
_STYLE = (_HERE / "phone.css").read_text(encoding="utf-8")
_WORDS = tuple(dict.fromkeys(said_in_script(_SCRIPT)))
# Nothing but the page's own script and style, and nobody's frame.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)


def _named(name: str, text: str) -> str:
    stem, _, ending = name.partition(".")
    return f"{stem}.{sha256(text.encode()).hexdigest()[:12]}.{ending}"


@cache
def assets() -> dict[str, tuple[str, bytes]]:
    """Name → kind and content of script and style; a name changes with what is in it."""
    return {
        _named("phone.js", _SCRIPT): ("text/javascript", _SCRIPT.encode()),
        _named("phone.css", _STYLE): ("text/css", _STYLE.encode()),
    }


def page() -> str:
    """The page in the language that is spoken now. It is the same for every code, and says nothing of any room."""
    script, style = assets()
    words = {} if language() == "en" else {text: say(text) for text in _WORDS}
    # "<" as JSON writes it for HTML: no word can end the script.
    said = json.dumps(words, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    others = " ".join(
        f'<a href="?lang={code}" lang="{code}" hreflang="{code}">{escape(name)}</a>'
        for code, name in languages().items()
        if code != language()
    )
    private = say(
        "No name, no account, no cookie. Your answers are kept under a number drawn at random that this phone "
        "remembers, and are gone with the room, after four hours at the latest. No internet address is stored."
    )
    return f"""<!doctype html>
<html lang="{language()}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{escape(say("Answer the question on the wall"))} – LoRA Playground</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="assets/{style}">
<script src="assets/{script}" defer></script></head>
<body>
<header><span>LoRA Playground <b id="room"></b></span><span id="left"></span>{others}</header>
<main>
<form id="join" hidden><h1>{escape(say("Which room?"))}</h1>
<p><label for="code">{escape(say("The four letters on the wall"))}</label></p>
<p><input id="code" autocomplete="off" autocapitalize="characters" spellcheck="false" maxlength="8"></p>
<p><button class="main">{escape(say("Go in"))}</button></p></form>
<p id="rest" role="status" hidden></p>
<section id="ask" aria-labelledby="question" hidden><h1 id="question" tabindex="-1"></h1>
<div id="answers"></div></section>
<p id="status" role="status"></p><p id="read" role="status"></p>
<noscript><p>{escape(say("This page needs JavaScript to send an answer. Raise your hand instead."))}</p></noscript>
</main>
<footer>{escape(private)}</footer>
<script type="application/json" id="words">{said}</script>
</body></html>
"""
