"""How long does a large adapter take after its upload? 268 MB of float32: 32 layers of four modules, d = 4096, r = 64.

Timed is what the page does between having the bytes and having its film: opening, measuring every module, laying out.
"""

from __future__ import annotations

import json
import statistics
import tracemalloc
from time import perf_counter, process_time

import numpy as np

from lora_viz.adapters.opening import open_adapter
from lora_viz.adapters.report import inspect_adapter
from lora_viz.adapters.writing import PREFIX, pack, write_safetensors
from lora_viz.lessons.real.inspector import adapter_report, film

LAYERS, MODULES, D, RANK, ROUNDS, TARGET_S = 32, "qkvo", 4096, 64, 5, 2.0


def synthetic() -> bytes:
    """Random factors whose singular values fall over four decades."""
    rng = np.random.default_rng(0)
    fall = np.geomspace(1.0, 1e-4, RANK, dtype=np.float32)
    tensors = {}
    for layer in range(LAYERS):
        for name in MODULES:
            path = f"{PREFIX}model.layers.{layer}.self_attn.{name}_proj"
            A, B = rng.standard_normal((RANK, D), np.float32), rng.standard_normal((D, RANK), np.float32)
            tensors[f"{path}.lora_A.weight"] = pack(A * fall[:, None], "F32")
            tensors[f"{path}.lora_B.weight"] = pack(B, "F32")
    return write_safetensors(tensors)


def main() -> None:
    """Some rounds on the wall and in processor time, and the memory that one round takes beyond the file."""
    data = synthetic()
    wall, processor = [], []
    for _ in range(ROUNDS):
        began, worked = perf_counter(), process_time()
        report = inspect_adapter(open_adapter("synthetic", data))
        film(adapter_report(report, (float("nan"),) * len(report.modules))).to_bytes()
        wall.append(perf_counter() - began)
        processor.append(process_time() - worked)
    tracemalloc.start()
    inspect_adapter(open_adapter("synthetic", data))
    memory = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    sigma = report.modules[0].sigma
    print(f"{len(data) / 1e6:.0f} MB, {len(report.modules)} modules, σ from {sigma[0]:.3g} to {sigma[-1]:.3g}")
    print(f"wall       median {statistics.median(wall):.2f} s   {min(wall):.2f} to {max(wall):.2f}")
    print(f"processor  median {statistics.median(processor):.2f} s   {min(processor):.2f} to {max(processor):.2f}")
    print(f"target: at most {TARGET_S} s; memory beyond the file: {memory:.0f} MB")
    figures = {
        "megabytes": len(data) / 1e6,
        "wall_s": statistics.median(wall),
        "wall_s_min": min(wall),
        "processor_s": statistics.median(processor),
        "memory_mb": memory,
    }
    print(json.dumps({"benchmark": "inspector"} | {name: float(f"{value:.4g}") for name, value in figures.items()}))


if __name__ == "__main__":
    main()
