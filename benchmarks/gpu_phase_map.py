"""From a change to the picture: how long does the phase map's server side take, on a GPU and on a CPU?

Run by hand where there is a GPU: `PYTHONPATH=. python benchmarks/gpu_phase_map.py`. Without one: the CPU's 24×24 alone.
"""

from __future__ import annotations

import gc
import json
import statistics
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from time import perf_counter

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.engine.training import available_devices, train
from lora_viz.film.player import COLOURS
from lora_viz.lessons.variants.phase_map import axes, cell, film, nearest_cell, phase_map, plane

PAGE = Experiment(rank=4, alpha=8.0, optimizer="sgd", lr=0.02, steps=200, noise=0.1, dtype="float32")
RECORDS, ROUNDS = 25, 7


def once(e: Experiment, kind: str, side: int, device: str) -> dict[str, float]:
    """Milliseconds of each part, for an experiment that was not seen before."""
    marks = [("", perf_counter())]
    sweep = plane(e, kind, side)
    marks.append(("write the experiments down", perf_counter()))
    run = train(sweep, device, records=RECORDS, factors=False)
    marks.append(("train, read out, transfer", perf_counter()))
    x, y = axes(e, kind, side)
    at = nearest_cell(x, y, (0.45, 0.45))
    picked = train(Sweep((cell(e, kind, x, y, at),)), "cpu", records=RECORDS)
    marks.append(("train the chosen cell, CPU", perf_counter()))
    record = phase_map((run,), picked, kind=kind, x=x, y=y, chosen=at)
    film(record).to_bytes(colours=COLOURS)
    marks.append(("record, film, bytes", perf_counter()))
    parts = {name: 1000 * (t - before) for (_, before), (name, t) in pairwise(marks)}
    return {**parts, "all": sum(parts.values())}


def main() -> None:
    gc.collect()
    gc.freeze()  # as the app does once it is warm
    found: dict[str, dict[str, float]] = {}
    sides = [(device, 64 if device == "cuda" else 24) for device in available_devices()]
    for kind in ("learning_rates", "rank_alpha"):
        for optimizer in ("sgd", "adam"):
            for device, side in sides:
                times: dict[str, list[float]] = defaultdict(list)
                for round_of in range(ROUNDS + 1):
                    e = replace(PAGE, optimizer=optimizer, noise=0.1 + 0.01 * round_of)
                    for part, ms in once(e, kind, side, device).items():
                        if round_of:  # the first compiles and captures
                            times[part].append(ms)
                name = f"{kind}, {optimizer}, {side}×{side} on {device}"
                found[name] = {part: round(statistics.median(values), 1) for part, values in times.items()}
                print(name, found[name])
    print(json.dumps(found, ensure_ascii=False))


if __name__ == "__main__":
    main()
