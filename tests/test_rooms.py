"""Rooms: what can happen to one, what it takes for an answer, both stores alike, what a room thought."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lora_viz.rooms import opening
from lora_viz.rooms import store as stores
from lora_viz.rooms.bell import Bell
from lora_viz.rooms.clock import now
from lora_viz.rooms.limits import Limit, network_of
from lora_viz.rooms.opening import open_room
from lora_viz.rooms.question import Question, Wording, checked
from lora_viz.rooms.refused import RoomError
from lora_viz.rooms.room import (
    LETTERS,
    LIFETIME,
    Asked,
    Closed,
    Extended,
    Hidden,
    Measured,
    Room,
    Skipped,
    happened,
    is_presenter,
    opened,
    plain_code,
)
from lora_viz.rooms.store import Memory, Store, packed
from lora_viz.rooms.tables import as_csv, as_json
from lora_viz.rooms.thought import scores, thought
from tests.awaited import awaited
from tests.rooms import MISSING, redis_served

CHOICE = Question(
    kind="choice", truth=2, measured="c: 7",
    words=(("en", Wording("Which?", ("a", "=b", "c"))), ("de", Wording("Welche?", ("A", "B", "C")))),
)  # fmt: skip
NUMBER = Question(kind="number", truth=0.5, words=(("en", Wording("How much?")),), low=0.0, high=2.0)
CURVE = Question(
    kind="curve", truth=(1.0, 10.0, 100.0, None, 1.0), words=(("en", Wording("Draw.", (), "step", "loss")),),
    low=0.1, high=1000.0, scale="log", places=(0.0, 1.0, 2.0, 3.0, 5.0),
)  # fmt: skip


class Clock:
    """A time that a test sets."""

    def __init__(self) -> None:
        self.now = now()

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="session")
def redis_address() -> Iterator[str]:
    with redis_served() as address:
        yield address


@pytest.fixture(params=["memory", pytest.param("shared", marks=pytest.mark.skipif(bool(MISSING), reason=MISSING))])
def made(request: pytest.FixtureRequest) -> Callable[[Clock], Store]:
    if request.param == "memory":
        return Memory
    from lora_viz.rooms.shared_store import Shared

    address = request.getfixturevalue("redis_address")
    Shared(address)._redis.flushall()
    return lambda clock: Shared(address, clock)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(made: Callable[[Clock], Store], clock: Clock) -> Store:
    return made(clock)


def status(call: Callable[..., Any], *given: Any) -> int:
    with pytest.raises(RoomError) as refused:
        call(*given)
    assert str(refused.value).count(".") >= 1 and not re.search(r"\{\w", str(refused.value))
    return refused.value.status


# What can happen.


def test_a_round_is_open_then_closed_then_measured_and_never_back() -> None:
    room = happened(opened("BCDF", "s", 100.0), Asked("d/1", CHOICE, 60.0), 100.0)
    assert (room.open, room.version, room.rounds[0].until) == (0, 1, 160.0)
    assert status(happened, room, Measured(), 101.0) == 409, "nothing measured before the room was shown itself"
    closed = happened(room, Closed(), 101.0)
    for event in (Closed(), Extended(), Skipped()):
        assert status(happened, closed, event, 102.0) == 409
    measured = happened(closed, Measured(), 103.0)
    assert measured.open is None and measured.rounds[0].state == "measured" and measured.version == 3
    assert room.rounds[0].state == "open", "a state is never changed"


def test_time_is_extended_from_now_and_a_new_question_skips_the_open_one() -> None:
    room = happened(opened("BCDF", "s", 0.0), Asked("d/1", CHOICE, 10.0), 0.0)
    assert happened(room, Extended(30.0), 4.0).rounds[0].until == 40.0
    assert happened(room, Extended(30.0), 50.0).rounds[0].until == 80.0, "what is past is not counted"
    assert happened(room, Extended(1e9), 0.0).rounds[0].until <= 900.0
    again = happened(room, Asked("d/2", NUMBER, 10.0), 5.0)
    assert [one.state for one in again.rounds] == ["skipped", "open"] and again.open == 1


def test_a_room_is_written_and_read_back() -> None:
    room = opened("BCDF", "s", 1.5)
    for question in (CHOICE, NUMBER, CURVE):
        room = happened(room, Asked("d/1", question, 60.0), 2.0)
    assert Room.read(json.loads(json.dumps(room.as_json(), allow_nan=False))) == room


def test_codes_are_four_letters_and_secrets_are_compared() -> None:
    codes = {open_room(kept=Memory())[1].code for _ in range(200)}
    assert all(len(code) == 4 and set(code) <= set(LETTERS) for code in codes) and len(codes) > 190
    assert plain_code(" b c d f ") == "BCDF" and not plain_code("BCDE") and not plain_code("BCDFF")
    room = opened("BCDF", "secret", 0.0)
    assert is_presenter(room, "secret") and not is_presenter(room, "Secret") and not is_presenter(room, "\ud800")
    assert "secret" not in json.dumps(room.as_json())


# What it takes for an answer.


@pytest.mark.parametrize(
    ("question", "given"),
    [
        *((CHOICE, wrong) for wrong in (-1, 3, "1", 1.0, True, [1], {})),
        *((NUMBER, wrong) for wrong in ("0.5", "", float("nan"), float("inf"), 1e13, 10**5000, True, [], {})),
        *((CURVE, wrong) for wrong in ([], [1.0] * 4, [1.0] * 100_000, [None] * 5, [1, 2, 3, 4, "5"], "12345", 1.0)),
        *((CURVE, [1, 2, 3, 4, wrong]) for wrong in (float("nan"), -1e13, True, [], 10**400)),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_is_no_answer_is_refused_in_one_sentence(question: Question, given: Any) -> None:
    assert status(checked, question, given) == 422


def test_answers_are_typed_and_not_to_know_is_one() -> None:
    assert checked(CHOICE, 2) == 2 and checked(NUMBER, 3) == 3.0 and isinstance(checked(NUMBER, 3), float)
    assert checked(CURVE, [1, None, 0.123456, -2, None]) == (1.0, None, 0.1235, -2.0, None)
    assert [checked(question, None) for question in (CHOICE, NUMBER, CURVE)] == [None] * 3
    told = json.dumps([question.for_phones("de") for question in (CHOICE, NUMBER, CURVE)])
    assert "truth" not in told and "measured" not in told and "Welche?" in told


# Both stores alike.


def room_in(store: Store, question: Question = CHOICE) -> str:
    room, _ = open_room(kept=store)
    store.change(room.code, Asked("d/1", question, 60.0))
    return room.code


def test_one_answer_a_phone_which_may_change_until_the_reveal(store: Store) -> None:
    code = room_in(store)
    for phone in ("p", "q", "r"):
        store.join(code, phone)
        store.join(code, phone)
    assert store.put(code, 0, "p", 1, "0") and store.put(code, 0, "q", 1, "2") and store.put(code, 0, "p", 2, "2")
    assert not store.put(code, 0, "p", 2, "2"), "the same again changes nothing"
    assert status(store.put, code, 0, "p", 1, "0") == 409, "nor does a replay of an older one"
    assert status(store.put, code, 0, "p", 2, "0") == 409
    assert store.counts(code, 0) == (3, 2) and store.answers(code, 0) == (2, 2)
    assert status(store.put, code, 0, "x", 1, "0") == 403, "a phone that is not in it"
    assert status(store.put, code, 1, "p", 1, "0") == 409, "a scene that was not asked"
    store.change(code, Closed())
    assert status(store.put, code, 0, "p", 3, "1") == 409 and store.answers(code, 0) == (2, 2)


def test_every_kind_of_answer_comes_back_as_it_was(store: Store) -> None:
    code = room_in(store)
    store.join(code, "p")
    for place, answer in enumerate([1, 0.1, (1.0, None, 2.5), None]):
        store.change(code, Asked(f"d/{place}", CHOICE, 60.0))
        store.put(code, place + 1, "p", 1, packed(answer))
        assert store.answers(code, place + 1) == (answer,)


def test_rooms_end_after_four_hours_and_when_they_are_removed(store: Store, clock: Clock) -> None:
    code, other = room_in(store), room_in(store)
    store.join(code, "p")
    assert store.versions([code, other, "ZZZZ"]) == {code: 1, other: 1}
    store.remove(other)
    clock.now += LIFETIME - 1
    assert store.get(code).open == 0
    clock.now += 2
    for gone in (code, other):
        assert status(store.get, gone) == status(store.join, gone, "q") == status(store.counts, gone, 0) == 404
        assert status(store.change, gone, Closed()) == status(store.answers, gone, 0) == 404


def test_a_hidden_room_takes_nobody_new(store: Store) -> None:
    code = room_in(store)
    store.join(code, "p")
    store.change(code, Hidden(True))
    assert status(store.join, code, "q") == 403
    store.join(code, "p")
    assert store.put(code, 0, "p", 1, "1") and store.counts(code, 0) == (1, 1)
    store.change(code, Hidden(False))
    store.join(code, "q")


def test_rooms_are_bounded_in_number_phones_and_bytes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    modules = [stores] if isinstance(store, Memory) else [stores, __import__("sys").modules[type(store).__module__]]
    for module in modules:
        for name, most in (("MOST_ROOMS", 2), ("MOST_PHONES", 3), ("MOST_BYTES", 20)):
            monkeypatch.setattr(module, name, most)
    code, _ = room_in(store), room_in(store)
    assert status(room_in, store) == 503
    for phone in "pqr":
        store.join(code, phone)
    assert status(store.join, code, "s") == 507
    assert store.put(code, 0, "p", 1, "[1.0,2.0,3.0]")
    assert status(store.put, code, 0, "q", 1, "[1.0,2.0,3.0]") == 507
    assert store.put(code, 0, "p", 2, "1") and store.put(code, 0, "q", 1, "[1.0,2.0,3.0]"), "what is replaced is freed"


def test_a_taken_code_is_not_given_again(store: Store) -> None:
    room = opened("BCDF", "s", now())
    assert store.add(room) and not store.add(replace(room, presenter="other"))
    assert store.get("BCDF").presenter == room.presenter


def test_who_waits_is_woken_by_any_change_and_by_the_end(store: Store) -> None:
    code = room_in(store)

    async def waited() -> list[float]:
        bell, begun, took = Bell(store), time.monotonic(), []

        async def one(version: int) -> None:
            await bell.changed(code, version, 20.0)
            took.append(time.monotonic() - begun)

        waiting = [asyncio.create_task(one(1)) for _ in range(50)]
        await one(0)  # an older version is no reason to wait
        assert not any(task.done() for task in waiting)
        await bell.ask("change", code, Closed())
        await asyncio.gather(*waiting)
        last = asyncio.create_task(one(2))
        await bell.ask("remove", code)
        await last
        await bell.changed(code, 2, 20.0)
        return took

    assert len(awaited(waited())) == 52


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
def test_a_store_that_is_away_is_one_sentence() -> None:
    from lora_viz.rooms.shared_store import Shared

    assert status(Shared("unix:///nowhere/redis.sock").get, "BCDF") == 503


# What a room thought.


def test_choices_are_counted_and_the_right_one_is_near() -> None:
    found = thought(CHOICE, [0, 2, None, 2, 1, None])
    assert (found.counts, found.answered, found.unsure, found.near, found.share) == ((1, 1, 2), 4, 2, 2, 0.5)
    assert "near" not in found.before()
    assert thought(CHOICE, []).counts == (0, 0, 0)


def test_numbers_have_numpys_quantiles_and_near_is_a_tenth_of_the_axis() -> None:
    values = np.random.default_rng(3).normal(0.5, 0.4, 101)
    found = thought(NUMBER, [*values.tolist(), None])
    np.testing.assert_allclose(found.quantiles, np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95]))
    assert found.near == int((abs(values - 0.5) <= 0.2).sum()) and found.unsure == 1
    assert len(thought(NUMBER, [1.0] * 2000).answers) == 300, "no more than can be drawn"
    assert thought(NUMBER, []).quantiles == ()


def test_curves_are_compared_in_the_axis_own_scale() -> None:
    near = (1.5, 15.0, None, 7.0, 0.7)  # a factor of 1.5 is 4 % of four decades
    found = thought(CURVE, [near, (30.0, 300.0, 3000.0, None, None), (-1.0, 0.0, None, None, None), None])
    assert (found.answered, found.unsure, found.near) == (3, 1, 1)
    np.testing.assert_allclose([row[3] for row in found.quantiles], 7.0)
    both = thought(CURVE, [(1.0, None, None, None, None), (100.0, None, None, None, None)])
    assert both.quantiles[2] == (pytest.approx(10.0), None, None, None, None), "half-way on a log axis is the factor"


def test_the_score_has_what_was_revealed_and_takes_nothing_along_before() -> None:
    room = opened("BCDF", "s", 0.0)
    for question, rest in ((CHOICE, (Closed(), Measured())), (NUMBER, (Skipped(),)), (CURVE, ())):
        for event in (Asked("d/1", question, 60.0), *rest):
            room = happened(room, event, 0.0)
    answers = [[2, 1, None], [0.5], [(1.0, None, 2.0, None, None)]]
    (score,) = scores(room, answers, "de")
    assert (score.text, score.measured, score.thought.near) == ("Welche?", "c: 7", 1)
    assert as_csv(room, answers).splitlines()[1:] == [
        "d/1,Which?,choice,c",
        "d/1,Which?,choice,'=b",
        "d/1,Which?,choice,?",
    ]
    assert [one["answers"] for one in json.loads(as_json(room, answers))] == [[2, 1, None]]


# How often.


def test_a_limit_fills_again_and_knows_no_address(
    store: Store, clock: Clock, made: Callable[[Clock], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    limit, other = Limit("tried", 3, 0.5), made(clock)
    assert [store.allows(limit, "10.0.0.7") for _ in range(5)] == [True, True, True, False, False]
    assert store.allows(limit, "10.0.0.8") and store.allows(limit._replace(name="else"), "10.0.0.7"), "each has its own"
    assert other.allows(limit, "10.0.0.7") is isinstance(store, Memory), "a replica counts what another one allowed"
    clock.now -= 100  # a replica whose clock is behind: it fills nothing, and takes nothing that was filled
    assert isinstance(store, Memory) or not other.allows(limit, "10.0.0.7")
    clock.now += 104
    assert store.allows(limit, "10.0.0.7", 0.0)
    assert [store.allows(limit, "10.0.0.7") for _ in range(3)] == [True, True, False]
    assert not store.allows(limit, "10.0.0.7", 0.0)
    monkeypatch.setattr(opening, "_OPENING", Limit("opening", 1, 0.0))
    assert open_room("10.0.0.9", store)[0].code
    assert status(open_room, "10.0.0.9", store) == 429
    if isinstance(store, Memory):
        told = repr(vars(store._buckets)) + repr(vars(store))
    else:
        keys = sorted(store._redis.keys())  # type: ignore[attr-defined]
        kept = [key for key in keys if ":limit:" in key or key == "lora:salt"]
        assert len(kept) == 5 and all(0 < store._redis.pttl(key) <= 600_001 for key in kept)  # type: ignore[attr-defined]
        told = repr(keys) + repr([store._redis.hgetall(key) for key in kept[:4]])  # type: ignore[attr-defined]
    assert "10.0.0" not in told
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:2") != network_of("2001:db8:0:1::1")


@pytest.mark.parametrize("jump", [86_400.0, -86_400.0])
def test_a_clock_that_is_set_neither_ends_a_room_nor_keeps_it(jump: float, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Memory()
    room, _ = open_room(kept=kept)
    kept.change(room.code, Asked("d/1", NUMBER, 60.0))
    wall, steady = time.time, time.monotonic
    monkeypatch.setattr(time, "time", lambda: wall() + jump)
    assert 50 < kept.get(room.code).rounds[-1].until - now() <= 60
    monkeypatch.setattr(time, "monotonic", lambda: steady() + 5 * 3600)
    with pytest.raises(RoomError, match="has ended"):
        kept.get(room.code)
