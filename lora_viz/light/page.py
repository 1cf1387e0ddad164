"""One lesson as one plain HTML page: claim, controls, the picture that moves, what was seen, maths, tables."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple

from lora_viz.film.player import COLOURS, HTML, words
from lora_viz.i18n.language import language, languages, say
from lora_viz.i18n.outside import Ours, plain
from lora_viz.lessons.controls import written
from lora_viz.lessons.lesson import Played
from lora_viz.lessons.parts import Folded, Part, Prose
from lora_viz.light.assets import SCRIPT, STYLE
from lora_viz.light.form import first_options, form
from lora_viz.light.markdown import as_html
from lora_viz.light.parts import drawn, table
from lora_viz.light.place import Place, linked

__all__ = ["Packed", "framed", "packed", "page"]


class Packed(NamedTuple):
    """A film for a page: what it says, and its numbers, which every language shares; each as base64 of deflate."""

    header: str
    numbers: str


def packed(played: Played[Any], at: int | None = None) -> Packed | None:
    """The film in the language that is spoken now, seen first at this frame; None where nothing moves."""
    if played.film is None:
        return None
    data = played.film.to_bytes(colours=COLOURS, words=words(), at=at, shares=False)
    header = 4 + int.from_bytes(data[:4], "little")
    return Packed(_base64(data[:header]), _base64(data[header:]))


def _base64(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 9)).decode("ascii")


def page(
    played: Played[Any], place: Place, *, notices: Sequence[str] = (), film: Packed | None = None, numbers: str = ""
) -> str:
    """The whole page. ``film`` is its picture; its numbers stand in the page, or in the script at ``numbers``."""
    lesson, link = played.lesson, played.link
    title = plain(say(lesson.title))
    options = form(lesson, played.settings) if place.form else _options(played, place)
    picture = "" if film is None else _picture(film, numbers)
    maths = ""
    if played.maths:
        maths = f"<h2>{escape(say('The maths, with these numbers'))}</h2>{as_html(played.maths)}"
    rows = ""
    if played.table:
        rows = (
            f"<details><summary>{escape(say('The numbers behind it'))}</summary>"
            f"{table(played.table, plain(played.takeaway))}</details>"
        )
    said = "".join(f'<p class="notice" role="alert">{escape(plain(one))}</p>' for one in notices)
    app = place.app(lesson.id, {**link, "lang": language()})
    more = (
        f'<p><a href="{escape(app)}">{escape(say("The same in the app, with all its controls"))}</a></p>' if app else ""
    )
    body = f"""<h1>{escape(title)}</h1>
<div class="claim">{as_html(say(lesson.claim))}</div>
{"" if played.verdict is None else f'<div class="verdict">{as_html(played.verdict.text)}</div>'}
{said}{options}
{drawn(played.parts("first"))}
{picture}
{drawn(played.parts("body"))}
<div class="takeaway">{as_html(say("**What you saw.** {seen}", seen=Ours(played.takeaway)))}</div>
{drawn(_detail(played))}
{drawn(played.parts("extras"))}
{maths}
{rows}
{more}{_whole() if film is not None else ""}"""
    return framed(title, body, place)


def _whole() -> str:
    """The way out of a frame that shows the film alone: this page, by its address without the mark of frames."""
    return f'<p class="whole"><a href="" target="_blank" rel="noopener">{escape(say("The whole page"))}</a></p>'


def _detail(played: Played[Any]) -> tuple[Part, ...]:
    return (Folded(say("More about this run"), (Prose(played.detail),)),) if played.detail else ()


def _picture(film: Packed, numbers: str) -> str:
    """The player, hidden until its script has found the film; without scripts the numbers stand below."""
    without = escape(say("Without JavaScript this picture does not move: what was seen and its numbers stand below."))
    apart = f'<script src="{escape(numbers)}" defer></script>' if numbers else (
        f'<script type="application/json" id="numbers">{film.numbers}</script>')  # fmt: skip
    return (
        f'<div id="player" hidden>{HTML}</div><noscript><p class="notice">{without}</p></noscript>'
        f'<script type="application/json" id="film">{film.header}</script>{apart}'
    )


def _options(played: Played[Any], place: Place) -> str:
    """Where there is no server: every answer of the first control is a page of its own."""
    found = first_options(played.lesson)
    if found is None:
        return ""
    control, options = found
    label = escape(plain(say(control.label)))
    items = []
    for option in options:
        called = {True: say("yes"), False: say("no")}[option] if isinstance(option, bool) else (
            control.named(option, written(option)))  # fmt: skip
        here = ' aria-current="page"' if option == played.settings[control.id] else ""
        address = place.lesson(played.lesson.id, {control.id: control.link(option)})
        items.append(f'<a href="{escape(address)}"{here}>{escape(plain(called))}</a>')
    return f'<nav class="options" aria-label="{label}"><b>{label}</b>{"".join(items)}</nav>'


def framed(title: str, body: str, place: Place) -> str:
    """A page around this body: its head, the way to the list of lessons, the other languages."""
    names = languages()
    others = "".join(
        f'<a href="{escape(address)}" lang="{code}" hreflang="{code}">{escape(names[code])}</a>'
        for code, address in place.languages.items()
        if code != language()
    )
    every = escape(say("All lessons"))
    return f"""<!doctype html>
<html lang="{language()}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} – LoRA Playground</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{escape(place.assets)}{STYLE}">
<script src="{escape(place.assets)}{SCRIPT}" defer></script></head>
<body>
<header><nav aria-label="LoRA Playground"><a href="{escape(place.contents)}">{every}</a>{others}</nav></header>
<main>
{linked(body, place)}
</main></body></html>
"""
