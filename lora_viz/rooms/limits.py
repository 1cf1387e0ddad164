"""How often one client may do something: buckets that fill again, under names that nobody can read.

A client is known by a digest of its address under a salt that is drawn anew every ten minutes and never written down:
no address is kept. What is counted is counted by one process; a replica counts for itself.
"""

from __future__ import annotations

import ipaddress
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from threading import Lock

__all__ = ["Limit", "network_of"]

_MOST_CLIENTS = 20_000
_SALTED = 600.0  # seconds that a salt lives


def network_of(address: str) -> str:
    """What one client can easily change within: an IPv6 network of 64 bits, an IPv4 number; other names as they are."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:60]
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


class Limit:
    """So many at once, and so many a second after that, for each client."""

    def __init__(self, burst: float, a_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst, self._rate, self._clock = burst, a_second, clock
        self._left: OrderedDict[bytes, tuple[float, float]] = OrderedDict()
        self._lock, self._salt, self._salted = Lock(), secrets.token_bytes(16), clock()

    def allows(self, client: str, costs: float = 1.0) -> bool:
        """Whether this client may once more, which then is counted; ``costs`` 0 only asks."""
        with self._lock:
            now = self._clock()
            if now - self._salted > _SALTED:
                self._salt, self._salted = secrets.token_bytes(16), now
                self._left.clear()
            name = blake2b(network_of(client).encode(), key=self._salt, digest_size=16).digest()
            left, since = self._left.pop(name, (self._burst, now))
            left = min(self._burst, left + (now - since) * self._rate)
            allowed = left >= max(costs, 1e-9)
            self._left[name] = (left - costs if allowed else left, now)
            while len(self._left) > _MOST_CLIENTS:
                self._left.popitem(last=False)
            return allowed
