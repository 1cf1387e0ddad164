"""How does a page without an experiment ask? One answer of several, bound to the URL; a bad link is named."""

from __future__ import annotations

from typing import Any

import streamlit as st

__all__ = ["choose", "choose_some", "heed"]


def choose(label: str, options: tuple[Any, ...], default: Any, *, key: str, help: str | None = None) -> Any:
    """A choice: pills for words, a slider for numbers; a link's value that is none of them is named and dropped."""
    heed(key, options, default)
    shared: dict[str, Any] = {"key": key, "bind": "query-params", "help": help}
    if isinstance(default, str):
        return st.pills(label, options, default=default, required=True, wrap=True, **shared)
    return st.select_slider(label, options, default, format_func=_text, **shared)


def choose_some(label: str, options: tuple[str, ...], default: tuple[str, ...], *, key: str) -> tuple[str, ...]:
    """Several of these, maybe none; what a link lists besides is named and left out."""
    if key not in st.session_state:
        unknown = [given for given in st.query_params.get_all(key) if given not in options]
        if unknown:
            listed = ", ".join(given[:40] for given in unknown[:3])
            st.warning(f"{listed} is no module here: allowed are {', '.join(options)}.", icon=":material/warning:")
    chosen = st.pills(label, options, selection_mode="multi", default=default, key=key, bind="query-params", wrap=True)
    return tuple(chosen)


def heed(key: str, options: tuple[Any, ...], default: Any) -> None:
    """Say in one sentence which value of the link is not possible, and drop it, before its widget is drawn."""
    if key in st.session_state or key not in st.query_params:
        return
    given = st.query_params[key]
    if given not in map(_text, options):
        numbers = not isinstance(default, str)
        allowed = f"one of {', '.join(map(_text, options))}" if numbers or len(options) < 12 else "one of the menu's"
        st.warning(
            f"{key}={given[:40]} is not possible here: allowed is {allowed}. Shown is {_text(default)}.",
            icon=":material/warning:",
        )
        del st.query_params[key]


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
