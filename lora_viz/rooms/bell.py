"""Waiting until a room changes: one look a fifth of a second at all that are waited for, however many wait."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from lora_viz.rooms.refused import RoomError
from lora_viz.rooms.store import Store

__all__ = ["Bell"]

T = TypeVar("T")
_EVERY = 0.2  # seconds


class Bell:
    """Of one store and one event loop: asks the store without holding the loop up, and wakes who waits for a room."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._threads = ThreadPoolExecutor(8, "rooms") if store.remote else None
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._seen: dict[str, int] = {}
        self._watch: asyncio.Task[None] | None = None

    async def ask(self, method: str, *given: Any) -> Any:
        """What this method of the store answers. Raises RoomError."""
        call = getattr(self.store, method)
        if self._threads is None:
            return call(*given)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *given)

    async def changed(self, code: str, version: int, seconds: float) -> None:
        """Wait until the room is not at this version, or has gone, but not longer than so many seconds."""
        known = (await self.ask("versions", (code,))).get(code)
        if known != version:
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(code, set()).add(woken)
        self._seen[code] = version
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._look())
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(woken, seconds)
        finally:
            waiting = self._waiting.get(code, set())
            waiting.discard(woken)
            if not waiting:
                self._waiting.pop(code, None)

    async def _look(self) -> None:
        while self._waiting:
            await asyncio.sleep(_EVERY)
            codes = tuple(self._waiting)
            try:
                now = await self.ask("versions", codes)
            except RoomError:  # the store is away: whoever waits waits on
                continue
            for code in codes:
                if now.get(code) == self._seen.get(code):
                    continue
                for woken in self._waiting.pop(code, ()):
                    if not woken.done():
                        woken.set_result(None)
