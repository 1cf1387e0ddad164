"""The list of all lessons as a plain page, with a field that seeks in titles, claims and the glossary."""

from __future__ import annotations

from html import escape

from lora_viz.content.glossary import TERMS, by_letters
from lora_viz.i18n.language import say
from lora_viz.i18n.outside import plain
from lora_viz.lessons.walk import lesson, sections
from lora_viz.light.markdown import as_html
from lora_viz.light.page import framed
from lora_viz.light.place import Place

__all__ = ["contents"]


def contents(place: Place, only: frozenset[str] | None = None) -> str:
    """Every lesson under its section, or ``only`` these; then the words of the glossary."""
    said = []
    for section, own in sections().values():
        shown = [each for each in own if only is None or each.id in only]
        if not shown:
            continue
        said.append(f"<h2>{escape(say(section.title))}</h2>")
        said += [
            f'<div data-entry><a href="{each.id}"><b>{escape(plain(say(each.title)))}</b></a>'
            f"{as_html(say(each.claim))}</div>"
            for each in shown
        ]
    said.append(f"<h2>{escape(say(lesson('glossary').menu))}</h2>")
    for term in sorted((term.said() for term in TERMS), key=lambda term: by_letters(term.name)):
        where = (
            f" {as_html(f'[{say(lesson(term.page).menu)}]({term.page})')}" if only is None or term.page in only else ""
        )
        said.append(f"<div data-entry><b>{escape(plain(term.name))}</b>{as_html(term.says)}{where}</div>")
    title = say("LoRA Playground: all lessons")
    field = (
        f'<p hidden><label for="sought">{escape(say("Search titles, claims and words"))}</label><br>'
        '<input id="sought" type="search"> <span id="found" role="status"></span></p>'
    )
    return framed(title, f"<h1>{escape(title)}</h1>{field}{''.join(said)}", place)
