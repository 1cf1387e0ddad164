"""Which settings does the link hold? Each under its id, whatever the language the page is read in.

The link speaks first: a widget that is new takes what the link asks for. From then on the widget is the truth, and the
link is told what differs from the default. Streamlit's own `bind` would write what stands on the screen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

__all__ = ["hold", "possible", "take", "went_back", "written"]


def written(value: Any) -> str:
    """How does a link write this value?"""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def went_back() -> bool:
    """Has the visitor just gone back or forth in the browser, so that the link counts and not the widgets?"""
    run = get_script_run_ctx(suppress_warning=True)
    return run is not None and run.is_history_navigation


def hold(name: str, text: str | list[str] | None) -> None:
    """From now on the link holds this text for this name; None: it does not name it. Runs nothing anew."""
    now = st.query_params.get_all(name)
    if text is None:
        if now:
            del st.query_params[name]
    elif now != (text if isinstance(text, list) else [text]):
        st.query_params[name] = text


def take(key: str, parse: Callable[[str], Any], default: Any) -> str | None:
    """Give the widget of this key its first value: the link's, else the one it was left with, else the default.

    ``parse`` raises ValueError for what is not possible: the answer is then the text that the link gave.
    """
    kept = st.session_state.setdefault("kept", {})
    if went_back():
        st.session_state.pop(key, None)
        kept.pop(key, None)
    if key in st.session_state:
        return None
    given, wrong = st.query_params.get(key), None
    value = kept.get(key, default)
    if given is not None:
        try:
            value = parse(given)
        except ValueError:
            value, wrong = default, given
    st.session_state[key] = value
    return wrong


def possible(options: tuple[Any, ...]) -> Callable[[str], Any]:
    """A reader of links that allows these options, as a link writes them. It raises ValueError."""
    known = {written(option): option for option in options}

    def parse(text: str) -> Any:
        if text not in known:
            raise ValueError(text)
        return known[text]

    return parse
