"""The addresses of rooms: the phones' page, what phones send and wait for, and what the presenter's screen asks.

``/room/BCDF`` is the page, all else lies below ``/room/api/``. A phone shows its token, the presenter's screen the
room's secret, both as ``Authorization: Bearer …``: no cookie. What is refused is one sentence and its status; whether a
code exists is told by going in alone, in a time that is always the same, and not often to one client.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, NoReturn

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from lora_viz.i18n.language import say, speak
from lora_viz.rooms.bell import Bell
from lora_viz.rooms.clock import now
from lora_viz.rooms.limits import Limit
from lora_viz.rooms.opening import store
from lora_viz.rooms.phone import POLICY, assets, page
from lora_viz.rooms.question import checked
from lora_viz.rooms.refused import RoomError
from lora_viz.rooms.room import (
    Closed,
    Event,
    Extended,
    Hidden,
    Measured,
    Room,
    Skipped,
    drawn_secret,
    is_presenter,
    is_token,
    plain_code,
    token_of,
)  # fmt: skip
from lora_viz.rooms.store import packed
from lora_viz.rooms.tables import as_csv, as_json
from lora_viz.rooms.thought import thought
from lora_viz.ui.browser_language import spoken_by

__all__ = ["ROOM_ADDRESSES"]

LONGEST = 32 << 10  # bytes of a body: a curve has 1 kB
_DRAINED = 16 << 20  # bytes that are read and dropped before it is said that they are too many
_WAIT = 8.0  # seconds that a phone's question is held: a server that is stopped waits for those that are open
_EVEN = 0.15  # seconds that every way in takes
_WRONG = Limit("wrong", 40, 0.5)  # codes, tokens and secrets that were not right, of one client
_ENTERED = Limit("entered", 1500, 20.0)  # a lecture hall behind one address
_ANSWERED = Limit("answered", 20, 2.0)  # of one phone
Answer = Callable[[Request], Awaitable[Response]]


@cache
def _bell() -> Bell:
    return Bell(store())


def _refused() -> RoomError:
    """The same for a room that is not there and for a token that is not its own."""
    return RoomError(say("This room has ended, or this phone is not in it: go in again."), 403)


def _spoken(answer: Answer) -> Answer:
    """In the language that is asked for; what is refused as JSON."""

    async def answered(request: Request) -> Response:
        with speak(spoken_by(request)):
            try:
                return await answer(request)
            except RoomError as error:
                return _json({"error": str(error)}, error.status)
            except ClientDisconnect:
                return Response(status_code=400)

    return answered


def _json(told: Any, status: int = 200) -> Response:
    return JSONResponse(told, status, headers={"Cache-Control": "no-store"})


async def _evenly(begun: float) -> None:
    await asyncio.sleep(max(0.0, begun + _EVEN - time.monotonic()))


def _client(request: Request) -> str:
    return request.client.host if request.client else ""


def _bearer(request: Request) -> str:
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    return given.strip()[:100] if kind.lower() == "bearer" else ""


async def _body(request: Request) -> dict[str, Any]:
    """The JSON object that was sent. Raises RoomError: 413, 415, 400."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise RoomError(say("Requests must be application/json."), 415)
    content, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= LONGEST:
            content += chunk
        if size > _DRAINED:
            break
    if size > LONGEST:
        raise RoomError(say("That is longer than {most} bytes: no answer is.", most=LONGEST), 413)
    try:
        found = json.loads(content.decode("utf-8"), parse_constant=_no_number)
    except RoomError:
        raise
    except (ValueError, RecursionError):
        raise RoomError(say("What was sent is not JSON."), 400) from None
    if not isinstance(found, dict):
        raise RoomError(say("What was sent is not JSON."), 400)
    return found


def _no_number(given: str) -> NoReturn:
    raise RoomError(
        say("{given} is not a number between −10¹² and 10¹². Your earlier answer stays.", given=given[:20]), 422
    )


async def _known(request: Request, right: Callable[[Room, str], bool]) -> Room:
    """The room of the address, where the bearer has a right to it. Raises RoomError, and takes its time for it."""
    begun = time.monotonic()
    try:
        code = plain_code(request.path_params["code"])
        room: Room = await _bell().ask("get", code or "none")
        if right(room, _bearer(request)):
            return room
    except RoomError as error:
        if error.status != 404:
            raise
    allowed = await _allows(_WRONG, _client(request))
    await _evenly(begun)
    raise _refused() if allowed else _slower()


async def _allows(limit: Limit, client: str, costs: float = 1.0) -> bool:
    return bool(await _bell().ask("allows", limit, client, costs))


def _slower() -> RoomError:
    return RoomError(say("That was tried too often from here: wait a minute."), 429)


# The phones.


@_spoken
async def answer_page(request: Request) -> Response:
    """The page; the code in its address is looked at by its script alone."""
    return HTMLResponse(page(), headers={"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"})


async def answer_slash(request: Request) -> Response:
    """The page's files lie below it, so it ends in a slash."""
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"room/{query}", 308)


async def answer_asset(request: Request) -> Response:
    """Script and style; a name changes with what is in it."""
    held = assets().get(request.path_params["name"])
    if held is None:
        return Response(status_code=404)
    return Response(held[1], media_type=held[0], headers={"Cache-Control": "public, max-age=31536000, immutable"})


@_spoken
async def answer_join(request: Request) -> Response:
    """A phone goes in: ``{code, phone}`` with the token that it has, if any; its token comes back."""
    begun, client = time.monotonic(), _client(request)
    given = await _body(request)
    try:
        if not await _allows(_WRONG, client, 0.0) or not await _allows(_ENTERED, client):
            raise _slower()
        code, token = plain_code(str(given.get("code", ""))[:20]), str(given.get("phone", ""))[:100]
        try:
            room: Room = await _bell().ask("get", code or "none")
        except RoomError as error:
            if error.status == 404:
                await _allows(_WRONG, client)
            raise
        token = token if is_token(room, token) else token_of(room, drawn_secret())
        await _bell().ask("join", room.code, token)
        return _json({"phone": token})
    finally:
        await _evenly(begun)


@_spoken
async def answer_state(request: Request) -> Response:
    """What the phones are shown, as soon as it is not at version ``after`` any more."""
    room = await _known(request, is_token)
    after = request.query_params.get("after", "")[:12]
    if after.isascii() and after.isdigit() and int(after) == room.version:
        await _changed(request, room)
        room = await _known(request, is_token)
    told: dict[str, Any] = {"version": room.version, "round": None}
    if room.rounds and room.now is not None:
        last = room.rounds[-1]
        own: dict[str, Any] = {"place": room.now, "state": last.state, "left": max(0.0, last.until - now())}
        if last.state == "open":
            own["question"] = last.question.for_phones(spoken_by(request))
        elif last.state == "measured":
            own["measured"] = last.question.measured
        told["round"] = own
    return _json(told)


async def _changed(request: Request, room: Room) -> None:
    """Wait until the room has changed, for a while, and not for a phone that has gone."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    waits = [asyncio.ensure_future(_bell().changed(room.code, room.version, _WAIT)), asyncio.ensure_future(gone())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()


@_spoken
async def answer_answer(request: Request) -> Response:
    """A phone answers: ``{round, nth, answer}``. ``nth`` grows with each change, so that no replay undoes one."""
    given = await _body(request)
    room = await _known(request, is_token)
    token = _bearer(request)
    if not await _allows(_ANSWERED, token):
        raise RoomError(say("That was changed too often: wait a second."), 429)
    place, nth = given.get("round"), given.get("nth")
    if isinstance(place, bool) or not isinstance(place, int) or not 0 <= place < len(room.rounds):
        raise RoomError(say("This question was not asked in this room."), 404)
    if isinstance(nth, bool) or not isinstance(nth, int) or not 0 < nth < 1 << 31:
        raise RoomError(say("An answer has a number that counts its changes, from 1."), 422)
    if "answer" not in given:
        raise RoomError(say("There is no answer in what was sent."), 422)
    answer = checked(room.rounds[place].question, given["answer"])
    await _bell().ask("put", room.code, place, token, nth, packed(answer))
    return _json({"kept": True})


# The presenter's screen.


@_spoken
async def answer_front(request: Request) -> Response:
    """What the wall says of the room: how many are in, how many answered, how much time is left. No distribution."""
    return _json(await _front(await _known(request, is_presenter)))


async def _front(room: Room) -> dict[str, Any]:
    phones, answered = await _bell().ask("counts", room.code, room.now)
    last = room.rounds[-1] if room.rounds else None
    return {
        "version": room.version, "phones": phones, "hidden": room.hidden, "round": room.now,
        "answered": answered if last else 0,
        "scene": last.scene if last else "", "state": last.state if last else "",
        "left": max(0.0, last.until - now()) if last else 0.0,
    }  # fmt: skip


_EVENTS: dict[str, Callable[[], Event]] = {
    "extend": Extended, "close": Closed, "measure": Measured, "skip": Skipped,
    "hide": lambda: Hidden(True), "show": lambda: Hidden(False),
}  # fmt: skip


@_spoken
async def answer_act(request: Request) -> Response:
    """The presenter does something to the room: ``{do}`` is extend, close, measure, skip, hide, show or remove."""
    given = await _body(request)
    room = await _known(request, is_presenter)
    asked = given.get("do")
    if asked == "remove":
        await _bell().ask("remove", room.code)
        return _json({"removed": True})
    if not isinstance(asked, str) or asked not in _EVENTS:
        allowed = ", ".join((*_EVENTS, "remove"))
        raise RoomError(
            say("{given} is not a valid action. Valid values: {allowed}.", given=str(asked)[:40], allowed=allowed), 422
        )
    room = await _bell().ask("change", room.code, _EVENTS[asked]())
    return _json(await _front(room))


@_spoken
async def answer_thought(request: Request) -> Response:
    """What the room thinks of a closed question; once it is measured, also what was measured, and who was near."""
    room = await _known(request, is_presenter)
    asked = request.query_params.get("round", "")[:6]
    place = int(asked) if asked.isascii() and asked.isdigit() else -1
    if not 0 <= place < len(room.rounds):
        raise RoomError(say("This question was not asked in this room."), 404)
    one = room.rounds[place]
    if one.state not in ("closed", "measured"):
        raise RoomError(say("Nobody sees the answers before the reveal."), 409)
    found = thought(one.question, await _bell().ask("answers", room.code, place))
    own = one.question
    told = {
        "kind": own.kind, "state": one.state, "choices": own.words[0][1].choices, "low": own.low, "high": own.high,
        "scale": own.scale, "places": own.places, **found.before(),
    }  # fmt: skip
    if one.state == "measured":
        told |= {"near": found.near, "truth": own.truth, "measured": own.measured}
    return _json(told)


@_spoken
async def answer_table(request: Request) -> Response:
    """The answers of all revealed questions, as CSV or JSON."""
    room = await _known(request, is_presenter)
    answers = [await _bell().ask("answers", room.code, place) for place in range(len(room.rounds))]
    if request.path_params["kind"] == "csv":
        return Response(as_csv(room, answers), media_type="text/csv", headers={"Cache-Control": "no-store"})
    return Response(as_json(room, answers), media_type="application/json", headers={"Cache-Control": "no-store"})


# Path, what answers, and by which methods.
ROOM_ADDRESSES: tuple[tuple[str, Answer, tuple[str, ...]], ...] = (
    ("/room", answer_slash, ("GET",)),
    ("/room/", answer_page, ("GET",)),
    ("/room/assets/{name}", answer_asset, ("GET",)),
    ("/room/api/join", answer_join, ("POST",)),
    ("/room/api/{code}/state", answer_state, ("GET",)),
    ("/room/api/{code}/answer", answer_answer, ("POST",)),
    ("/room/api/{code}/front", answer_front, ("GET",)),
    ("/room/api/{code}/act", answer_act, ("POST",)),
    ("/room/api/{code}/thought", answer_thought, ("GET",)),
    ("/room/api/{code}/answers.{kind:str}", answer_table, ("GET",)),
    ("/room/{code}", answer_page, ("GET",)),
)
