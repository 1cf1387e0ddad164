"""The pages that are served: one for every lesson, by its file in pages/ where there is one."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from copy import copy
from functools import lru_cache, partial
from typing import Any, NoReturn
from urllib.parse import parse_qs

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from lora_viz.i18n.language import say, spoken_words
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.walk import home, lesson, now_at
from lora_viz.ui.served import TOP
from lora_viz.ui.visitor_language import language_of_links

__all__ = ["go_to", "page_of", "show_with"]

FOLDER = TOP / "pages"
_show: list[Callable[[Lesson[Any]], None]] = []  # one: set by the module that shows lessons


def show_with(show: Callable[[Lesson[Any]], None]) -> None:
    """Show lessons that have no file of their own by this function."""
    _show[:] = [show]


def page_of(name: str) -> Any:
    """The page of this lesson. The one that opens stands at "/" whatever it is called."""
    name = now_at(name).partition("?")[0]
    if get_script_run_ctx(suppress_warning=True) is None:
        return _page(name, spoken_words(), _show[0])
    return copy(_page_kept(name, spoken_words(), _show[0]))  # one run marks the page that it shows


def _page(name: str, spoken: Hashable, show: Callable[[Lesson[Any]], None]) -> Any:
    """The page, its title in what is spoken here."""
    own, file = lesson(name), FOLDER / f"{name}.py"
    first = own is home()
    shown = file if file.exists() else partial(show, own)
    return st.Page(shown, title=say(own.menu), url_path="home" if first else name, default=first)


_page_kept = lru_cache(1000)(_page)  # each run of each visitor has the whole menu


def go_to(place: str) -> NoReturn:
    """Go to a place, "rank?noise=0", within this visit: ends the run."""
    name, _, query = now_at(place).partition("?")
    asked = parse_qs(query, keep_blank_values=True)
    if language := language_of_links():
        asked["lang"] = [language]
    st.switch_page(page_of(name), query_params=asked)
