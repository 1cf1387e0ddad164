"""The menu's lessons by their addresses, and links to them that keep the visitor's language."""

from __future__ import annotations

import re
from urllib.parse import urlencode

from lora_viz.i18n.language import say
from lora_viz.lessons.walk import home, lesson, lessons, moved, now_at
from lora_viz.ui.visitor_language import language_of_links

__all__ = ["address", "link_to", "linked"]


def address(place: str) -> str:
    """The address of a page, maybe with settings as in "rank?noise=0": read there in the same language.

    A link opens the page anew, and only what stands in it goes along. The page that opens has no address of its own.
    """
    name, _, query = now_at(place).partition("?")
    language = language_of_links()
    said = "&".join(filter(None, (query, urlencode({"lang": language}) if language else "")))
    return f"{'./' if name == home().id else name}{'?' if said else ''}{said}"


def link_to(place: str) -> str:
    """The link to a page, maybe with settings as in "rank?noise=0", as markdown under the menu's name."""
    return f"[{say(lesson(place.partition('?')[0]).menu)}]({address(place)})"


def linked(text: str) -> str:
    """The Markdown or HTML, its links to lessons and into the glossary at their addresses, in the same language."""
    known = {each.id for each in lessons()} | set(moved())

    def put(match: re.Match[str]) -> str:
        begins, place, ends = match.groups()
        return f"{begins}{address(place)}{ends}" if place.partition("?")[0] in known else match[0]

    return re.sub(r"""(\]\(|<a href=")([a-z_]+(?:\?[^)#"]*)?)((?:#[^)"]*)?[)"])""", put, text)
