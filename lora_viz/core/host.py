"""How much this host can carry: limits as the environment sets them, safe ones where its memory is small.

A limit is an environment variable with a whole number in it. deploy/README.md has the table of all.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["SMALL", "cores", "is_small", "limit", "memory"]

SMALL = 2_000_000_000  # bytes: a host with less is small
_CPU_OF_CONTAINERS = "/sys/fs/cgroup/cpu.max"  # microseconds of processor time in so many
_OF_CONTAINERS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def cores() -> int:
    """The cores that this process may use: fewer than the machine's where ``taskset`` or its container says so."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError, ZeroDivisionError):  # "max 100000": none is set
        quota, period = map(int, Path(_CPU_OF_CONTAINERS).read_text(encoding="ascii").split())
        found = min(found, -(-quota // period))
    return max(1, found)


def memory() -> int | None:
    """The bytes of memory that this process may have: the machine's, or its container's; None where neither is told."""
    found = []
    with suppress(ValueError, OSError):
        if hasattr(os, "sysconf"):  # Windows tells it another way, and is no small host
            found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for path in _OF_CONTAINERS:
        with suppress(OSError, ValueError):  # "max": none is set
            found.append(int(Path(path).read_text(encoding="ascii")))
    return min(found, default=None)


def is_small() -> bool:
    """Whether this host has so little memory that the usual limits would let visitors exhaust it."""
    there = memory()
    return there is not None and there < SMALL


def limit(name: str, usual: int, small: int) -> int:
    """The limit that this variable sets; else the ``usual`` one, or on a small host ``small``. Raises ValueError."""
    given = os.environ.get(name, "").strip()
    if not given:
        return small if is_small() else usual
    if not given.isascii() or not given.isdigit() or len(given) > 9:
        raise ValueError(f"{name}={given} is not possible. Valid values: a whole number.")
    return int(given)
