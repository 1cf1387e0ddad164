"""Two replicas behind nginx: one is killed, and nobody is lost; and work that nobody waits for ends.

Visitors speak the app's own protocol (``tests.visitors``); nginx is Debian's, set up as ``deploy/replicas.conf`` says.
"""

import asyncio
import signal
import time
import urllib.request

import pytest
from websockets.exceptions import ConnectionClosed

from tests.awaited import awaited
from tests.replicas import NGINX, Replicas, replicas_served
from tests.visitors import Visitor

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


async def _until(true: object, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end, "this never came true"
        await asyncio.sleep(0.05)


async def _both_have_some(replicas: Replicas) -> list[Visitor]:
    """Visitors, each with settings of its own, until each replica has two."""
    found: list[Visitor] = []
    for i in range(40):
        visitor = Visitor(replicas.address, seed=i)
        await visitor.open("rank", f"seed=7&noise=0&target_rank={1 + i % 3}")
        found.append(visitor)
        if min(replicas.now(which)["sessions"] for which in range(2)) >= 2:
            return found
    raise AssertionError("all visitors were sent to one replica")


async def _one_is_killed(replicas: Replicas) -> None:
    visitors = await _both_have_some(replicas)
    sessions = {id(each): each.session for each in visitors}
    asked = {id(each): each.settings() for each in visitors}
    replicas.end(0, signal.SIGKILL)
    lost = 0
    for each in visitors:
        with urllib.request.urlopen(
            urllib.request.Request(f"{replicas.address}/", headers={"Cookie": each.cookie})
        ) as got:
            assert got.status == 200 and b'id="root"' in got.read()
        try:
            answered = await each.change(value=11)
            assert each.session == sessions[id(each)], "whose replica is there goes on in its session"
        except (ConnectionClosed, ConnectionError):
            lost += 1
            answered = await each.open(each.page, each.query)  # as a browser does, with the cookie that it has
            assert each.session != sessions[id(each)]
            assert each.controls["seed"].default == 7 or each.controls["seed"].value == 7, "as its address says"
        assert answered.picture is not None and not answered.errors
        assert each.settings() == asked[id(each)] | ({"seed": "11"} if each.session == sessions[id(each)] else {})
    assert 2 <= lost <= len(visitors) - 2
    for each in visitors:
        await each.leave()


async def _a_tab_is_closed(replicas: Replicas) -> None:
    """The longest lesson is left by the last of two who wait for it: it ends then, and is kept nowhere."""
    await _until(lambda: replicas.now(1)["running"] == 0)
    before = replicas.now(1)
    waiting = [Visitor(replicas.address), Visitor(replicas.address)]
    asking = [asyncio.create_task(each.open("width", "seed=5")) for each in waiting]
    await _until(lambda: replicas.now(1)["joined"] > before["joined"])
    for each, task in zip(waiting, asking, strict=True):
        now = replicas.now(1)
        assert now["running"] == 1 and now["dropped"] == before["dropped"], "somebody still waits for it"
        task.cancel()
        await each.leave()
    await _until(lambda: not replicas.now(1)["running"])
    after = replicas.now(1)
    assert after["dropped"] == before["dropped"] + 1 and after["computed"] == before["computed"]


def test_a_replica_is_killed_and_a_tab_closed() -> None:
    with replicas_served() as replicas:
        awaited(_one_is_killed(replicas))
        awaited(_a_tab_is_closed(replicas))
