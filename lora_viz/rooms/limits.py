"""How often one client may do something: buckets that fill again, under marks that nobody can read back.

A client is known by a digest of its address under a salt that is drawn anew every ten minutes: no address is kept. What
is counted is counted where the rooms are kept (``rooms/store.py``): by one process, or in the Redis of all replicas.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from threading import Lock
from typing import NamedTuple

__all__ = ["SALTED", "Buckets", "Limit", "drawn_salt", "mark_of", "network_of"]

_MOST_CLIENTS = 20_000
SALTED = 600.0  # seconds that a salt lives


class Limit(NamedTuple):
    """So many at once, and so many a second after that, for each client; ``name`` tells one limit from another."""

    name: str
    burst: float
    a_second: float


def network_of(address: str) -> str:
    """What one client can easily change within: an IPv6 network of 64 bits, an IPv4 number; other names as they are."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:60]
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def drawn_salt() -> str:
    """A salt that nobody can guess."""
    return secrets.token_hex(16)


def mark_of(client: str, salt: str) -> str:
    """What a client is counted under."""
    return blake2b(network_of(client).encode(), key=salt.encode(), digest_size=16).hexdigest()


class Buckets:
    """The limits of one process, in its memory: of so many clients, those that were seen last."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._left: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()
        self._lock, self._salt, self._salted = Lock(), drawn_salt(), clock()

    def allows(self, limit: Limit, client: str, costs: float = 1.0) -> bool:
        """Whether this client may once more, which then is counted; ``costs`` 0 only asks."""
        with self._lock:
            now = self._clock()
            if now - self._salted > SALTED:
                self._salt, self._salted = drawn_salt(), now
                self._left.clear()
            name = (limit.name, mark_of(client, self._salt))
            left, since = self._left.pop(name, (limit.burst, now))
            left = min(limit.burst, left + (now - since) * limit.a_second)
            allowed = left >= max(costs, 1e-9)
            self._left[name] = (left - costs if allowed else left, now)
            while len(self._left) > _MOST_CLIENTS:
                self._left.popitem(last=False)
            return allowed
