"""How does every lesson look? Title, claim, controls beside the picture, what was seen, the maths, the still figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lora_viz.core.experiment import Experiment
from lora_viz.film.panels import Film
from lora_viz.film.style import letters_css
from lora_viz.i18n.language import english, say
from lora_viz.ui.asked_after import ask_after, remember_seen
from lora_viz.ui.asking import BESIDE, Asked, ask
from lora_viz.ui.controls import Control
from lora_viz.ui.explaining import explained, level, start_explaining
from lora_viz.ui.player import play
from lora_viz.ui.presenting import Presented, offer_tour, presented, toolbar
from lora_viz.ui.sharing import frame_of, offer_link
from lora_viz.ui.still import ask_format, csv_button, json_button, modebar, shown_theme
from lora_viz.ui.take_home import Home, offer_home

__all__ = ["close_lesson", "open_lesson", "open_worked", "show_film"]

# Streamlit leaves a hand's breadth above the title; a projector has no room for that. A large one wants large type.
_STYLE = """<style>
[data-testid="stMainBlockContainer"] { padding: 3.6rem 2rem 2rem; max-width: 1900px; }
[data-testid="stMain"] { scroll-padding: 4.5rem 0 1rem; } /* what the keyboard reaches is not under the menu */
[data-testid="stMainBlockContainer"] h1 { font-size: 2.1rem; padding: 0; }
[data-testid="stMainBlockContainer"] h2 { font-size: 1.5rem; }
.st-key-start_tour { padding-top: 0.5rem; } /* clear of the menu */
[data-testid="stMainBlockContainer"] [data-testid="stVerticalBlock"] { gap: 0.6rem; }
@media (min-width: 1600px) { html { font-size: 22px; } }
"""
_STYLE += f"{letters_css()}</style>"
# On a projector: large type, no menu, the picture as wide as the screen.
_PRESENTED = """<style>
html { font-size: 20px; }
[data-testid="stHeader"] { display: none; }
[data-testid="stMainBlockContainer"] { padding: 0.5rem 1.2rem; }
[data-testid="stMainBlockContainer"] h1 { font-size: 1.6rem; line-height: 1.25; padding-bottom: 1rem; }
[data-testid="stMainBlockContainer"] [data-testid="stVerticalBlock"] { gap: 0.35rem; }
[data-testid="stMainBlockContainer"] :is(button, label, kbd, summary), [data-testid="stMainBlockContainer"]
  :is(button, label, summary) :is(p, span:not([data-testid="stIconMaterial"])) { font-size: 1rem !important; }
.st-key-toolbar { flex-wrap: nowrap; }
.st-key-beside:not(:has([data-testid="stAlert"])) { display: none; } /* what a link got wrong is said all the same */
.st-key-toolbar button { min-height: 2rem; padding: 0.1rem 0.6rem; }
@media (max-width: 900px) { .st-key-toolbar { flex-wrap: wrap; } }
@media (min-width: 1600px) { html { font-size: 28px; } }
</style>"""
# White on black, 7:1 and more: the player by its variables, Streamlit's own widgets by what they are.
_CONTRAST = """<style>
[data-testid="stApp"], [data-testid="stApp"] * { --st-background-color: #000000; --st-text-color: #ffffff;
  --st-secondary-background-color: #1a1a1a; --st-border-color: #ffffff; --st-primary-color: #8fd0ff; }
[data-testid="stApp"] { background: #000; color: #fff; color-scheme: dark !important; }
[data-testid="stMainBlockContainer"] :is(h1, h2, p, li, label, span, kbd, input, button) { color: #fff; opacity: 1; }
[data-testid="stMainBlockContainer"] :is(button, kbd, input, [role="group"], [data-testid="stAlertContainer"]) {
  background: #000; border-color: #fff; }
[data-testid="stMainBlockContainer"] :is(button, [data-testid="stAlertContainer"]) { border: 1px solid #fff; }
[data-testid="stMainBlockContainer"] button:disabled { border-style: dotted; }
[data-testid="stMainBlockContainer"] a { color: #8fd0ff; }
[data-testid="stMainBlockContainer"] :focus-visible { outline: 3px solid #8fd0ff; }
:is([role="listbox"], [role="option"]) { background: #000 !important; color: #fff !important; }
[role="option"]:is([data-focused], [data-hovered], [aria-selected="true"]) {
  outline: 2px solid #8fd0ff; outline-offset: -2px; }
</style>"""
# In somebody else's page there is one lesson and no menu.
_EMBEDDED = """<style>
[data-testid="stHeader"] { display: none; }
[data-testid="stMainBlockContainer"] { padding-top: 0.6rem; }
[data-testid="stMainBlockContainer"] h1 { font-size: 1.6rem; }
</style>"""


def open_lesson(
    title: str,
    claim: str,
    *,
    default: Experiment,
    first: tuple[Control, ...],
    more: tuple[Control, ...],
    trains: bool = True,
    many: bool = False,
    tour: bool = False,
) -> tuple[Asked, DeltaGenerator]:
    """Draw title, claim and controls; answer with what was asked for and the place for the picture.

    The home page offers the ``tour``, except in a lesson link.
    """
    now = _open(title, claim, tour=tour and "controls" not in st.query_params)
    said = st.container()
    bare = st.query_params.get("controls") == "none" if now is None else not now.scene.controls
    left, right = st.columns([1, 4.4], gap="medium") if not bare else (st.container(), st.container())
    with left:
        lesson, scene = (english(title), None) if now is None else (f"{now.name} {now.place}", now.scene)
        asked = ask(lesson, default, first, more, scene, trains=trains, many=many)
    again = st.session_state.pop("notices_again", ())  # of a run that ended in another one before they were read
    st.session_state["notices"] = tuple(dict.fromkeys((*again, *asked.notices)))
    for notice in st.session_state["notices"]:
        said.warning(notice, icon=":material/warning:")
    st.session_state["link"], st.session_state["labels"] = asked.link, asked.labels
    st.session_state["asked_for"] = asked.experiment
    return asked, right


def _open(title: str, claim: str, *, tour: bool = False) -> Presented | None:
    st.html(_STYLE)
    start_explaining()
    if st.context.is_embedded:
        st.html(_EMBEDDED)
    now = st.session_state["presented"] = presented()
    st.session_state["title"] = title
    st.session_state.pop("asked_for", None)  # the last lesson's experiment
    st.session_state["link"] = None
    st.session_state["labels"] = {}
    if now is None:
        offered = tour and not st.context.is_embedded
        head, beside = st.columns([5, 1], vertical_alignment="bottom") if offered else (st.container(), None)
        head.title(title, anchor=False)
        if beside is not None:
            with beside:
                offer_tour()
        st.markdown(explained(claim))
        return None
    st.html(_PRESENTED)
    if st.session_state.get("contrast"):
        st.html(_CONTRAST)
    st.title(now.heading(), anchor=False)
    toolbar(now)
    return now


def open_worked(title: str, claim: str) -> tuple[DeltaGenerator, DeltaGenerator]:
    """Draw title and claim of a worked example; answer with the places for the controls and for the numbers.

    A scene that names no control shows none of them: they are there, so the link is read, but take no room.
    """
    now = _open(title, claim)
    if now is not None and not now.scene.controls:
        return st.container(key="beside"), st.container()
    left, right = st.columns([1, 4.4], gap="medium")
    return left, right


def show_film(
    where: DeltaGenerator, film: Film, takeaway: str, *, on_pick: Callable[[int, int], None] | None = None
) -> None:
    """The moving picture, and below it what was seen; ``on_pick`` hears which cell of a map was asked for."""
    now: Presented | None = st.session_state.get("presented")
    remember_seen(film, _link())
    with where:
        play(
            film,
            at=frame_of(film),
            on_pick=on_pick,
            on_share=lambda at: offer_link(at, _link(), st.session_state["title"], film, takeaway),
            question=now.question(film) if now else None,
            present=now.for_player() if now else None,
        )
        if now is None or now.scene.question is None:  # who is asked must not read the answer
            st.markdown(say("**What you saw.** {seen}", seen=takeaway if now else explained(takeaway)))


def _link() -> dict[str, str]:
    """What a page without the lessons' controls is set to stands in its address."""
    link: dict[str, str] | None = st.session_state["link"]
    return {k: v for k, v in st.query_params.items() if k not in BESIDE} if link is None else link


def close_lesson(
    maths: str,
    figure: Callable[[str], go.Figure],
    table: Mapping[str, np.ndarray],
    *,
    name: str,
    alt: str,
    home: Home | None = None,
) -> None:
    """The maths with the run's numbers; on demand still figure, data, what to take home, a question.

    On a projector none of it.
    """
    if st.session_state.get("presented") is not None:
        return
    heading = say("The maths, with these numbers")
    if level() == "newcomer":
        with st.expander(heading):
            st.markdown(explained(maths))
    else:
        st.header(heading, anchor=False)
        st.markdown(explained(maths))
    still = st.expander(say("Still figure and data, for slides"), key=f"still_{name}", on_change="rerun")
    if still.open:
        with still:
            bar = modebar(name, ask_format(name))
            st.plotly_chart(figure(shown_theme()), key=f"plot_{name}", alt=alt, width="stretch", config=bar)
            with st.container(horizontal=True):
                csv_button(say("Data as CSV"), table, name=name)
                json_button(say("Data as JSON"), table, name=name)
    if home is not None:
        offer_home(home, name)
    ask_after(name)
