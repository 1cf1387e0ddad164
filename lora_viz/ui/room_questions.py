"""What the room may be asked where no deck is: the lesson's own question, or a teacher's of any picture and curve.

Either becomes a deck of one scene, so that it is shown, asked and revealed as in every deck.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from lora_viz.content.decks.asking import asked_first
from lora_viz.content.decks.scenes import Deck, DeckError, Question, Scene
from lora_viz.content.questions import Unanswerable
from lora_viz.film.panels import Bars, Lines
from lora_viz.i18n.language import say, to_say
from lora_viz.i18n.outside import on_screen
from lora_viz.lessons.lesson import Played
from lora_viz.rooms.asking import of_film, of_lesson
from lora_viz.rooms.question import Question as Asked
from lora_viz.ui.presenting import ASKED, begin
from lora_viz.ui.rooms import begin_room, room_now

__all__ = ["of_scene", "offer_asking"]

_KINDS = {"number": to_say("a number"), "choice": to_say("which is largest"), "curve": to_say("a curve, drawn")}


def of_scene(scene: Scene, played: Played[Any]) -> Asked:
    """What the room is asked in this scene. Raises DeckError, Unanswerable: this picture cannot answer it."""
    question = scene.question
    if question is None or played.film is None:
        raise DeckError(say("This scene asks nothing."))
    if question.kind != "lesson":
        return of_film(played.film, question)

    def ask() -> Any:
        return played.ask()

    return of_lesson(ask)


def offer_asking(played: Played[Any]) -> None:
    """Folded up below a lesson: its question, or one of one's own, for the audience's phones."""
    if played.film is None or st.context.is_embedded:
        return
    place = st.expander(say("Ask the room"), key=f"room_{played.lesson.id}", on_change="rerun")
    if not place.open:
        return
    with place:
        st.markdown(
            say("The audience answers on its phones; what it thinks is then drawn on what was measured here.")
            if room_now() is None
            else say("Your room is open: the question goes to its phones.")
        )
        if played.lesson.question is not None and st.button(say("Ask this lesson's question"), key="room_lesson"):
            _ask_lessons(played)
        _ask_own(played)


def _ask_lessons(played: Played[Any]) -> None:
    try:
        asked = played.ask()
    except Unanswerable as reason:
        st.info(on_screen(reason.said), icon=":material/block:")
        return
    if asked is not None and played.film is not None:
        panel = played.film.hero or played.film.panels[0].id
        _begin(played, Question(kind="lesson", text=asked.text, panel=panel, series=()))


def _ask_own(played: Played[Any]) -> None:
    """A question of one's own: of which picture and curve, where on the axis, in which words."""
    film = played.film
    assert film is not None
    own = played.lesson.id
    panels = {panel.id: panel for panel in film.panels if isinstance(panel, Lines | Bars)}
    if not panels:
        return
    st.markdown(say("**Or your own question**"))
    left, middle, right = st.columns(3)
    with left:
        id = st.selectbox(say("Of which picture"), panels, key=f"room_panel_{own}",
                          format_func=lambda name: on_screen(panels[name].title))  # fmt: skip
        panel = panels[id]
        kinds = [kind for kind in _KINDS if kind != "curve" or isinstance(panel, Lines)]
        kind = st.selectbox(
            say("Asked for"), kinds, key=f"room_kind_{own}_{id}", format_func=lambda name: on_screen(say(_KINDS[name]))
        )
    names = (
        {s.id: s.name for s in panel.series}
        if isinstance(panel, Lines)
        else dict(zip(panel.bar_ids or panel.labels, panel.labels, strict=True))
    )
    with middle:
        if kind == "choice":
            series = tuple(st.multiselect(say("Between which"), names, list(names)[:6], key=f"room_several_{own}_{id}",
                                          format_func=lambda name: on_screen(names[name])))  # fmt: skip
        else:
            series = (st.selectbox(say("Of which curve or bar"), names, key=f"room_series_{own}_{id}",
                                   format_func=lambda name: on_screen(names[name])),)  # fmt: skip
        first, last, at = float(film.values[0]), float(film.values[-1]), 0.0
        if kind != "curve" and first < last:
            at = st.number_input(on_screen(say(film.axis)), first, last, last, key=f"room_at_{own}_{id}")
    with right:
        text = st.text_area(say("In your words"), max_chars=300, key=f"room_text_{own}")
        if st.button(say("Ask it"), key="room_own"):
            if not text.strip():
                st.warning(say("A question needs words: what shall the audience read?"))
                return
            question = Question(kind=kind, text=text.strip(), panel=id, series=series, at=at)
            try:
                if kind == "choice" and len(series) < 2:
                    raise DeckError(say("A choice needs at least two to choose from."))
                asked_first(film, question)
            except DeckError as error:
                st.warning(on_screen(error.said))
                return
            _begin(played, question)


def _begin(played: Played[Any], question: Question) -> None:
    """Open a room where there is none, and the scene that asks: leaves the running page."""
    if begin_room() is None:
        return
    settings = tuple(played.link.items())
    scene = Scene(page=played.lesson.id, caption=say(played.lesson.claim)[:300], settings=settings, question=question)
    begin(ASKED, Deck(title=say(played.lesson.menu), about="", scenes=(scene,)))
