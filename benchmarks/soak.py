"""An hour of load, or as long as is asked: does the server's memory grow, do its descriptors and threads?

``make soak`` or ``python benchmarks/soak.py --minutes 60 --visitors 10``. Visitors open lessons, change their seeds,
leave and come back. Every five seconds the server's memory, descriptors and threads are noted; told are the slopes over
the last three quarters, when what grows only at first has grown. Not a part of ``make bench``: it takes its time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.crowd import QUICK, Server, Waits, crowd_of, mixed, opened, quantile, slope

STAY = 30.0  # seconds that a visitor stays before the tab is closed and another one opened


async def notes(server: Server, seconds: float) -> list[tuple[float, float, int, int]]:
    """Minutes, MB, descriptors, threads."""
    began, found = time.perf_counter(), []
    while (passed := time.perf_counter() - began) < seconds:
        found.append((passed / 60, server.memory(), server.processes[0].num_fds(), server.processes[0].num_threads()))
        await asyncio.sleep(5)
    return found


async def load(server: Server, visitors: int, seconds: float, waits: Waits) -> list[tuple[float, float, int, int]]:
    noted = asyncio.create_task(notes(server, seconds))
    while not noted.done():
        await mixed(crowd_of(server.address, visitors), QUICK, STAY, 5.0, waits)
    return await noted


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--minutes", type=float, default=60.0)
    asked.add_argument("--visitors", type=int, default=10)
    asked.add_argument("--cores", type=int, nargs="+", default=(), help="cores for the server alone: --cores 0 1")
    given = asked.parse_args()
    waits = Waits()
    with opened(given.cores) as server:
        cpu = server.cpu()
        found = asyncio.run(load(server, given.visitors, 60 * given.minutes, waits))
        cpu = server.cpu() - cpu
    late = [each for each in found if each[0] >= given.minutes / 4]
    times = [each[0] for each in late]
    told: dict[str, float] = {"minutes": found[-1][0], "visitors": given.visitors, "changes": len(waits.wholes)}
    told |= {
        "errors": len(waits.errors),
        "p95_s": quantile(waits.wholes, 0.95),
        "cpu_a_change_ms": 1000 * cpu / max(1, len(waits.wholes)),
    }
    print(f"{'':12}{'at first':>10}{'at last':>10}{'most':>10}   a minute, over the last three quarters")
    for i, name in enumerate(("MB", "descriptors", "threads"), 1):
        values = [float(each[i]) for each in late]
        told[f"{name}_a_minute"] = slope(times, values)
        first, last, most = found[0][i], found[-1][i], max(each[i] for each in found)
        print(f"{name:12}{first:10.0f}{last:10.0f}{most:10.0f}   {told[f'{name}_a_minute']:+.3f}")
    print(json.dumps({"benchmark": "soak"} | {name: float(f"{value:.4g}") for name, value in told.items()}))


if __name__ == "__main__":
    main()
