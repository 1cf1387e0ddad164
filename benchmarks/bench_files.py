"""Does every file cost what its size allows, whatever it says? At most 2 s and 1 s a 10 MB on one core, each step.

Files that are made to be slow, and an ordinary one. Timed are opening with measuring, drawing, packing what is sent,
cutting; the least of the rounds, in processor time. Memory is the peak beyond the file, allowed is 8 times its size
and 200 MB.
"""

from __future__ import annotations

import json
import math
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from time import process_time
from typing import Any

import numpy as np

from lora_viz.adapters.opening import open_adapter
from lora_viz.adapters.report import MODULE_LEAST, MODULES_FREE, Report, inspect_adapter, noise_floor
from lora_viz.adapters.shrink import shrink
from lora_viz.adapters.writing import PREFIX, pack, write_safetensors
from lora_viz.core.experiment import Experiment
from lora_viz.engine.threads import one_thread
from lora_viz.film.film import Film
from lora_viz.lessons.real.adapter_report import adapter_report
from lora_viz.lessons.real.inspector import NOISE_MOST, film
from lora_viz.lessons.settings import Settings

ROUNDS = 2
ASKED = Settings(Experiment(), (("keep", 90), ("map", "needed")))
CONFIG = b'{"lora_alpha": 8}'


def adapter(count: int, rank: int, d: int, dtype: str, name: str = "l.{i}.q", d_out: int | None = None) -> bytes:
    """So many modules of random factors, all the same numbers: what they are does not matter to the time."""
    rng = np.random.default_rng(0)
    A = pack(rng.standard_normal((rank, d), "f4"), dtype)
    B = pack(rng.standard_normal((d if d_out is None else d_out, rank), "f4"), dtype)
    sides = (("A", A), ("B", B))
    return write_safetensors({f"{PREFIX}{name.format(i=i)}.lora_{x}.weight": m for i in range(count) for x, m in sides})


def files() -> Iterator[tuple[str, bytes, bytes]]:
    """What it is, its bytes, its configuration."""
    for count, rank, d, dtype in (
        (1, 1024, 1024, "F32"), (1, 1024, 1024, "BF16"), (1, 999, 1000, "BF16"), (8, 1024, 1024, "BF16"),
        (1, 1024, 8192, "BF16"), (32, 512, 512, "BF16"), (128, 256, 256, "BF16"), (128, 16, 4096, "BF16"),
        (MODULES_FREE, 1, 2, "BF16"), (7000, 4, 312, "BF16"),
    ):  # fmt: skip
        yield f"{count:,} of rank {rank}, {d}×{d}, {dtype}", adapter(count, rank, d, dtype), CONFIG
    yield "1 of rank 4, 13×3,000,000, BF16", adapter(1, 4, 3_000_000, "BF16", d_out=13), CONFIG
    count = MODULES_FREE + 5_000_000 // MODULE_LEAST
    long = adapter(count, 4, 208, "BF16", f"{'a.' * 200}l{{i}}.k{{i}}")
    patterns = {f"{'a.' * 60}l{i}": 3 for i in range(25_000)}
    yield f"{count:,} of long names, 25,000 patterns", long, json.dumps({"alpha_pattern": patterns}).encode()


def took(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of the processor, and what came of it."""
    began = process_time()
    found = work()
    return process_time() - began, found


@one_thread()
def main() -> None:
    """One line a file; the last says how much of what is allowed the worst step took."""
    worst: dict[str, float] = {"time": 0.0, "memory": 0.0}
    print(f"{'file':45s} {'MB':>6} {'allowed':>8} {'measured':>9} {'drawn':>7} {'packed':>7} {'cut':>7} {'memory':>9}")
    for name, data, config in files():
        allowed = 2 + len(data) / 10e6
        rounds = []
        for turn in range(ROUNDS + 1):
            if traced := turn == ROUNDS:
                tracemalloc.start()
            measured, (opened, report) = took(partial(_measured, data, config))
            drawn, shown = took(partial(_drawn, report))
            packed, _ = took(shown.to_bytes)
            cut, _ = took(partial(shrink, opened, report, 0.99))
            if traced:
                peak = tracemalloc.get_traced_memory()[1]
                tracemalloc.stop()
            else:
                rounds.append((measured, drawn, packed, cut))
        least = [min(step) for step in zip(*rounds, strict=True)]
        worst["time"] = max(worst["time"], *(step / allowed for step in least))
        worst["memory"] = max(worst["memory"], peak / (8 * len(data) + 200e6))
        steps = " ".join(f"{step:7.2f}" for step in least)
        print(f"{name:45s} {len(data) / 1e6:6.1f} {allowed:6.1f} s {'':1s} {steps} {peak / 1e6:6.0f} MB", flush=True)
    print(json.dumps({"benchmark": "files"} | {f"{k}_share_of_allowed": float(f"{v:.3g}") for k, v in worst.items()}))


def _drawn(report: Report) -> Film:
    return film(adapter_report(report, (math.nan,) * len(report.modules)), ASKED)


def _measured(data: bytes, config: bytes) -> Any:
    """As the page does it: in a small file also what the number format alone could have made."""
    opened = open_adapter("a", data, config)
    report = inspect_adapter(opened)
    if sum(m.parameters for m in report.modules) <= NOISE_MOST:
        for module in report.modules:
            noise_floor(opened.weights, module)
    return opened, report


if __name__ == "__main__":
    main()
