"""The store in Redis or Valkey, which several replicas share. Needs the package ``redis``: nobody else imports it.

A room is one JSON text that the presenter's events change, watched, so that none is lost; answers are one hash a round,
each put by a script that looks whether the round takes it in the same step. Every key ends with its room.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from lora_viz.i18n.language import say
from lora_viz.rooms.clock import now
from lora_viz.rooms.limits import SALTED, Limit, drawn_salt, mark_of
from lora_viz.rooms.question import Answer
from lora_viz.rooms.refused import RoomError
from lora_viz.rooms.room import Event, Room, happened
from lora_viz.rooms.store import MOST_BYTES, MOST_PHONES, MOST_ROOMS, Counts, read, too_many, wrong

__all__ = ["Shared"]

_ROOMS = "lora:rooms"  # codes by the time at which they end
_SALT = "lora:salt"
_PATIENCE = 3.0  # seconds that an answer of the store is waited for
_PUT = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 'gone' end
if redis.call('SISMEMBER', KEYS[2], ARGV[2]) == 0 then return 'unknown' end
if redis.call('GET', KEYS[3]) ~= ARGV[1] then return 'closed' end
local was = redis.call('HGET', KEYS[4], ARGV[2])
local nth = tonumber(ARGV[3])
local freed = 0
if was then
  local space = string.find(was, ' ', 1, true)
  local before = tonumber(string.sub(was, 1, space - 1))
  local value = string.sub(was, space + 1)
  if nth == before and value == ARGV[4] then return 'same' end
  if nth <= before then return 'older' end
  freed = string.len(value)
end
local size = tonumber(redis.call('GET', KEYS[5]) or '0')
if size + string.len(ARGV[4]) > tonumber(ARGV[5]) then return 'heavy' end
redis.call('SET', KEYS[5], size + string.len(ARGV[4]) - freed)
redis.call('HSET', KEYS[4], ARGV[2], ARGV[3] .. ' ' .. ARGV[4])
local left = redis.call('PTTL', KEYS[1])
redis.call('PEXPIRE', KEYS[5], left)
redis.call('PEXPIRE', KEYS[4], left)
return 'put'
"""
_JOIN = """
local left = redis.call('PTTL', KEYS[1])
if left < 0 then return 'gone' end
if redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 1 then return 'in' end
if ARGV[3] == '1' then return 'hidden' end
if redis.call('SCARD', KEYS[2]) >= tonumber(ARGV[2]) then return 'full' end
redis.call('SADD', KEYS[2], ARGV[1])
redis.call('PEXPIRE', KEYS[2], left)
return 'in'
"""
# A replica whose clock is behind fills no bucket: what was counted last counts from the later of the two times.
_ALLOWS = """
local burst, rate, costs, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local was = redis.call('HMGET', KEYS[1], 'left', 'since')
local left, since = tonumber(was[1] or burst), tonumber(was[2] or now)
left = math.min(burst, left + math.max(0, now - since) * rate)
if left < math.max(costs, 1e-9) then return 0 end
if costs > 0 then
  redis.call('HSET', KEYS[1], 'left', tostring(left - costs), 'since', string.format('%.6f', math.max(now, since)))
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
end
return 1
"""
_SALTS = """
redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])
return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}
"""


class Shared:
    """The store at this address: ``redis://…``, ``rediss://…``, ``valkey://…`` or ``unix://…``."""

    remote = True

    def __init__(self, address: str, clock: Callable[[], float] = now) -> None:
        self._clock = clock
        self._redis: Any = redis.Redis.from_url(
            address.replace("valkey", "redis", 1) if address.startswith("valkey") else address,
            decode_responses=True, socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE, max_connections=32,
            retry=Retry(NoBackoff(), 1), health_check_interval=30,
        )  # fmt: skip
        self._put, self._join = self._redis.register_script(_PUT), self._redis.register_script(_JOIN)
        self._allows, self._salts = self._redis.register_script(_ALLOWS), self._redis.register_script(_SALTS)
        self._salt = ("", 0.0)  # the replicas' own, and until when

    def add(self, room: Room) -> bool:
        with _said():
            self._redis.zremrangebyscore(_ROOMS, "-inf", self._clock())
            if self._redis.zcard(_ROOMS) >= MOST_ROOMS:
                raise too_many()
            if not self._redis.set(_key(room.code, "room"), _text(room), nx=True, exat=_end(room)):
                return False
            with self._redis.pipeline() as steps:
                self._written(steps, room)
                steps.zadd(_ROOMS, {room.code: room.expires})
                steps.execute()
            return True

    def get(self, code: str) -> Room:
        with _said():
            return self._read(self._redis.get(_key(code, "room")))

    def change(self, code: str, event: Event) -> Room:
        with _said(), self._redis.pipeline() as steps:
            while True:
                steps.watch(_key(code, "room"))
                room = happened(self._read(steps.get(_key(code, "room"))), event, self._clock())
                steps.multi()
                steps.set(_key(code, "room"), _text(room), exat=_end(room))
                self._written(steps, room)
                try:
                    steps.execute()
                except redis.WatchError:
                    continue
                return room

    def remove(self, code: str) -> None:
        with _said():
            kept = self._redis.get(_key(code, "room"))
            rounds = len(json.loads(kept)["rounds"]) if kept else 0
            own = [_key(code, name) for name in ("room", "version", "open", "phones", "bytes")]
            self._redis.delete(*own, *(_key(code, f"round:{place}") for place in range(rounds)))
            self._redis.zrem(_ROOMS, code)

    def join(self, code: str, phone: str) -> None:
        with _said():
            room = self.get(code)
            found = self._join(
                keys=[_key(code, "room"), _key(code, "phones")], args=[phone, MOST_PHONES, int(room.hidden)]
            )  # fmt: skip
            if found != "in":
                raise wrong(found)

    def put(self, code: str, place: int, phone: str, nth: int, value: str) -> bool:
        with _said():
            names = ("room", "phones", "open", f"round:{place}", "bytes")
            found = self._put(
                keys=[_key(code, name) for name in names], args=[place, phone, nth, value, MOST_BYTES]
            )  # fmt: skip
            if found in ("put", "same"):
                return bool(found == "put")
            raise wrong(found)

    def answers(self, code: str, place: int) -> tuple[Answer, ...]:
        with _said():
            self.get(code)
            given = self._redis.hvals(_key(code, f"round:{place}"))
            return tuple(map(read, sorted(value.partition(" ")[2] for value in given)))

    def counts(self, code: str, place: int | None) -> Counts:
        with _said():
            self.get(code)
            phones = self._redis.scard(_key(code, "phones"))
            return Counts(phones, 0 if place is None else self._redis.hlen(_key(code, f"round:{place}")))

    def versions(self, codes: Iterable[str]) -> dict[str, int]:
        asked = tuple(codes)
        if not asked:
            return {}
        with _said():
            found = self._redis.mget([_key(code, "version") for code in asked])
        return {code: int(version) for code, version in zip(asked, found, strict=True) if version is not None}

    def allows(self, limit: Limit, client: str, costs: float = 1.0) -> bool:
        with _said():
            mark = mark_of(client, self._salted())
            full = min(SALTED, limit.burst / limit.a_second if limit.a_second else SALTED)  # in so many seconds
            return bool(self._allows(
                keys=[f"lora:limit:{limit.name}:{mark}"],
                args=[limit.burst, limit.a_second, costs, f"{self._clock():.6f}", int(1000 * full) + 1],
            ))  # fmt: skip

    def _salted(self) -> str:
        """The salt of all replicas, which is in the store alone and ends there."""
        salt, until = self._salt
        if self._clock() >= until:
            salt, left = self._salts(keys=[_SALT], args=[drawn_salt(), int(1000 * SALTED)])
            self._salt = (salt, self._clock() + left / 1000)
        return salt

    def _read(self, kept: str | None) -> Room:
        room = Room.read(json.loads(kept)) if kept else None
        if room is None or room.expires <= self._clock():
            raise wrong("gone")
        return room

    def _written(self, steps: Any, room: Room) -> None:
        """What is looked at without reading the whole room."""
        steps.set(_key(room.code, "version"), room.version, exat=_end(room))
        steps.set(_key(room.code, "open"), -1 if room.open is None else room.open, exat=_end(room))


@contextmanager
def _said() -> Iterator[None]:
    """A store that does not answer is a sentence, too."""
    try:
        yield
    except redis.RedisError:
        raise RoomError(
            say("The rooms cannot be reached at the moment: nothing was changed, and it is tried again."), 503
        ) from None


def _key(code: str, name: str) -> str:
    return f"lora:{{{code}}}:{name}"  # all of a room in one slot of a cluster


def _text(room: Room) -> str:
    return json.dumps(room.as_json(), separators=(",", ":"))


def _end(room: Room) -> int:
    return int(room.expires) + 1
