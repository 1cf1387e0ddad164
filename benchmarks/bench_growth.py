"""How does the cost of a step grow with the number of adapters, the width, the rank and the samples?

Exponents of a power law fitted to the larger sizes, where calls no longer count, and the samples' cost, which should
be none at all. CPU time of one thread.
"""

from __future__ import annotations

import json
from time import process_time

import numpy as np
import torch

from benchmarks.bench_step import experiment, sides
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.engine.threads import one_thread

SIZES = {
    "adapters": (8, 16, 32, 64, 128),
    "width": (64, 128, 256, 512),
    "rank": (8, 16, 32, 64),
    "samples": (512, 1024, 4096, 16384),
}
EXPECTED = {
    "adapters": "1",
    "width": "1 (moments) to 2 (products)",
    "rank": "1 (products with the task) to 2 (Gram matrices)",
    "samples": "0",
}


def sweep_of(axis: str, size: int) -> Sweep:
    """32 adapters of rank 8, d = 128, one thing changed."""
    base = experiment(size if axis == "width" else 128)
    fields: dict[str, object] = {name: getattr(base, name) for name in ("d_in", "d_out", "noise", "lr", "dtype")}
    fields |= {"rank": size if axis == "rank" else 8, "samples": size if axis == "samples" else 512}
    return Sweep.over(Experiment(**fields), init_seed=range(size if axis == "adapters" else 32))  # type: ignore[arg-type]


@one_thread()
@torch.inference_mode()
def main() -> None:
    """One fit an axis."""
    figures: dict[str, float] = {}
    for axis, sizes in SIZES.items():
        times = []
        for size in sizes:
            _, step = sides(sweep_of(axis, size))
            step(0)
            rounds = []
            for turn in range(5):
                began = process_time()
                for k in range(30):
                    step(turn * 30 + k)
                rounds.append((process_time() - began) / 30)
            times.append(min(rounds))
        exponent = float(np.polyfit(np.log(sizes), np.log(times), 1)[0])
        figures[axis] = exponent
        shown = "  ".join(f"{size}: {1e6 * t:.0f} µs" for size, t in zip(sizes, times, strict=True))
        print(f"{axis:10s}exponent {exponent:5.2f}   expected {EXPECTED[axis]:48s}{shown}")
    print(json.dumps({"benchmark": "growth"} | {name: float(f"{value:.3g}") for name, value in figures.items()}))


if __name__ == "__main__":
    main()
