"""Where a plain page stands: how it links to other pages, to what it shares with them and to the app."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.walk import home, lessons

__all__ = ["Place", "app_address", "linked"]

_LINK = re.compile(r'href="([a-z_]+)(?:\?([^"#]*))?(#[^"]*)?"')


class Place(NamedTuple):
    """``lesson(id, settings)`` is the address of a lesson's page, ``assets`` what stands before a shared file's name.

    ``app(id, settings)`` is the address of the same in the app, empty where nobody serves it; ``languages`` are the
    addresses of this page in each language. Where there is a server behind it, the page has a form.
    """

    lesson: Callable[[str, Mapping[str, Any]], str]
    assets: str
    app: Callable[[str, Mapping[str, Any]], str]
    contents: str
    languages: Mapping[str, str]
    form: bool


def app_address(root: str) -> Callable[[str, Mapping[str, Any]], str]:
    """The address of a lesson in the app below ``root``: the one that opens has none of its own."""

    def address(name: str, settings: Mapping[str, Any]) -> str:
        query = urlencode(settings, doseq=True)
        return f"{root}{'' if name == home().id else name}{'?' if query else ''}{query}"

    return address


def linked(text: str, place: Place) -> str:
    """The HTML, its links to lessons at their addresses here."""
    known: dict[str, Lesson[Any]] = {each.id: each for each in lessons()}

    def put(match: re.Match[str]) -> str:
        name, query, anchor = match.groups()
        if name not in known:
            return match[0]
        settings = dict(parse_qsl(html.unescape(query or "")))
        return f'href="{html.escape(place.lesson(name, settings))}{anchor or ""}"'

    return _LINK.sub(put, text)
