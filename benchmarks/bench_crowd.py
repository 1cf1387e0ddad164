"""What many visitors at once wait for, and what bounds it: over the app's own protocol, without browsers.

``python benchmarks/bench_crowd.py`` runs all parts in short; a part by its name, with more visitors or for longer:
``bench_crowd.py mixed --visitors 50 --seconds 60 --lessons heavy``. Parts: ``change`` (processor time and bytes of one
change, lesson by lesson), ``mixed`` (changes of the seed, each visitor one every 5 s), ``link`` (all open one link
within 10 s), ``viewers`` (all look at a finished run), ``fair`` (what the longest lesson of one does to the others).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.crowd import HEAVY, QUICK, Server, Waits, crowd_of, driver_cpu, mixed, opened, quantile
from tests.visitors import Visitor

LESSONS = {"quick": QUICK, "heavy": HEAVY}
LONGEST = "width"  # the lesson that trains longest as it opens


async def change(server: Server, lessons: tuple[str, ...], times: int) -> dict[str, float]:
    """One visitor alone: medians of processor time, of seconds and of bytes of a change of the seed."""
    told = {}
    print(f"{'lesson':15}{'CPU ms':>8}{'waited ms':>11}{'kB':>7}{'kB opening':>12}   same seed again: CPU ms")
    for lesson in lessons:
        visitor, cpu, waited, size = Visitor(server.address, seed=5), [], [], []
        first = await visitor.open(lesson)
        for _ in range(times):
            before = server.cpu()
            answered = await visitor.change()
            await asyncio.sleep(0.15)  # what the server does after its last word belongs to it
            cpu.append(server.cpu() - before)
            waited.append(answered.whole)
            size.append(answered.bytes)
        again = []
        for _ in range(times):
            before = server.cpu()
            await visitor.change(value=7)
            await asyncio.sleep(0.15)
            again.append(server.cpu() - before)
        await visitor.leave()
        told[f"{lesson}_cpu_ms"] = 1000 * statistics.median(cpu)
        told[f"{lesson}_kept_cpu_ms"] = 1000 * statistics.median(again[1:] or again)
        print(
            f"{lesson:15}{told[f'{lesson}_cpu_ms']:8.0f}{1000 * statistics.median(waited):11.0f}"
            f"{statistics.median(size) / 1000:7.0f}{first.bytes / 1000:12.0f}{told[f'{lesson}_kept_cpu_ms']:14.0f}",
            flush=True,
        )
    return told


async def at_once(
    server: Server, lessons: tuple[str, ...], visitors: int, seconds: float, every: float
) -> dict[str, float]:
    """Changes on mixed lessons."""
    waits = Waits()
    began, cpu, own, before = time.perf_counter(), server.cpu(), driver_cpu(), server.now()
    await mixed(crowd_of(server.address, visitors), lessons, seconds, every, waits)
    passed = time.perf_counter() - began
    told = waits.told() | {
        "visitors": visitors,
        "changes_a_second": len(waits.wholes) / passed,
        "server_cores": (server.cpu() - cpu) / passed,
        "driver_cores": (driver_cpu() - own) / passed,
        "cpu_a_change_ms": 1000 * (server.cpu() - cpu) / max(1, len(waits.wholes)),
        "memory_MB": server.memory(),
    }
    after = server.now()
    told |= {name: after[name] - before[name] for name in ("computed", "dropped", "failed")}
    return told


async def one_link(server: Server, visitors: int, within: float) -> dict[str, float]:
    """All open the same link; nobody has opened it before."""
    waits, before, cpu, own = Waits(), server.now(), server.cpu(), driver_cpu()
    lesson = "gradient_flow"

    async def one(visitor: Visitor) -> None:
        await asyncio.sleep(within * visitor.random.random())
        await waits.of(visitor.open(lesson, "seed=4711"))

    crowd = crowd_of(server.address, visitors)
    await asyncio.gather(*map(one, crowd))
    after = server.now()
    told = waits.told() | {
        "visitors": visitors,
        "computed": after["asked"] - before["asked"],
        "server_cpu_a_visitor_ms": 1000 * (server.cpu() - cpu) / visitors,
        "driver_cpu_s": driver_cpu() - own,
        "memory_MB": server.memory(),
    }
    for each in crowd:
        await each.leave()
    return told


async def viewers(server: Server, visitors: int, seconds: float) -> dict[str, float]:
    """All look at what they have, and nobody touches anything."""
    crowd, waits = crowd_of(server.address, visitors), Waits()
    for each in crowd:
        await waits.of(each.open("rank"))
    await asyncio.sleep(3)
    cpu, began = server.cpu(), time.perf_counter()
    await asyncio.sleep(seconds)
    used = (server.cpu() - cpu) / (time.perf_counter() - began)
    for each in crowd:
        await each.leave()
    return {"visitors": visitors, "server_cores": used, "memory_MB": server.memory(), "errors": len(waits.errors)}


async def fair(server: Server, rounds: int) -> dict[str, float]:
    """Others change the seed of the first lesson, by turns with and without somebody who keeps training the longest."""
    alone, beside = [], []
    other = Visitor(server.address, seed=11)
    await other.open("rank")
    for _ in range(rounds):
        alone += [(await other.change()).whole for _ in range(5)]
        long = Visitor(server.address, seed=other.random.randint(0, 9999))
        training = asyncio.create_task(long.open(LONGEST, f"seed={long.seed}"))
        await asyncio.sleep(1.0)
        for _ in range(5):
            if training.done():
                break
            beside.append((await other.change()).whole)
        training.cancel()
        await long.leave()
        await asyncio.sleep(0.6)
    now = server.now()
    return {
        "alone_p50_s": quantile(alone, 0.5),
        "beside_p50_s": quantile(beside, 0.5),
        "alone_p95_s": quantile(alone, 0.95),
        "beside_p95_s": quantile(beside, 0.95),
        "later_by_s": quantile(beside, 0.5) - quantile(alone, 0.5),
        "running_after": now["running"],
        "dropped": now["dropped"],
    }


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("part", nargs="*", default=[])
    asked.add_argument("--visitors", type=int)
    asked.add_argument("--seconds", type=float, default=20.0)
    asked.add_argument("--every", type=float, default=5.0)
    asked.add_argument("--lessons", choices=LESSONS, default="quick")
    asked.add_argument("--cores", type=int, nargs="+", default=(), help="cores for the server alone: --cores 0 1")
    asked.add_argument("--replicas", type=int, choices=(1, 2), default=1, help="2: behind nginx, as deploy/ says")
    given = asked.parse_args()
    parts = given.part or ["change", "mixed", "link", "viewers", "fair"]
    lessons = LESSONS[given.lessons]
    told: dict[str, dict[str, float]] = {}
    for part in parts:
        with opened(given.cores, given.replicas) as server:  # each part with a server of its own
            idle, begun = server.cpu(), time.perf_counter()
            time.sleep(2)
            print(f"== {part}; idle: {100 * (server.cpu() - idle) / (time.perf_counter() - begun):.1f} % of a core, "
                  f"{server.memory():.0f} MB, {os.cpu_count()} cores")  # fmt: skip
            match part:
                case "change":
                    told[part] = asyncio.run(change(server, tuple(dict.fromkeys((*QUICK, *HEAVY))), 7))
                case "mixed":
                    told[part] = asyncio.run(at_once(server, lessons, given.visitors or 50, given.seconds, given.every))
                case "link":
                    told[part] = asyncio.run(one_link(server, given.visitors or 100, 10.0))
                case "viewers":
                    told[part] = asyncio.run(viewers(server, given.visitors or 100, given.seconds))
                case "fair":
                    told[part] = asyncio.run(fair(server, 4))
            if part != "change":
                print("   ".join(f"{name} {value:.4g}" for name, value in told[part].items()), flush=True)
    rounded = {part: {name: float(f"{value:.4g}") for name, value in own.items()} for part, own in told.items()}
    print(json.dumps({"benchmark": "crowd"} | rounded))


if __name__ == "__main__":
    main()
