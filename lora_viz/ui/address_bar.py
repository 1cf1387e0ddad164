"""The link: which settings it holds, each under its id, whatever the language the page is read in.

The link speaks first: a widget that is new takes what the link asks for. From then on the widget is the truth, and the
link is told what differs from the default. Streamlit's own `bind` would write what stands on the screen.
"""

from __future__ import annotations

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

__all__ = ["went_back", "write_link"]


def went_back() -> bool:
    """Whether the visitor has just gone back or forth in the browser, so that the link counts and not the widgets."""
    run = get_script_run_ctx(suppress_warning=True)
    return run is not None and run.is_history_navigation


def write_link(name: str, text: str | list[str] | None) -> None:
    """Let the link hold this text for this name from now on; None: it does not name it. Runs nothing anew."""
    now = st.query_params.get_all(name)
    if text is None:
        if now:
            del st.query_params[name]
    elif now != (text if isinstance(text, list) else [text]):
        st.query_params[name] = text
