"""The light edition's addresses: every lesson as a plain page, without a session and without a WebSocket.

``/light/`` lists the lessons, ``/light/rank?target_rank=2`` is one at these settings, under the names that the app's
links have. A browser and a proxy may keep what they got: the same address is the same page while the program is.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from hashlib import sha256
from html import escape
from typing import Any
from urllib.parse import urlencode

import numpy as np
from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from lora_viz.core.progress import Progress
from lora_viz.core.refusals import Refusal
from lora_viz.i18n.language import languages, say, speak
from lora_viz.lessons.controls import LONGEST_SHOWN, File, Number, SettingError, Several
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson, Played
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.walk import UnknownLesson
from lora_viz.lessons.walk import lesson as found
from lora_viz.light.assets import assets, element
from lora_viz.light.contents import contents
from lora_viz.light.page import framed, packed, page
from lora_viz.light.place import Place, app_address
from lora_viz.ui.browser_language import spoken_by

__all__ = ["answer_asset", "answer_contents", "answer_element", "answer_lesson", "answer_slash", "settled"]

BESIDE = ("device", "controls", "at", "deck", "scene", "embed", "embed_options", "level", "lang")  # the app's own words
ASKED_MOST = 112
# Threads of their own: all other addresses share 40, and none of those may be kept waiting.
_LANES = CapacityLimiter(12)
_ASKED = set[Request]()  # what is measured now or waits for it


async def answer_slash(request: Request) -> Response:
    """Addresses on the list are below it, so it ends in a slash."""
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"light/{query}", 308)


async def answer_asset(request: Request) -> Response:
    """What all plain pages share; its name changes with what is in it."""
    held = assets().get(request.path_params["name"])
    if held is None:
        return Response(status_code=404)
    return Response(held[1], media_type=held[0], headers={"Cache-Control": "public, max-age=31536000, immutable"})


async def answer_element(request: Request) -> Response:
    """The script of ``<lora-film>``, for anybody's page; its address stays, so a browser asks again after an hour."""
    headers = {"Cache-Control": "public, max-age=3600", "Cross-Origin-Resource-Policy": "cross-origin",
               "Access-Control-Allow-Origin": "*"}  # fmt: skip
    return Response(element(), media_type="text/javascript", headers=headers)


async def answer_contents(request: Request) -> Response:
    """The list of lessons."""
    code = spoken_by(request)
    with speak(code):
        return _kept(request, contents(_place("", {}, code)), 200)


async def answer_lesson(request: Request) -> Response:
    """One lesson, measured for this request where nobody has asked for it before.

    So many are measured or wait at once; who comes then is asked to come again, and holds up no other address. Who goes
    waits no longer, and what nobody else waits for ends.
    """
    if len(_ASKED) >= ASKED_MOST:
        with speak(spoken_by(request)):
            told = say("Too many requests: please try again in a minute.")
        return PlainTextResponse(told, 503, {"Retry-After": "30"})
    _ASKED.add(request)
    gone = threading.Event()
    watch = asyncio.ensure_future(_tell_when_gone(request, gone))
    try:
        return await to_thread.run_sync(_lesson, request, gone, limiter=_LANES)
    except _Gone:
        return Response(status_code=499)  # which nobody reads
    finally:
        watch.cancel()
        _ASKED.discard(request)


class _Gone(Exception):
    """Whoever asked has gone."""


async def _tell_when_gone(request: Request, gone: threading.Event) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    gone.set()


def _lesson(request: Request, gone: threading.Event) -> Response:
    def heed(_: Progress) -> None:
        if gone.is_set():
            raise _Gone

    code = spoken_by(request)
    with speak(code):
        try:
            lesson = found(request.path_params["lesson"])
        except UnknownLesson as error:
            told = f"<h1>{escape(say('No such lesson'))}</h1><p>{escape(str(error))}</p>"
            return _kept(request, framed(say("No such lesson"), told, _place("", {}, code)), 404)
        link: dict[str, list[str]] = {}
        for name, value in request.query_params.multi_items():
            link.setdefault(name, []).append(value)
        settings, notices = settled(lesson, link)
        lab = Lab(visitor=f"light {request.client.host if request.client else ''}", progress=heed)
        try:
            played: Played[Any] = lesson.played(settings, lab)
        except Refusal as error:
            notices = (*notices, say("{error} Showing what the lesson opens with instead.", error=error))
            played = lesson.played(lesson.settings(), lab)
        place = _place(lesson.id, played.link, code)
        film = packed(played, _frame(played, link.get("at", [""])[0]))
        return _kept(request, page(played, place, notices=notices, film=film), 200)


def settled(lesson: Lesson[Any], link: Mapping[str, list[str]]) -> tuple[Settings, tuple[str, ...]]:
    """The settings that a link asks for, and in words what of it cannot be: that is as the lesson opens."""
    answers: dict[str, Any] = {}
    notices = []
    for control in lesson.walk(answers):
        answers[control.id] = control.usual(lesson.default)
        given = link.get(control.id)
        if given is None or isinstance(control, File) or (given == [""] and isinstance(control, Number)):
            continue
        try:
            several = isinstance(control, Several)
            answers[control.id] = control.parse(given if several else given[-1])  # type: ignore[arg-type]
        except SettingError as error:
            notices.append(str(error))
    unknown = [name for name in link if name not in answers and name not in BESIDE]
    if len(unknown) == 1:
        short = unknown[0][:LONGEST_SHOWN]
        notices.append(say("{name} in the link is not a setting of this lesson: it is left out.", name=short))
    elif unknown:
        notices.append(say("{name} and {count} more in the link are not settings of this lesson: they are left out.",
                           name=unknown[0][:LONGEST_SHOWN], count=len(unknown) - 1))  # fmt: skip
    settings, reconciled = lesson.resolve(answers)
    return settings, (*notices, *reconciled)


def _frame(played: Played[Any], at: str) -> int | None:
    """The frame nearest to this place on the film's axis; None where the link asks for none that is a number."""
    try:
        place = float(at[:20])
    except ValueError:
        return None
    if played.film is None or not np.isfinite(place):
        return None
    return int(np.argmin(np.abs(played.film.values - place)))


def _place(name: str, settings: Mapping[str, Any], code: str) -> Place:
    def address(to: str, given: Mapping[str, Any]) -> str:
        return f"{to}?{urlencode({**given, 'lang': code}, doseq=True)}"

    def in_language(other: str) -> str:
        return f"{name or './'}?{urlencode({**settings, 'lang': other}, doseq=True)}"

    others = {other: in_language(other) for other in languages()}
    return Place(address, "assets/", app_address("../"), f"./?{urlencode({'lang': code})}", others, form=True)


def _kept(request: Request, text: str, status: int) -> Response:
    """The page, or word that the browser's own is still right."""
    mark = f'W/"{sha256(text.encode()).hexdigest()[:32]}"'
    headers = {"ETag": mark, "Cache-Control": "public, max-age=300", "Vary": "Accept-Language"}
    if status == 200 and mark in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return HTMLResponse(text, status, headers)
