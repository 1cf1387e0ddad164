"""A lesson on the screen: title, claim, controls beside the picture, what was seen, the maths, the still figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from html import escape
from typing import Any
from urllib.parse import urlencode

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lora_viz.core.refusals import Refusal
from lora_viz.i18n.language import language, say
from lora_viz.i18n.outside import Ours, emphasised, on_screen
from lora_viz.lessons.controls import Upload
from lora_viz.lessons.joined import PART, Joined
from lora_viz.lessons.lesson import Lesson, Played
from lora_viz.lessons.parts import Folded, Prose
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.walk import home
from lora_viz.ui.asking import Asked, ask, set_answers
from lora_viz.ui.explaining import explained, level, start_explaining
from lora_viz.ui.exporting import offer_exports
from lora_viz.ui.figures import ask_format, csv_button, json_button, modebar, shown_theme
from lora_viz.ui.finder import show_related
from lora_viz.ui.pages import show_with
from lora_viz.ui.parts import draw
from lora_viz.ui.player import play
from lora_viz.ui.preparing import prepare_next
from lora_viz.ui.presenting import Presented, contrast, offer_tour, presented, show_end, toolbar
from lora_viz.ui.questions import ask_question
from lora_viz.ui.room_questions import of_scene, offer_asking
from lora_viz.ui.rooms import show_room
from lora_viz.ui.sharing import frame_of, offer_link
from lora_viz.ui.state import of_visit
from lora_viz.ui.styles import style
from lora_viz.ui.visitor_language import find_language
from lora_viz.ui.waiting import Stopped, visitors_lab, waited_for

__all__ = ["show"]

_FEW = 3  # controls that may stand above what they change, in a hand
_SIGNS = {True: ":material/check_circle:", False: ":material/cancel:", None: ":material/help:"}


@dataclass(slots=True)
class _Notices:
    """What was said of a run that ended in another one before anybody could read it."""

    again: tuple[str, ...] = ()


@dataclass(slots=True)
class _LastGood:
    """By lesson: the settings that were shown last."""

    settings: dict[str, Settings] = field(default_factory=dict)


def show(lesson: Lesson[Any]) -> None:
    """The page of this lesson, as the visitor has set it."""
    now = _open(lesson)
    if now is not None and now.ended:
        toolbar(now)
        show_room()
        show_end(now)
        return
    judged = st.container(key="verdict") if now is None else None
    bar, said = st.container(), st.container()
    left, right = _places(lesson, now)
    with left:
        asked = ask(lesson, None if now is None else now.scene, "" if now is None else f"{now.name} {now.place}")
    if now is not None:
        with bar:
            toolbar(now, asked.differing)
    notices = of_visit(_Notices)
    told = tuple(dict.fromkeys((*notices.again, *asked.notices)))
    notices.again = told  # until this run has come to its end
    for notice in told:
        said.warning(on_screen(notice), icon=":material/warning:")
    with right:
        first, picture = st.container(), st.container()
    played = _measured(lesson, asked, picture, now)
    notices.again = ()
    if judged is not None and played.verdict is not None:
        judged.markdown(on_screen(f"{_SIGNS[played.verdict.holds]} {explained(played.verdict.text)}"))
    with left:
        draw(played.parts("beside"))
    if now is None:
        with first:
            draw(played.parts("first"))
    _show_picture(played, asked, picture, now)
    with picture:
        if played.detail and now is None:
            draw((Folded(say("More about this run"), (Prose(played.detail),)),))
        draw(played.parts("extras"))
    if now is None:
        prepare_next(None)
        _show_rest(played)
        if not st.context.is_embedded and "controls" not in st.query_params:
            show_related(lesson.id)
    else:
        prepare_next(now)
        with bar:
            asks = now.scene.question is not None
            asked_by = partial(of_scene, now.scene, played) if asks else None
            show_room(now.asked_as(), asked_by, shown=now.for_player()["scene"])


def _stating(lesson: Lesson[Any]) -> Lesson[Any]:
    """Whose claim stands under the title: the lesson's own, or that of the part which is seen, as its verdict is."""
    if not isinstance(lesson, Joined):
        return lesson
    return lesson.part({PART: st.session_state.get(PART) or st.query_params.get(PART)})


def _places(lesson: Lesson[Any], now: Presented | None) -> tuple[DeltaGenerator, DeltaGenerator]:
    """Where the controls stand and where the picture: side by side, or for a room one below the other.

    Where nothing may be set, the controls are out of sight: what a link got wrong is said there all the same.
    """
    if now is not None:
        asks = bool(now.scene.controls)
        return st.container(key="scene_controls" if asks else "beside", horizontal=asks), st.container()
    seen = _stating(lesson)
    settable = any(x.controls or x.more or x.seeded or x.trains or x.beside for x in (lesson, seen))
    if st.query_params.get("controls") == "none" or not settable:
        return st.container(), st.container()
    left, right = st.columns([1, 4.4], gap="medium")
    controls = left.container(key="controls")
    many = len(seen.controls) + len(seen.more) > _FEW
    return controls.container(key="many") if many else controls, right


def _open(lesson: Lesson[Any]) -> Presented | None:
    """Title and claim; on a projector what the scene is about. The home page offers the tour, except in a link."""
    find_language()
    st.set_page_config(page_title=f"{say(lesson.menu)} · LoRA Playground")
    st.html(style("page"))
    start_explaining()
    if st.context.is_embedded:
        st.html(style("embedded"))
    now = presented()
    title, claim = say(lesson.title), say(_stating(lesson).claim)
    if now is None:
        offered = lesson is home() and "controls" not in st.query_params and not st.context.is_embedded
        head, beside = st.columns([5, 1], vertical_alignment="bottom") if offered else (st.container(), None)
        head.title(on_screen(title), anchor=False)
        if beside is not None:
            with beside:
                offer_tour()
        with st.container(key="claim"):
            st.markdown(on_screen(explained(claim)))
        return None
    st.html(style("presented"))
    if contrast():
        st.html(style("contrast"))
    st.title(on_screen(emphasised(now.heading())), anchor=False)
    return now


def _measured(lesson: Lesson[Any], asked: Asked, where: DeltaGenerator, now: Presented | None) -> Played[Any]:
    """The lesson at these settings; where they cannot be, at those that were shown last. Ends the run where stopped."""
    good = of_visit(_LastGood).settings
    name = say(lesson.waits_for) if lesson.waits_for else say(lesson.menu)

    def shown(settings: Settings) -> Played[Any]:
        def preview(record: Any) -> None:
            _show_picture(Played(lesson.seen_as(settings), settings, visitors_lab(), record), asked, where, now)

        try:
            return waited_for((lesson.id, settings), partial(lesson.played, settings), where, name=name, show=preview)
        except Stopped:
            st.stop()

    fits = asked.settings
    try:
        played = shown(fits)
    except Refusal as error:
        place, last = where.empty(), good.get(lesson.id)
        if _of_a_file(fits) and not (last and _of_a_file(last)):  # nothing of ours is to be taken for what is in it
            told = say("{error} Nothing is shown in its place: give another file, or take it away.", error=error)
            place.error(on_screen(told), icon=":material/error:")
            st.stop()
        fits = last or lesson.settings()
        try:
            played = shown(fits)
        except Refusal:  # what fitted last was a file that is gone since
            last, fits = None, lesson.settings()
            try:
                played = shown(fits)
            except Refusal as also:  # the machine has no memory for any of it
                where.empty().error(on_screen(also.said), icon=":material/error:")
                st.stop()
        told = say("{error} Showing what fitted last instead.", error=error) if last else say(
            "{error} Showing what the lesson opens with instead.", error=error)  # fmt: skip
        place.error(on_screen(told), icon=":material/error:")
    good[lesson.id] = fits
    return replace(played, lab=visitors_lab())  # what is asked of it later shows no progress in the picture's place


def _of_a_file(settings: Settings) -> bool:
    """Do these settings name a file of the visitor's own?"""
    return any(
        isinstance(value, tuple) and any(isinstance(one, Upload) for one in value) for _, value in settings.options
    )


def _show_picture(played: Played[Any], asked: Asked, where: DeltaGenerator, now: Presented | None) -> None:
    """The moving picture, or what stands in its place, and below it what was seen."""
    film, takeaway, lesson = played.film, played.takeaway, played.lesson

    def pick(row: int, column: int) -> None:
        if lesson.on_pick is not None:
            set_answers(lesson.on_pick(played.record, row, column))

    with where:
        if film is not None:
            play(
                film,
                at=frame_of(film),
                on_pick=pick,
                on_share=lambda at: offer_link(at, asked, say(lesson.title), film, takeaway),
                question=now.question(played) if now else None,
                present=now.for_player() if now else None,
            )
        draw(played.parts("body"), now.for_player() if now else None)
        if now is None:  # a room has its sentence: the caption
            with st.container(key="seen"):
                st.markdown(on_screen(say("**What you saw.** {seen}", seen=Ours(explained(takeaway)))))


def _show_rest(played: Played[Any]) -> None:
    """The maths with the run's numbers; on demand still figure, data, what to take along, a question."""
    name = played.lesson.id
    if played.maths:
        heading = say("The maths, with these numbers")
        if level() == "newcomer":
            with st.expander(on_screen(heading)):
                st.markdown(on_screen(explained(played.maths)))
        else:
            st.header(on_screen(heading), anchor=False)
            st.markdown(on_screen(explained(played.maths)))
    if played.lesson.prints:
        still = st.expander(say("Still figure and data, for slides"), key=f"still_{name}", on_change="rerun")
        if still.open:
            with still:
                _show_still(played, name, played.table)
    if played.lesson.exports is not None:
        offer_exports(played)
    ask_question(played)
    offer_asking(played)
    plain = urlencode({**played.link, "lang": language()}, doseq=True)
    told = say("This lesson as a plain page: without a session, for slow phones and strict networks")
    st.html(f'<p><a href="light/{name}?{escape(plain)}" target="_self">{escape(told)}</a></p>')


def _show_still(played: Played[Any], name: str, table: Mapping[str, Any]) -> None:
    bar = modebar(name, ask_format(name))
    figure = played.figure(shown_theme())
    st.plotly_chart(figure, key=f"plot_{name}", alt=played.takeaway, width="stretch", config=bar)
    with st.container(horizontal=True):
        csv_button(say("Data as CSV"), table, name=name)
        json_button(say("Data as JSON"), table, name=name)


show_with(show)
