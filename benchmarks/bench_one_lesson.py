"""How long do twenty visitors wait who open one lesson together? Against one who opens it alone, by turns.

All wait for one computation, so the time and the processor time should be those of one.
"""

from __future__ import annotations

import json
import statistics
from threading import Barrier, Thread
from time import perf_counter, process_time

from lora_viz.core.results import Results
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.walk import lesson

LESSONS, VISITORS, ROUNDS = ("lora_or_full", "conditioning", "rank"), 20, 3


def opened(name: str, visitors: int, seed: int) -> tuple[float, float]:
    """Seconds until the last visitor has the record, and seconds of processor time."""
    results, own = Results(), lesson(name)
    settings, here = own.settings(seed=seed), Barrier(visitors)

    def visit(visitor: int) -> None:
        here.wait()
        own.played(settings, Lab(results, visitor=visitor))

    threads = [Thread(target=visit, args=(i,)) for i in range(visitors)]
    began, worked = perf_counter(), process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return perf_counter() - began, process_time() - worked


def main() -> None:
    """A table, and one line of JSON."""
    found: dict[str, dict[str, float]] = {}
    for name in LESSONS:
        opened(name, 1, 99)  # what is loaded once
        alone, together = [], []
        for seed in range(ROUNDS):
            alone.append(opened(name, 1, seed))
            together.append(opened(name, VISITORS, seed + 50))
        wall, cpu = (statistics.median(t[k] for t in together) / statistics.median(a[k] for a in alone) for k in (0, 1))
        found[name] = {"wall": wall, "cpu": cpu, "alone_s": statistics.median(a[0] for a in alone)}
        print(f"{name:14} {VISITORS} together: {wall:.2f} × the wait of one, {cpu:.2f} × its processor time")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
