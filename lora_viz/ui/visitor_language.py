"""The visitor's language: as chosen on the page, else as the link asks, else as the browser does."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from lora_viz.i18n.language import follow, language, languages, say
from lora_viz.i18n.outside import on_screen
from lora_viz.ui.address_bar import write_link
from lora_viz.ui.page_script import page_script
from lora_viz.ui.state import of_visit
from lora_viz.ui.styles import style

__all__ = ["ask_language", "find_language", "language_of_links", "spoken"]

CHOSEN = "lang"


@dataclass(slots=True)
class _Language:
    """What this visit reads in, found out once a run, and whether anybody asked for it."""

    spoken: str | None = None
    asked_for: bool = False


_here = threading.local()  # .visit: whose script this thread runs, .language: that visit's _Language


def spoken() -> str | None:
    """The visitor's language; None where there is no visitor: in a thread of its own, in a script."""
    run = get_script_run_ctx(suppress_warning=True)
    if run is None:
        return None
    if getattr(_here, "visit", None) != run.session_id:  # asked thousands of times a run
        _here.visit, _here.language = run.session_id, of_visit(_Language)
    known = _here.language.spoken
    return _found() if known is None else str(known)


def _found() -> str:
    chosen = st.session_state.get(CHOSEN) or of_visit(_Language).spoken
    if chosen in languages():
        return str(chosen)
    asked = st.query_params.get(CHOSEN)
    if asked is not None:
        return asked if asked in languages() else "en"
    own = (st.context.locale or "").partition("-")[0].lower()
    return own if own in languages() else "en"


def language_of_links() -> str | None:
    """What a link to another page must say so that it is read in the same language; None: nothing."""
    asked = of_visit(_Language).asked_for or st.query_params.get(CHOSEN) in languages()
    return language() if language() != "en" or asked else None


def find_language() -> None:
    """Find out in which language this run speaks, before anything is said; from now on visitors are asked."""
    follow(spoken)
    of_visit(_Language).spoken = _found()


def ask_language() -> None:
    """The choice, on every page but on a projector and in somebody else's page; nothing where there is none."""
    given = st.query_params.get(CHOSEN)
    if given in languages():
        of_visit(_Language).asked_for = True
    elif given is not None:
        st.warning(
            on_screen(
                say(
                    "{given} is not a language here. Valid values: {allowed}. Showing English instead.",
                    given=f"lang={given[:40]}",
                    allowed=", ".join(languages()),
                )
            ),
            icon=":material/warning:",
        )
    with st.container(key="languages"):
        st.html(style("languages"))
        st.html(page_script(language()), unsafe_allow_javascript=True)
        if len(languages()) > 1 and "deck" not in st.query_params and not st.context.is_embedded:
            if CHOSEN not in st.session_state:
                st.session_state[CHOSEN] = language()
            st.segmented_control(
                say("Language"), tuple(languages()), format_func=_label, key=CHOSEN, required=True,
                label_visibility="collapsed", on_change=_asked_for,
            )  # fmt: skip
    write_link("lang", language_of_links())


def _label(code: str) -> str:
    return on_screen(code.upper())


def _asked_for() -> None:
    of_visit(_Language).asked_for = True
