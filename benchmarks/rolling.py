"""A rolling restart of two replicas behind nginx while visitors work: does anybody see an error page, and for how long
is a page without its server?

``python benchmarks/rolling.py --visitors 20`` needs nginx. All visitors change their seeds every two seconds; a page is
asked for by HTTP five times a second. Who loses the session opens the same address again, as a browser does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

import httpx2 as httpx

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.crowd import QUICK, quantile
from tests.replicas import Replicas, replicas_served
from tests.visitors import Visitor


class Seen:
    """What visitors and a watcher saw."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.out: list[float] = []  # seconds without a server, of those whose session was lost
        self.kept = 0  # of those, how many found their settings again
        self.changes, self.errors, self.done = 0, 0, False


async def visitor(address: str, i: int, seen: Seen) -> None:
    own = Visitor(address, seed=i)
    await own.open(QUICK[i % len(QUICK)], f"seed={1000 + i}")
    while not seen.done:
        await asyncio.sleep(1 + 2 * own.random.random())
        before = own.settings()
        began = time.perf_counter()
        try:
            seen.errors += len((await own.change()).errors)
            seen.changes += 1
        except Exception:
            while True:
                try:
                    answered = await own.open(own.page, own.query)
                    break
                except Exception:
                    await asyncio.sleep(0.2)
            seen.out.append(time.perf_counter() - began)
            seen.kept += own.settings() == before and answered.picture is not None
    await own.leave()


async def watcher(address: str, seen: Seen) -> None:
    async with httpx.AsyncClient(timeout=30) as client:
        while not seen.done:
            try:
                seen.statuses.append((await client.get(f"{address}/rank")).status_code)
            except httpx.HTTPError:
                seen.statuses.append(0)
            client.cookies.clear()  # everybody is somebody new
            await asyncio.sleep(0.2)


async def restarted(replicas: Replicas, visitors: int) -> tuple[Seen, list[float]]:
    seen, ends = Seen(), []
    crowd = [asyncio.create_task(visitor(replicas.address, i, seen)) for i in range(visitors)]
    watching = asyncio.create_task(watcher(replicas.address, seen))
    await asyncio.sleep(5)
    for which in range(2):
        ends.append(await asyncio.to_thread(replicas.end, which))
        await asyncio.to_thread(replicas.begin, which)
        await asyncio.sleep(4)  # nginx tries it again after three seconds
    seen.done = True
    await asyncio.gather(*crowd, watching)
    return seen, ends


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--visitors", type=int, default=20)
    given = asked.parse_args()
    with replicas_served() as replicas:
        seen, ends = asyncio.run(restarted(replicas, given.visitors))
    told = {
        "visitors": given.visitors, "changes": seen.changes, "errors_in_pages": seen.errors,
        "pages_asked": len(seen.statuses), "error_pages": sum(status != 200 for status in seen.statuses),
        "sessions_lost": len(seen.out), "with_their_settings": seen.kept,
        "without_server_p50_s": quantile(seen.out, 0.5), "without_server_most_s": max(seen.out, default=0.0),
        "stopping_s": max(ends),
    }  # fmt: skip
    print("   ".join(f"{name} {value:.4g}" for name, value in told.items()))
    print(json.dumps({"benchmark": "rolling"} | {name: float(f"{value:.4g}") for name, value in told.items()}))


if __name__ == "__main__":
    main()
