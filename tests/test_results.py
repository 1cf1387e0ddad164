"""The one cache: each key computed once, shared by all who wait, in turns, and stopped when nobody waits."""

import dataclasses
import math
import random
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

from lora_viz.core import results as module
from lora_viz.core.progress import Progress
from lora_viz.core.results import Cancelled, Results, Ticket

LONG = 30.0  # seconds; only a test that fails waits for it
Ask = Callable[..., Future[Any]]


class Gone(BaseException):
    """What Streamlit raises in a script whose visitor asked for something else."""


class Clock:
    """The time as Results sees it; it stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock))
    return clock


@pytest.fixture
def ask() -> Iterator[Ask]:
    """Ask in a thread of one's own; the future is there once the asker waits or is answered."""
    with ThreadPoolExecutor(40) as pool:

        def asked(results: Results, key: Any, work: Callable[[Ticket], Any], **options: Any) -> Future[Any]:
            waits = threading.Event()
            own = options.pop("progress", lambda _: None)

            def heard(progress: Progress) -> None:
                waits.set()
                own(progress)

            future = pool.submit(results.get_or_compute, key, work, progress=heard, every=0, **options)
            future.add_done_callback(lambda _: waits.set())
            assert waits.wait(LONG)
            return future

        yield asked


def until(true: Callable[[], bool]) -> None:
    """Return once this is true; the test fails if it never is."""
    end = time.monotonic() + LONG
    while not true():
        assert time.monotonic() < end, "this never came true"
        time.sleep(0.001)


def passes(event: threading.Event) -> None:
    assert event.wait(LONG)


def held(event: threading.Event, value: Any = None, began: threading.Event | None = None) -> Callable[[Ticket], Any]:
    """A work that never checks and returns when the event is set."""

    def work(_: Ticket) -> Any:
        if began is not None:
            began.set()
        passes(event)
        return value

    return work


def leave_when(event: threading.Event) -> Callable[[Progress], None]:
    def heard(_: Progress) -> None:
        if event.is_set():
            raise Gone

    return heard


def checks_for_ever(seen: threading.Event) -> Callable[[Ticket], Any]:
    """A work that only a cancellation ends; the event says that it saw one."""

    def work(ticket: Ticket) -> None:
        try:
            end = time.monotonic() + LONG
            while time.monotonic() < end:
                ticket.check()
                time.sleep(0.001)
        except Cancelled:
            seen.set()
            raise

    return work


def test_twenty_threads_ask_for_one_key_and_it_is_computed_once() -> None:
    results, together, all_wait, calls = Results(), threading.Barrier(20), threading.Event(), []
    waiting: set[int] = set()

    def work(_: Ticket) -> object:
        calls.append(threading.get_ident())
        passes(all_wait)
        return object()

    def heard(_: Progress) -> None:
        waiting.add(threading.get_ident())
        if len(waiting) == 20:
            all_wait.set()

    def one() -> object:
        together.wait(LONG)
        return results.get_or_compute("key", work, progress=heard, every=0)

    with ThreadPoolExecutor(20) as pool:
        found = [f.result(LONG) for f in [pool.submit(one) for _ in range(20)]]
    assert len(calls) == 1 and calls[0] not in waiting, "once, and in none of the askers' threads"
    assert len(set(map(id, found))) == 1
    assert results.known("key") and results.get_or_compute("key", work) is found[0] and len(calls) == 1


@pytest.mark.parametrize("heeds", [True, False], ids=["checks", "never checks"])
def test_quick_ones_do_not_wait_for_a_slow_one(ask: Ask, heeds: bool) -> None:
    results, over = Results(lanes=1, patience=0.05), threading.Event()

    def slow(ticket: Ticket) -> str:
        while not over.is_set():
            if heeds:
                ticket.report(0.5)
            over.wait(0.001)
        return "slow"

    future, waits = ask(results, "slow", slow), []
    for i in range(20):
        began = time.monotonic()
        assert results.get_or_compute(i, lambda _, i=i: i) == i  # type: ignore[misc]
        waits.append(time.monotonic() - began)
    assert not future.done(), "all were answered while it ran"
    assert max(waits) < 50 * 0.05, "the patience is 0.05 s; the rest is for threads that start on a busy machine"
    over.set()
    assert future.result(LONG) == "slow"


def test_a_long_one_pauses_for_a_quick_one_but_not_for_ever(ask: Ask, clock: Clock) -> None:
    results, steps, go = Results(lanes=1, patience=2.0, pause=0.03), [], threading.Semaphore(0)

    def slow(ticket: Ticket) -> None:
        for step in range(6):
            assert go.acquire(timeout=LONG)
            ticket.check()
            steps.append(step)

    def paused() -> bool:
        return [w.root.key for w in results._workers if w.state == "paused"] == ["slow"]

    future = ask(results, "slow", slow)
    go.release()
    until(lambda: steps == [0])
    first, second = threading.Event(), threading.Event()
    other = ask(results, "first", held(first))
    go.release()
    until(lambda: steps == [0, 1])  # it is not long: another one waits, and it goes on
    assert [w.root.key for w in results._workers] == ["slow"]
    clock.now += 3
    until(lambda: len(results._workers) == 2)
    go.release()
    until(paused)
    first.set()
    other.result(LONG)
    until(lambda: steps == [0, 1, 2])
    other = ask(results, "second", held(second))
    until(lambda: len(results._workers) == 2)
    go.release()
    until(paused)
    clock.now += 0.04
    until(lambda: steps == [0, 1, 2, 3])
    assert not other.done(), "it went on beside the quick one: it had paused long enough"
    go.release()
    until(lambda: steps == [0, 1, 2, 3, 4])  # for the length of the patience it does not pause again
    second.set()
    other.result(LONG)
    clock.now += 3
    third = threading.Event()
    other = ask(results, "third", held(third))
    until(lambda: len(results._workers) == 2)
    go.release()
    until(paused)
    third.set()
    future.result(LONG)
    other.result(LONG)


def test_no_more_than_a_few_run_at_once(ask: Ask, clock: Clock) -> None:
    results, over, running = Results(lanes=1, patience=1.0), threading.Event(), []

    def work(_: Ticket) -> None:
        running.append(1)
        passes(over)

    futures = [ask(results, i, work) for i in range(9)]
    for most in (1, 2, 3, 4, 4, 4):
        until(lambda most=most: len(running) == most)  # type: ignore[misc]
        clock.now += 2
    results._start()
    assert len(results._workers) == 4, "all are long, and yet no fifth begins"
    over.set()
    for future in futures:
        future.result(LONG)
    assert len(running) == 9


def test_visitors_take_turns(ask: Ask) -> None:
    results, over, order = Results(lanes=1, patience=math.inf), threading.Event(), []
    first = ask(results, "held", held(over), visitor="a")
    futures = []
    for visitor, count in (("a", 5), ("b", 2), ("c", 1)):
        for i in range(count):
            key = f"{visitor}{i}"
            futures.append(ask(results, key, lambda _, key=key: order.append(key), visitor=visitor))
    futures.append(ask(results, "a4", order.append, visitor="d"))
    over.set()
    for future in [first, *futures]:
        future.result(LONG)
    assert order == ["b0", "c0", "a4", "a0", "b1", "a1", "a2", "a3"], "a was served last; for a4 d waits too"


def test_the_last_asker_leaves_and_the_work_is_cancelled(ask: Ask) -> None:
    results, leave, seen = Results(), threading.Event(), threading.Event()
    future = ask(results, "key", checks_for_ever(seen), progress=leave_when(leave))
    assert not seen.is_set()
    leave.set()
    with pytest.raises(Gone):
        future.result(LONG)
    passes(seen)
    assert not results.known("key")
    assert results.get_or_compute("key", lambda _: "anew") == "anew"


def test_one_of_two_leaves_and_the_work_goes_on(ask: Ask) -> None:
    results, leave, over = Results(), threading.Event(), threading.Event()

    def work(ticket: Ticket) -> str:
        while not over.is_set():
            ticket.check()
            over.wait(0.001)
        ticket.check()
        return "done"

    leaver = ask(results, "key", work, progress=leave_when(leave))
    stayer = ask(results, "key", work)
    leave.set()
    with pytest.raises(Gone):
        leaver.result(LONG)
    over.set()
    assert stayer.result(LONG) == "done" and results.known("key")


def test_one_that_is_queued_and_left_never_begins(ask: Ask) -> None:
    results, over, leave, calls = Results(lanes=1, patience=math.inf), threading.Event(), threading.Event(), []
    first = ask(results, "held", held(over))
    leaver = ask(results, "queued", calls.append, progress=leave_when(leave))
    leave.set()
    with pytest.raises(Gone):
        leaver.result(LONG)
    over.set()
    first.result(LONG)
    assert results.get_or_compute("last", lambda _: 7) == 7
    assert not calls


def test_asked_again_right_at_the_cancellation(ask: Ask) -> None:
    results, leave, again, seen = Results(lanes=2), threading.Event(), threading.Event(), threading.Event()

    def first(ticket: Ticket) -> str:
        passes(again)
        try:
            ticket.check()
        except Cancelled:
            seen.set()
            return "half of it"
        return "never"

    leaver = ask(results, "key", first, progress=leave_when(leave))
    leave.set()
    with pytest.raises(Gone):
        leaver.result(LONG)
    anew = ask(results, "key", held(seen, "anew"))
    again.set()
    assert anew.result(LONG) == "anew"
    until(lambda: not results._workers)
    assert results.get_or_compute("key", first) == "anew", "what a cancelled one returns is not kept"


def test_half_a_result_is_not_kept(ask: Ask) -> None:
    results, leave, over = Results(), threading.Event(), threading.Event()

    def work(ticket: Ticket) -> str:
        passes(over)
        with pytest.raises(Cancelled):
            ticket.check()
        return "half of it"

    leaver = ask(results, "key", work, progress=leave_when(leave))
    leave.set()
    with pytest.raises(Gone):
        leaver.result(LONG)
    over.set()
    until(lambda: not results._workers)
    assert not results.known("key")


def test_what_was_left_but_never_checked_is_kept(ask: Ask) -> None:
    results, leave, over = Results(), threading.Event(), threading.Event()
    leaver = ask(results, "key", held(over, "whole"), progress=leave_when(leave))
    leave.set()
    with pytest.raises(Gone):
        leaver.result(LONG)
    over.set()
    until(lambda: results.known("key"))


def test_leaving_and_asking_at_random_never_loses_an_asker() -> None:
    results, told = Results(lanes=2, patience=0.01, pause=0.01, most_bytes=300), []
    results.heard = told.append

    def visit(seed: int) -> int:
        rng, answered = random.Random(seed), 0

        def heard(_: Progress) -> None:
            if rng.random() < 0.05:
                raise Gone

        def work(key: int) -> Callable[[Ticket], tuple[int, ...]]:
            def inner(ticket: Ticket) -> tuple[int, ...]:
                below = results.get_or_compute(key - 1, work(key - 1)) if key else ()
                for i in range(3):
                    ticket.report(i / 3)
                    time.sleep(0.0005)
                return (*below, key)

            return inner

        for _ in range(40):
            key = rng.randrange(5)
            try:
                found = results.get_or_compute(key, work(key), visitor=seed, progress=heard, every=0)
            except Gone:
                continue
            assert found == tuple(range(key + 1))
            answered += 1
        return answered

    with ThreadPoolExecutor(8) as pool:
        assert sum(f.result(LONG) for f in [pool.submit(visit, seed) for seed in range(8)]) > 0
    until(lambda: not results._workers)
    assert not results._jobs and not results._lines and results.bytes <= 300
    counts = results.counts()
    assert counts.asked == counts.computed + counts.dropped, "each that was begun or queued has one end"
    assert counts.computed == sum(each.end == "computed" for each in told) and not counts.failed + counts.queued
    assert counts.joined and counts.dropped >= sum(each.end == "dropped" for each in told)


def test_two_outer_ones_share_an_inner_one(ask: Ask) -> None:
    results, together, calls = Results(lanes=2), threading.Barrier(2), []

    def inner(_: Ticket) -> object:
        calls.append(threading.get_ident())
        until(lambda: sum(w.state == "waiting" for w in results._workers) == 1)
        return object()

    def outer(_: Ticket) -> tuple[object, int]:
        together.wait(LONG)
        return results.get_or_compute("inner", inner), threading.get_ident()

    found = [f.result(LONG) for f in [ask(results, name, outer) for name in ("one", "other")]]
    assert found[0][0] is found[1][0] and len(calls) == 1
    assert calls[0] in {thread for _, thread in found}, "computed in the thread of one of them"
    assert all(results.known(key) for key in ("one", "other", "inner"))


def test_who_waits_inside_gives_its_lane_back(ask: Ask, clock: Clock) -> None:
    results, over, began = Results(lanes=1, patience=1.0), threading.Event(), threading.Event()
    inner = ask(results, "inner", held(over, 7, began))
    passes(began)
    outer = ask(results, "outer", lambda _: results.get_or_compute("inner", held(over)) + 4)
    clock.now += 2  # the inner one is long: the outer one begins
    until(lambda: any(w.state == "waiting" for w in results._workers))
    assert ask(results, "third", lambda _: 3).result(LONG) == 3, "time stands still: only a lane given back lets it run"
    assert not outer.done()
    over.set()
    assert (inner.result(LONG), outer.result(LONG)) == (7, 11)


def test_what_stands_in_the_queue_is_computed_inside(ask: Ask) -> None:
    results, over, threads = Results(lanes=1, patience=math.inf), threading.Event(), []

    def outer(_: Ticket) -> object:
        passes(over)
        threads.append(threading.get_ident())
        return results.get_or_compute("inner", lambda _: "not this work: another one asked first")

    def inner(_: Ticket) -> object:
        threads.append(threading.get_ident())
        return "first"

    first, second = ask(results, "outer", outer), ask(results, "inner", inner)
    over.set()
    assert first.result(LONG) == second.result(LONG) == "first"
    assert len(threads) == 2 and len(set(threads)) == 1


def test_an_inner_one_goes_on_for_others_when_the_outer_one_is_left(ask: Ask) -> None:
    results, over, leave, began = Results(lanes=1), threading.Event(), threading.Event(), threading.Event()
    ends: list[str] = []

    def inner(ticket: Ticket) -> str:
        began.set()
        passes(over)
        ticket.check()
        return "inner"

    def outer(_: Ticket) -> None:
        try:
            results.get_or_compute("inner", inner)
        except Cancelled:
            ends.append("outer cancelled")
            raise

    leaver = ask(results, "outer", outer, progress=leave_when(leave))
    passes(began)
    stayer = ask(results, "inner", inner)
    leave.set()
    with pytest.raises(Gone):
        leaver.result(LONG)
    over.set()
    assert stayer.result(LONG) == "inner"
    until(lambda: not results._workers)
    assert ends == ["outer cancelled"] and results.known("inner") and not results.known("outer")


def test_leaving_an_outer_one_ends_its_wait_for_another_thread(ask: Ask) -> None:
    results, over, leave, seen = Results(lanes=2), threading.Event(), threading.Event(), threading.Event()

    def outer(_: Ticket) -> None:
        try:
            results.get_or_compute("inner", held(over))
        except Cancelled:
            seen.set()
            raise

    stayer = ask(results, "inner", held(over, 7))
    leaver = ask(results, "outer", outer, progress=leave_when(leave))
    until(lambda: any(w.state == "waiting" for w in results._workers))
    leave.set()
    with pytest.raises(Gone):
        leaver.result(LONG)
    passes(seen)
    assert not stayer.done()
    over.set()
    assert stayer.result(LONG) == 7


def test_leaving_the_last_outer_one_cancels_the_inner_one_too(ask: Ask) -> None:
    results, leave, seen = Results(lanes=2), threading.Event(), threading.Event()
    work = checks_for_ever(seen)
    leavers = [
        ask(results, name, lambda _: results.get_or_compute("inner", work), progress=leave_when(leave))
        for name in ("one", "other")
    ]
    until(lambda: any(w.state == "waiting" for w in results._workers))
    leave.set()
    for leaver in leavers:
        with pytest.raises(Gone):
            leaver.result(LONG)
    passes(seen)
    until(lambda: not results._workers)
    assert not results._jobs


def test_a_key_that_asks_for_itself_is_refused(ask: Ask) -> None:
    results, together = Results(lanes=2), threading.Barrier(2)

    def itself(_: Ticket) -> Any:
        return results.get_or_compute("itself", itself)

    def there(_: Ticket) -> Any:
        together.wait(LONG)
        return results.get_or_compute("back", back)

    def back(_: Ticket) -> Any:
        together.wait(LONG)
        return results.get_or_compute("there", there)

    with pytest.raises(RuntimeError, match="'itself' asks for itself"):
        results.get_or_compute("itself", itself)
    for future in [ask(results, "there", there), ask(results, "back", back)]:
        with pytest.raises(RuntimeError, match="asks for itself"):
            future.result(LONG)


def test_an_error_is_raised_in_every_asker_and_not_kept(ask: Ask) -> None:
    results, over = Results(), threading.Event()

    def fails(_: Ticket) -> None:
        passes(over)
        raise ValueError("rank 0")

    futures = [ask(results, "key", fails) for _ in range(3)]
    over.set()
    for future in futures:
        with pytest.raises(ValueError, match="rank 0"):
            future.result(LONG)
    assert not results.known("key")
    assert results.get_or_compute("key", lambda _: 5) == 5


def test_a_machine_without_threads_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    results = Results()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            results.get_or_compute("key", lambda _: 5)
    assert results.get_or_compute("key", lambda _: 5) == 5


def test_what_was_used_least_lately_goes_first() -> None:
    size = np.zeros(1009).nbytes
    results = Results(most_bytes=3 * size)
    for key in "abc":
        results.get_or_compute(key, lambda _: np.zeros(1009))
    assert results.bytes == 3 * size
    results.get_or_compute("a", lambda _: None)
    assert results.known("b"), "to ask whether it is known is no use of it"
    results.get_or_compute("d", lambda _: np.zeros(1009))
    assert [key for key in "abcd" if results.known(key)] == ["a", "c", "d"]
    found = results.get_or_compute("large", lambda _: np.zeros(4 * 1009))
    assert found.shape == (4 * 1009,) and not results.known("large")
    assert [key for key in "abcd" if results.known(key)] == ["a", "c", "d"]
    results.clear()
    assert results.bytes == 0 and not results.known("a")


def test_cleared_while_computing(ask: Ask) -> None:
    results, over = Results(lanes=3), threading.Event()
    before, other = ask(results, "key", held(over, "before")), ask(results, "other", held(over, "too"))
    results.clear()
    assert results.get_or_compute("key", lambda _: "after") == "after"
    over.set()
    assert (before.result(LONG), other.result(LONG)) == ("before", "too")
    assert not results.known("other"), "it began before"
    assert results.get_or_compute("key", lambda _: None) == "after"


class Named(NamedTuple):
    loss: np.ndarray


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    runs: tuple[Named, ...]
    parameters: dict[str, list[np.ndarray]]


def test_arrays_are_read_only_and_counted_once() -> None:
    base, named, listed = np.zeros((7, 11)), np.zeros(13), np.zeros(17, np.float32)
    objects = np.array([np.zeros(3), None], dtype=object)
    record = Slotted((Named(named), Named(base[2:5]), Named(named)), {"B": [listed, np.broadcast_to(base[0], (5, 11))]})
    results = Results()
    assert results.get_or_compute("key", lambda _: (record, objects)) == (record, objects)
    for array in (named, record.runs[1].loss, listed, objects[0]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        objects[1] = 1
    arrays = base.nbytes + named.nbytes + listed.nbytes + objects.nbytes + objects[0].nbytes
    assert arrays <= results.bytes < arrays + 2000, "a view counts as what it keeps alive; tuples count a little"


def test_progress_reaches_all_in_their_own_threads(ask: Ask) -> None:
    results, heard, names = Results(), set(), "abc"
    threads: dict[str, set[int]] = {name: set() for name in names}

    def listener(name: str) -> Callable[[Progress], None]:
        def hear(progress: Progress) -> None:
            threads[name].add(threading.get_ident())
            heard.add((name, progress))

        return hear

    def work(ticket: Ticket) -> str:
        for share, said in ((0.25, "a quarter"), (0.75, "more")):
            ticket.report(share, said)
            until(lambda: all((name, Progress(share, said)) in heard for name in names))  # noqa: B023
        ticket.report(1 + 1e-9)
        until(lambda: all((name, Progress(1.0)) in heard for name in names))
        return "done"

    futures = [ask(results, "key", work, progress=listener(name)) for name in names]
    assert [f.result(LONG) for f in futures] == ["done"] * 3
    assert all(len(own) == 1 for own in threads.values()) and len(set.union(*threads.values())) == 3


def test_an_inner_ones_progress_reaches_those_who_wait_for_the_outer_one(ask: Ask) -> None:
    results, heard = Results(), []

    def inner(said: str) -> Callable[[Ticket], int]:
        def work(ticket: Ticket) -> int:
            ticket.report(0.5, said)
            until(lambda: bool(heard) and heard[-1].said == said)
            return 1

        return work

    def outer(ticket: Ticket) -> int:
        for i in range(2):
            part = lambda p, i=i: ticket.report((i + p.share) / 2, p.said)  # noqa: E731
            results.get_or_compute(("part", i), inner(f"part {i}"), progress=part, every=0)
        return results.get_or_compute("plain", lambda _: results.get_or_compute("plainer", inner("as it is")))

    def hear(progress: Progress) -> None:
        if progress.said and progress not in heard:
            heard.append(progress)

    assert ask(results, "outer", outer, progress=hear).result(LONG) == 1
    assert heard == [Progress(0.25, "part 0"), Progress(0.75, "part 1"), Progress(0.5, "as it is")]


def test_progress_from_another_thread_reaches_an_outer_one(ask: Ask) -> None:
    results, heard, asked = Results(lanes=2), threading.Event(), threading.Event()

    def inner(ticket: Ticket) -> int:
        passes(asked)
        ticket.report(0.5, "inner")
        passes(heard)
        return 7

    def hear(progress: Progress) -> None:
        if progress == Progress(0.75, "inner"):
            heard.set()

    def outer(ticket: Ticket) -> int:
        return results.get_or_compute(
            "inner", inner, progress=lambda p: ticket.report((1 + p.share) / 2, p.said), every=0
        )

    futures = [ask(results, "inner", inner), ask(results, "outer", outer, progress=hear)]
    until(lambda: any(w.state == "waiting" for w in results._workers))
    asked.set()
    assert [f.result(LONG) for f in futures] == [7, 7]


def test_an_inner_asker_whose_progress_raises_leaves_the_inner_one_to_others(ask: Ask) -> None:
    results, over, began = Results(lanes=1), threading.Event(), threading.Event()

    def inner(ticket: Ticket) -> str:
        began.set()
        passes(over)
        ticket.report(0.5)
        return "inner"

    def raises(_: Progress) -> None:
        raise ValueError("enough")

    def outer(_: Ticket) -> str:
        with pytest.raises(ValueError, match="enough"):
            results.get_or_compute("inner", inner, progress=raises, every=0)
        return "outer"

    first = ask(results, "outer", outer)
    passes(began)
    second = ask(results, "inner", inner)
    over.set()
    assert (first.result(LONG), second.result(LONG)) == ("outer", "inner")


def test_the_context_travels() -> None:
    tongue: ContextVar[str] = ContextVar("tongue", default="en")
    results = Results()

    def inner(_: Ticket) -> str:
        spoken = tongue.get()
        tongue.set("fr")
        return spoken

    def outer(_: Ticket) -> tuple[str, ...]:
        before = tongue.get()
        return before, results.get_or_compute("inner", inner), tongue.get()

    token = tongue.set("de")
    try:
        assert results.get_or_compute("outer", outer) == ("de", "de", "de")
        assert tongue.get() == "de"
    finally:
        tongue.reset(token)
    assert results.get_or_compute("later", lambda _: tongue.get()) == "en"


def test_no_lock_is_held_while_a_work_or_a_progress_runs_or_a_result_is_freed() -> None:
    class Large:
        """Something whose end can be watched, with an array beside it."""

    free: list[str] = []

    def note(what: str) -> None:
        assert results._changed.acquire(timeout=LONG)
        results._changed.release()
        free.append(what)

    def large(ticket: Ticket) -> tuple[Large, np.ndarray]:
        note("work")
        until(lambda: "progress" in free)
        thing = Large()
        weakref.finalize(thing, note, "freed")
        return thing, np.zeros(101)

    results = Results(most_bytes=1500)
    results.get_or_compute("large", large, progress=lambda _: note("progress"), every=0)
    assert results.known("large") and "freed" not in free
    results.get_or_compute("next", lambda _: np.zeros(151))
    assert not results.known("large")
    until(lambda: "freed" in free)
    assert set(free) == {"work", "progress", "freed"}


def test_what_cannot_be_a_key_is_refused() -> None:
    results = Results()
    with pytest.raises(TypeError, match="unhashable"):
        results.get_or_compute([], lambda _: 1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="unhashable"):
        results.get_or_compute("key", lambda _: 1, visitor=[])  # type: ignore[arg-type]
    assert results.get_or_compute("key", lambda _: 1) == 1
