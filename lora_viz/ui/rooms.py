"""The presenter's room: opened once a visit, found again after a reload, asked what the scene asks.

The room's key is in this visit and in one cookie of the presenter's browser, which ends with the room; on the wall
stand its code and its address.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from urllib.parse import urlsplit

import segno
import streamlit as st

from lora_viz.core.refusals import Refusal
from lora_viz.film.player import ROOM_CSS, ROOM_HTML, ROOM_SCRIPT, words
from lora_viz.i18n.language import language, say
from lora_viz.i18n.outside import on_screen
from lora_viz.rooms.opening import Key, open_room, store
from lora_viz.rooms.question import Question
from lora_viz.rooms.refused import RoomError
from lora_viz.rooms.room import Asked, Room, is_presenter, plain_code
from lora_viz.rooms.thought import Scored, scores
from lora_viz.ui.addresses import for_others
from lora_viz.ui.qr import here
from lora_viz.ui.state import of_visit

__all__ = ["begin_room", "offer_room", "room_now", "show_room", "show_scores"]

_bar = st.components.v2.component("lora_room", html=ROOM_HTML, css=ROOM_CSS, js=ROOM_SCRIPT)
_COOKIE = "lora_room"
_SECONDS = {"choice": 45.0, "number": 60.0, "curve": 90.0}  # that are given; answers count until the reveal


@dataclass(slots=True)
class _Rooms:
    """The key of this visit's room, and whether the browser was asked for one that was opened before a reload."""

    key: Key | None = None
    looked: bool = False


def room_now() -> Room | None:
    """The room that this visit presents; None: there is none, or it has ended."""
    mine = of_visit(_Rooms)
    if mine.key is None and not mine.looked:
        code, _, secret = str(st.context.cookies.get(_COOKIE) or "").partition(".")
        mine.key = Key(plain_code(code), secret[:100]) if plain_code(code) else None
    mine.looked = True
    if mine.key is None:
        return None
    try:
        room = store().get(mine.key.code)
    except RoomError as error:
        if error.status == 404:
            mine.key = None
        return None
    if not is_presenter(room, mine.key.secret):
        mine.key = None
        return None
    return room


def begin_room() -> Room | None:
    """Open a room for this visit, unless it has one; what is in the way is said."""
    room = room_now()
    if room is not None:
        return room
    try:
        room, key = open_room(client=st.context.ip_address or "")
    except RoomError as error:
        st.warning(on_screen(error.said), icon=":material/warning:")
        return None
    mine = of_visit(_Rooms)
    mine.key = key
    return room


def offer_room(key: str) -> None:
    """The way into a room, where there is none yet."""
    if room_now() is None and st.button(
        say("Open a room"), key=key, icon=":material/groups:",
        help=on_screen(say("The audience answers on its phones: a code of four letters, nothing to install.")),
    ) and begin_room() is not None:  # fmt: skip
        st.rerun()


def show_room(scene: str = "", question: Callable[[], Question] | None = None, shown: str = "") -> None:
    """The room's line on the wall; the ``question`` of this scene is put to the room, once.

    ``shown`` is what the player calls the scene: until it shows this one, it asks nothing.
    """
    room = room_now()
    mine = of_visit(_Rooms)
    if room is None or mine.key is None:
        _bar(key="room", data={"code": "", "words": words()}, on_ended_change=lambda: None)
        return
    place = next((i for i in reversed(range(len(room.rounds))) if room.rounds[i].scene == scene), None)
    if question is not None and (place is None or (room.rounds[place].state == "skipped" and place != room.now)):
        with suppress(Refusal):  # a question that this picture cannot answer is said where it would stand
            asked = question()
            room = store().change(room.code, Asked(scene, asked, _SECONDS[asked.kind]))
            place = room.now
    elif question is None and room.open is not None:
        place = None
    way = here("room/")
    offered = for_others(way)
    address = offered.address.rstrip("/")
    joined = f"{address}/{room.code}"
    picture = segno.make(joined, error="m").svg_data_uri(scale=10, border=4, dark="#000000", light="#ffffff")
    path = urlsplit(way).path
    asked_now = place is not None and question is not None
    _bar(
        key="room",
        data={
            "code": room.code, "secret": mine.key.secret, "api": f"{path}api/",
            "path": path.removesuffix("room/") or "/",
            "scene": scene, "shown": shown, "round": place if asked_now else None,
            "state": room.rounds[place].state if asked_now and place is not None else "",
            "address": address.partition("://")[2], "qr": picture if address else "", "note": offered.told,
            "words": words(),
        },
        on_ended_change=_ended,
    )  # fmt: skip


def _ended() -> None:
    of_visit(_Rooms).key = None


def show_scores() -> None:
    """Behind the last scene: how near the room was, question by question, and what it got most wrong."""
    room = room_now()
    if room is None:
        return
    try:
        answers = [store().answers(room.code, place) for place in range(len(room.rounds))]
    except RoomError:
        return
    scored = [one for one in scores(room, answers, language()) if one.thought.answered]
    if not scored:
        return
    rows = "".join(f"<tr><th scope='row'>{escape(one.text)}</th><td>{_share(one)}</td></tr>" for one in scored)
    worst = min(scored, key=lambda one: one.thought.share)
    told = say("What the room got most wrong: {question} Measured: {measured}", question=worst.text,
               measured=worst.measured)  # fmt: skip
    head = f"<caption>{escape(say('How near the room was'))}</caption>"
    st.html(f"<table class='scores'>{head}{rows}</table>")
    if worst.thought.share < 1:
        st.markdown(on_screen(told))


def _share(one: Scored) -> str:
    return escape(say("{near} of {answered}", near=one.thought.near, answered=one.thought.answered)) + (
        f" ({round(100 * one.thought.share)} %)"
    )
