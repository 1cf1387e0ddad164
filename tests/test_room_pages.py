"""The addresses of rooms: what a phone and a presenter's screen may do there, what is refused, and how it is said."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.responses import HTMLResponse
from starlette.routing import Route, Router

from lora_viz.i18n.language import speak
from lora_viz.rooms.clock import now
from lora_viz.rooms.limits import Limit
from lora_viz.rooms.opening import Key, open_room
from lora_viz.rooms.phone import assets, page
from lora_viz.rooms.question import Question, Wording
from lora_viz.rooms.room import Asked
from lora_viz.rooms.store import Memory, Store
from lora_viz.ui import room_pages
from lora_viz.ui.first_visit import FirstVisit
from lora_viz.ui.room_pages import LONGEST, ROOM_ADDRESSES
from tests.awaited import awaited

CHOICE = Question(
    kind="choice", truth=1, measured="b: 7",
    words=(("en", Wording("Which?", ("a", "b"))), ("de", Wording("Was?", ("A", "B")))),
)  # fmt: skip
NUMBER = Question(kind="number", truth=0.5, words=(("en", Wording("How much?")),), low=0.0, high=2.0)
CURVE = Question(
    kind="curve", truth=(1.0, 2.0, 3.0), words=(("en", Wording("Draw.")),), low=0.0, high=4.0, places=(0.0, 1.0, 2.0)
)
ROUTER = Router([Route(path, answer, methods=[*methods]) for path, answer, methods in ROOM_ADDRESSES])
CLOCK = {0: 0.0}  # the rooms' time, which stands still unless a test moves it
Got = tuple[int, dict[str, str], Any]


async def ask(method: str, path: str, token: str = "", body: Any = None, **headers: str) -> Got:
    """What the routes answer; a body that is no bytes goes as JSON."""
    path, _, query = path.partition("?")
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    given = {"content-type": "application/json", "authorization": f"Bearer {token}", **headers}
    scope = {"type": "http", "method": method, "path": f"/room{path}", "query_string": query.encode(), "root_path": "",
             "headers": [(name.encode(), value.encode()) for name, value in given.items()],
             "client": ("192.0.2.7", 5), "state": {}}  # fmt: skip
    sent: list[Any] = []
    chunks = [content[i : i + 65536] for i in range(0, len(content), 65536)] or [b""]

    async def receive() -> dict[str, Any]:
        if not chunks:
            await asyncio.sleep(60)  # nobody hangs up
        return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}

    async def send(message: Any) -> None:
        sent.append(message)

    await ROUTER(scope, receive, send)
    found = b"".join(message.get("body", b"") for message in sent[1:])
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return (
        sent[0]["status"],
        headers,
        json.loads(found) if "json" in headers.get("content-type", "") else found.decode(),
    )


def asked(method: str, path: str, token: str = "", body: Any = None, **headers: str) -> Got:
    return awaited(ask(method, path, token, body, **headers))


@pytest.fixture(autouse=True)
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Rooms, with their limits, of this test alone; ways in that take no time, where no time is asked for."""
    kept = Memory(lambda: CLOCK[0])
    monkeypatch.setattr(room_pages, "store", lambda: kept)
    monkeypatch.setitem(CLOCK, 0, now())
    monkeypatch.setattr(room_pages, "_EVEN", 0.0)
    room_pages._bell.cache_clear()
    yield kept
    room_pages._bell.cache_clear()


@pytest.fixture
def key(store: Store) -> Key:
    return open_room(kept=store)[1]


def joined(key: Key) -> str:
    status, _, told = asked("POST", "/api/join", body={"code": key.code.lower()})
    assert status == 200
    return str(told["phone"])


def test_a_question_goes_to_the_phones_and_back_to_the_wall(store: Store, key: Key) -> None:
    phones = [joined(key) for _ in range(3)]
    assert len(set(phones)) == 3 and joined(key) not in phones
    state = f"/api/{key.code}/state"
    assert asked("GET", state, phones[0])[2] == {"version": 0, "round": None}
    store.change(key.code, Asked("d/2", CHOICE, 60.0))
    _, headers, told = asked("GET", f"{state}?after=0&lang=de", phones[0])
    assert told["round"]["question"]["choices"] == ["A", "B"] and told["round"]["question"]["text"] == "Was?"
    assert headers["cache-control"] == "no-store" and "set-cookie" not in headers
    for phone, choice in zip(phones, (1, 0, 1), strict=True):
        body = {"round": 0, "nth": 1, "answer": choice}
        assert asked("POST", f"/api/{key.code}/answer", phone, body)[2] == {"kept": True}
    front = asked("GET", f"/api/{key.code}/front", key.secret)[2]
    assert (front["phones"], front["answered"], front["state"], front["scene"]) == (4, 3, "open", "d/2")
    assert 55 < front["left"] <= 60 and "counts" not in front
    thought = f"/api/{key.code}/thought?round=0"
    assert asked("GET", thought, key.secret)[0] == 409, "nobody sees the distribution before the reveal"
    assert "a" not in asked("GET", f"/api/{key.code}/answers.csv", key.secret)[2].splitlines()[1:]
    assert asked("POST", f"/api/{key.code}/act", key.secret, {"do": "close"})[2]["state"] == "closed"
    told = asked("GET", thought, key.secret)[2]
    assert told["counts"] == [1, 2] and not {"near", "truth", "measured"} & set(told)
    assert "question" not in asked("GET", state, phones[0])[2]["round"]
    asked("POST", f"/api/{key.code}/act", key.secret, {"do": "measure"})
    told = asked("GET", thought, key.secret)[2]
    assert (told["near"], told["truth"], told["measured"]) == (2, 1, "b: 7")
    assert asked("GET", state, phones[0])[2]["round"]["measured"] == "b: 7"
    assert asked("GET", f"/api/{key.code}/answers.csv", key.secret)[2].count("d/2,Which?,choice,b") == 2
    assert asked("GET", f"/api/{key.code}/answers.json", key.secret)[2][0]["answers"] == [0, 1, 1]
    asked("POST", f"/api/{key.code}/act", key.secret, {"do": "remove"})
    assert asked("GET", state, phones[0])[0] == 403


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"round": 0, "nth": 2, "answer": NaN}', 422),
        (b'{"round": 0, "nth": 2, "answer": -Infinity}', 422),
        (b'{"round": 0, "nth": 2, "answer": "0.5"}', 422),
        (b'{"round": 0, "nth": 2, "answer": 1e400}', 422),
        (b'{"round": 0, "nth": 2, "answer": ' + b"9" * 5000 + b"}", 400),
        (b'{"round": 0, "nth": 2}', 422),
        (b'{"round": 0, "nth": "2", "answer": 1}', 422),
        (b'{"round": 0, "nth": 0, "answer": 1}', 422),
        (b'{"round": 0, "nth": 1, "answer": 1}', 409),  # a replay with another answer
        (b'{"round": 7, "nth": 2, "answer": 1}', 404),  # a forged scene
        (b'{"round": -1, "nth": 2, "answer": 1}', 404),
        (b'{"round": true, "nth": 2, "answer": 1}', 404),
        (b'{"round": "0", "nth": 2, "answer": 1}', 404),
        (b"[1]", 400),
        (b"", 400),
        (b"\xff", 400),
        (b"[" * 20_000, 400),
        (b" " * 10_000_000, 413),
        (json.dumps({"round": 0, "nth": 2, "answer": [1.5] * 100_000}).encode(), 413),
    ],
    ids=range(19),
)  # fmt: skip
def test_bad_input_is_one_sentence_and_changes_nothing(store: Store, key: Key, body: bytes, status: int) -> None:
    phone, way = joined(key), f"/api/{key.code}/answer"
    store.change(key.code, Asked("d/1", NUMBER, 60.0))
    assert asked("POST", way, phone, {"round": 0, "nth": 1, "answer": 0.25})[0] == 200
    got, _, told = asked("POST", way, phone, body)
    assert got == status and re.fullmatch(r"[^.]+(\.\d[^.]*)?\.( [^.]+\.)?", told["error"]), told
    assert store.answers(key.code, 0) == (0.25,)


def test_curves_of_another_length_late_answers_and_other_types_are_refused(store: Store, key: Key) -> None:
    phone, way = joined(key), f"/api/{key.code}/answer"
    store.change(key.code, Asked("d/1", CURVE, 60.0))
    assert asked("POST", way, phone, {"round": 0, "nth": 1, "answer": [1.0] * 1000})[0] == 422
    assert asked("POST", way, phone, {"round": 0, "nth": 1, "answer": [1, None, 2.5]})[0] == 200
    assert asked("POST", way, phone, {"round": 0, "nth": 1, "answer": [1, None, 2.5]})[0] == 200, "sent again: no harm"
    plain = {"content-type": "text/plain"}  # what a page of somebody else's may send without being asked
    assert asked("POST", way, phone, {"round": 0, "nth": 2, "answer": None}, **plain)[0] == 415
    asked("POST", f"/api/{key.code}/act", key.secret, {"do": "close"})
    late = asked("POST", way, phone, {"round": 0, "nth": 2, "answer": None})
    assert late[0] == 409 and "too late" in late[2]["error"] and store.answers(key.code, 0) == ((1.0, None, 2.5),)
    assert asked("POST", way, phone, {"round": 0, "nth": 2, "answer": None}, **{"accept-language": "de"})[2] != late[2]


def test_somebody_elses_room_is_neither_seen_nor_steered(
    store: Store, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_pages, "_WRONG", Limit("wrong", 1000, 1.0))
    other = open_room(kept=store)[1]
    store.change(key.code, Asked("d/1", CHOICE, 60.0))
    phone = joined(other)
    before = store.get(key.code)
    for token in ("", "x", phone, other.secret, phone.partition(".")[0]):
        for do in ("close", "remove", "hide"):
            assert asked("POST", f"/api/{key.code}/act", token, {"do": do})[0] == 403
        for way in ("front", "thought?round=0", "answers.csv", "answers.json", "state"):
            assert asked("GET", f"/api/{key.code}/{way}", token)[0] == 403
        assert asked("POST", f"/api/{key.code}/answer", token, {"round": 0, "nth": 1, "answer": 1})[0] == 403
    assert store.get(key.code) == before and store.counts(key.code, 0) == (0, 0)
    assert asked("POST", f"/api/{key.code}/act", joined(key), {"do": "close"})[0] == 403, "nor by a phone that is in it"


def test_a_code_cannot_be_guessed_in_bulk(store: Store, key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_pages, "_WRONG", Limit("wrong", 5, 0.5))
    statuses = [
        asked("POST", "/api/join", body={"code": code})[0] for code in ("ZZZZ", "", "AAAA", "ZZZ", "ZZZX", "ZZZW")
    ]
    assert statuses == [404] * 5 + [429]
    assert asked("POST", "/api/join", body={"code": key.code})[0] == 429, "a right one is told no better"
    CLOCK[0] += 60.0
    assert asked("POST", "/api/join", body={"code": key.code})[0] == 200
    there, away = (asked("GET", f"/api/{code}/state", "x")[2] for code in (key.code, "ZZZZ"))
    assert there == away, "nor does another address tell which rooms there are"


def test_ways_in_take_a_time_that_tells_nothing(store: Store, key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_pages, "_EVEN", 0.05)
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(time.monotonic() + seconds)

    for way in (("POST", "/api/join", "", {"code": key.code}), ("POST", "/api/join", "", {"code": "ZZZZ"}),
                ("GET", f"/api/{key.code}/state", "x"), ("GET", "/api/ZZZZ/state", "x")):  # fmt: skip
        begun = time.monotonic()
        with monkeypatch.context() as during:
            during.setattr(room_pages.asyncio, "sleep", sleep)
            asked(*way)
        assert slept.pop() == pytest.approx(begun + 0.05, abs=0.02), "however long looking it up took"


def test_a_phone_is_held_until_something_happens(store: Store, key: Key) -> None:
    phone = joined(key)

    async def waited() -> Got:
        waiting = asyncio.create_task(ask("GET", f"/api/{key.code}/state?after=0", phone))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        store.change(key.code, Asked("d/1", CHOICE, 60.0))
        return await waiting

    assert awaited(waited())[2]["version"] == 1


def test_nothing_of_streamlit_is_added_to_a_plain_page() -> None:
    async def got(html: str) -> str:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        app = FirstVisit(HTMLResponse(html))
        scope = {"type": "http", "method": "GET", "path": "/room/BCDF", "headers": [], "query_string": b""}
        await app(scope, None, send)
        return b"".join(message.get("body", b"") for message in sent).decode()

    assert awaited(got(page())) == page()
    assert "modulepreload" in awaited(got('<head></head><div id="root"></div>'))


def test_one_phone_cannot_flood(store: Store, key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_pages, "_ANSWERED", Limit("answered", 3, 0.0))
    store.change(key.code, Asked("d/1", CHOICE, 60.0))
    one, other = joined(key), joined(key)
    way = f"/api/{key.code}/answer"
    assert [asked("POST", way, one, {"round": 0, "nth": n, "answer": n % 2})[0] for n in range(1, 6)] == [200] * 3 + [
        429
    ] * 2
    assert asked("POST", way, other, {"round": 0, "nth": 1, "answer": 0})[0] == 200


@pytest.mark.parametrize("code", ["en", "de"])
def test_the_phones_page_is_light_and_says_what_is_kept(code: str) -> None:
    status, headers, text = asked("GET", f"/BCDF?lang={code}")
    assert (
        status == 200 and f'<html lang="{code}"' in text and "script-src 'self';" in headers["content-security-policy"]
    )
    with speak(code):
        assert text == page() == asked("GET", f"/<b>?lang={code}")[2], "nothing of the address is in it"
    assert ("cookie" if code == "en" else "Cookie") in text
    whole = len(text.encode()) + sum(len(content) for _, content in assets().values())
    assert whole <= 30_000, f"{whole} bytes before they are compressed"
    for name in assets():
        assert f"assets/{name}" in text and asked("GET", f"/assets/{name}")[0] == 200
    assert asked("GET", "/assets/none.js")[0] == 404 and asked("GET", "")[1]["location"] == "room/"
    assert len(gzip.compress(text.encode())) < 4000 and LONGEST > 20_000
