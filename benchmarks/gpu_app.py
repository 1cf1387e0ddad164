"""The app on a machine with a GPU, over its own protocol: from a changed control to the last byte, on GPU and on CPU.

``PYTHONPATH=. python benchmarks/gpu_app.py [LESSON …]``. Each lesson is opened as it chooses its device itself and with
each device by name; then the seed is changed, by turns, and told are the medians. Ratios compare the two in one run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.crowd import Server, opened
from lora_viz import lessons
from lora_viz.engine.training import available_devices
from tests.visitors import Visitor

WAYS = {"itself": "", "cpu": "device=cpu", "cuda": "device=cuda"}


async def waited(server: Server, lesson: str, times: int) -> dict[str, float]:
    """Milliseconds of opening it the way it chooses itself, and of a change each way."""
    ways = [way for way in WAYS if way == "itself" or way in available_devices()]
    visitors = {way: Visitor(server.address, seed=3) for way in ways}
    told: dict[str, float] = {}
    for way, visitor in visitors.items():
        opening = await visitor.open(lesson, WAYS[way])
        told[f"open_{way}_ms"] = 1000 * opening.whole
    chosen = visitors["itself"].controls.get("device")
    every: dict[str, list[float]] = {way: [] for way in ways}
    for i in range(times + 1):
        for j, (way, visitor) in enumerate(visitors.items()):
            answered = await visitor.change(value=1000 + 10 * i + j)
            if answered.errors:
                raise RuntimeError(f"{lesson}, {way}: {answered.errors}")
            if i:  # the first compiles and captures
                every[way].append(1000 * answered.whole)
    for way, values in every.items():
        told[f"{way}_ms"] = statistics.median(values)
        await visitors[way].leave()
    if chosen is not None:
        told["cuda_chosen"] = list(chosen.default) == [available_devices().index("cuda")]
    return told


async def every_one(server: Server, names: list[str], times: int) -> dict[str, dict[str, float]]:
    found = {}
    for name in names:
        try:
            found[name] = await waited(server, name, times)
        except (KeyError, RuntimeError, TimeoutError) as error:  # a lesson without a seed has no such change
            print(f"{name}: {type(error).__name__} {error}", flush=True)
            continue
        print(name, {key: round(value, 1) for key, value in found[name].items()}, flush=True)
    return found


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("lesson", nargs="*", default=[])
    asked.add_argument("--times", type=int, default=7)
    given = asked.parse_args()
    names = given.lesson or [each.id for each in lessons() if each.trains]
    with opened() as server:
        found = asyncio.run(every_one(server, names, given.times))
    rounded = {name: {key: round(value, 1) for key, value in own.items()} for name, own in found.items()}
    print(json.dumps({"benchmark": "gpu_app"} | rounded))


if __name__ == "__main__":
    main()
