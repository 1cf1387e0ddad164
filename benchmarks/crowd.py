"""A served app and many visitors of it, for the benchmarks of load: what they waited for, and what it cost the server.

Visitors are ``tests.visitors``: they speak the app's protocol and share this machine with the server, so each figure is
printed with the driver's own processor time beside it.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil

from tests.browser import served
from tests.replicas import replicas_served
from tests.visitors import Answered, Visitor

__all__ = ["Server", "Waits", "crowd_of", "mixed", "opened", "quantile", "slope"]

QUICK = ("rank", "gradient_flow", "machine", "merge", "alpha")
HEAVY = ("machine", "lora_or_full", "phase_map", "conditioning", "digits")


@dataclass
class Server:
    """The processes that serve, and what they have used; ``ready`` are the addresses that tell what each computes."""

    address: str
    processes: list[psutil.Process]
    ready: list[str]

    def cpu(self) -> float:
        """Seconds of processor time since their start."""
        used = [each.cpu_times() for each in self.processes]
        return sum(each.user + each.system for each in used)

    def memory(self) -> float:
        """Resident MB."""
        return sum(each.memory_info().rss for each in self.processes) / 1e6

    def now(self) -> dict[str, int]:
        """What their computations are, as ``/ready`` tells this machine."""
        told: dict[str, int] = defaultdict(int)
        for each in self.ready:
            with urllib.request.urlopen(f"{each}/ready", timeout=60) as answer:
                for name, count in json.load(answer)["now"].items():
                    told[name] += count
        return told


@contextmanager
def opened(cores: Sequence[int] = (), replicas: int = 1) -> Iterator[Server]:
    """Serve this checkout on a free port; the app has answered once before.

    With ``cores`` the server has these alone, and this process the others. Two ``replicas`` stand behind nginx.
    """
    own = set(psutil.Process().cpu_affinity())
    if cores:
        psutil.Process().cpu_affinity(list(cores))
    with served() if replicas == 1 else replicas_served() as there:
        if cores:
            psutil.Process().cpu_affinity(sorted(own - set(cores)))
        if isinstance(there, str):
            server = Server(there, psutil.Process().children(), [there])
        else:
            processes = [psutil.Process(each.pid) for each in there.servers]
            server = Server(there.address, processes, [f"http://127.0.0.1:{port}" for port in there.ports])
        for each in server.ready:
            asyncio.run(_first(each))
        yield server
    psutil.Process().cpu_affinity(sorted(own))


async def _first(address: str) -> None:
    visitor = Visitor(address)
    await visitor.open("rank")
    await visitor.leave()


@dataclass
class Waits:
    """What visitors waited for, in seconds, and what went wrong."""

    pictures: list[float] = field(default_factory=list)
    wholes: list[float] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def add(self, answered: Answered) -> None:
        self.wholes.append(answered.whole)
        self.bytes.append(answered.bytes)
        self.errors += answered.errors
        if answered.picture is not None:
            self.pictures.append(answered.picture)

    async def of(self, asked: Any) -> None:
        """Wait for this; an error is one of what went wrong."""
        try:
            self.add(await asked)
        except (OSError, TimeoutError, Exception) as error:
            self.errors.append(type(error).__name__)

    def told(self) -> dict[str, float]:
        return {
            "count": len(self.wholes),
            "p50_s": quantile(self.wholes, 0.5),
            "p95_s": quantile(self.wholes, 0.95),
            "most_s": max(self.wholes, default=float("nan")),
            "picture_p95_s": quantile(self.pictures, 0.95),
            "errors": len(self.errors),
        }


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which this share of them lies."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def crowd_of(address: str, count: int) -> list[Visitor]:
    """So many visitors, each with chances of its own."""
    return [Visitor(address, seed=17 * i + 3) for i in range(count)]


async def mixed(
    visitors: Iterable[Visitor], lessons: Sequence[str], seconds: float, every: float, waits: Waits
) -> None:
    """All open their lesson, and then each sets another seed about every so many seconds, for so long."""

    async def one(i: int, visitor: Visitor) -> None:
        await asyncio.sleep(every * visitor.random.random())
        opening = Waits()
        await opening.of(visitor.open(lessons[i % len(lessons)]))
        waits.errors += opening.errors
        end = time.perf_counter() + seconds
        due = time.perf_counter() + every * (0.5 + visitor.random.random())
        while due < end:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            await waits.of(visitor.change())
            due = max(due + every * (0.5 + visitor.random.random()), time.perf_counter())
        await visitor.leave()

    await asyncio.gather(*(one(i, each) for i, each in enumerate(visitors)))


def slope(times: Sequence[float], values: Sequence[float]) -> float:
    """How much a line through them rises per unit of time."""
    return statistics.linear_regression(times, values).slope


def driver_cpu() -> float:
    """Seconds of processor time of this process."""
    used = os.times()
    return used.user + used.system
