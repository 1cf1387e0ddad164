"""How much longer does a visitor wait when four ask at once? Default runs in one server's threads.

The app trains one run at a time (``core/results.py``), so that nobody waits for all: measured with a gate and without.
"""

from __future__ import annotations

import json
import os
import statistics
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from threading import Barrier, BoundedSemaphore
from time import perf_counter

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.engine.threads import one_thread
from lora_viz.engine.training import train

VISITORS, ROUNDS, TARGET = 4, 15, 2.5


def one(seed: int, gate: AbstractContextManager[object] | None = None, together: Barrier | None = None) -> float:
    """Seconds from asking for a default run to having it, every visitor with a seed of his own."""
    if together:
        together.wait()
    began = perf_counter()
    with gate or nullcontext():
        train(Sweep((Experiment(seed=seed),)))
    return perf_counter() - began


@one_thread()
def main() -> None:
    """Alone and together by turns."""
    for seed in range(VISITORS):
        one(seed)  # tasks are drawn once
    gates = {"gate": BoundedSemaphore(1), "gate_of_2": BoundedSemaphore(2), "no_gate": None}
    alone: list[float] = []
    waits: dict[str, list[float]] = {name: [] for name in gates}
    with ThreadPoolExecutor(VISITORS) as pool:
        for turn in range(ROUNDS):
            alone.append(one(turn % VISITORS))
            for name, gate in gates.items():
                together = Barrier(VISITORS)
                seconds = pool.map(lambda seed, g=gate, b=together: one(seed, g, b), range(VISITORS))
                waits[name].append(statistics.mean(seconds) / alone[-1])
    figures = {"alone_ms": 1000 * statistics.median(alone)}
    print(
        f"a default run alone: {figures['alone_ms']:.1f} ms; {VISITORS} at once on {os.cpu_count()} cores, mean wait:"
    )
    for name, ratios in waits.items():
        figures["ratio" if name == "gate" else f"ratio_{name}"] = statistics.median(ratios)
        print(f"{name:12s}{statistics.median(ratios):6.2f} times   {min(ratios):.2f} to {max(ratios):.2f}")
    print(f"target: at most {TARGET} times")
    print(json.dumps({"benchmark": "visitors"} | {name: float(f"{value:.4g}") for name, value in figures.items()}))


if __name__ == "__main__":
    main()
