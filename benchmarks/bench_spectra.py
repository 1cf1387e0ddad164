"""How long do the spectra of a large adapter take by its factors, and how long by the dense product?

128 modules of d = 4096, r = 64 on one thread. The dense route is measured on one module and scaled; a second module
would take as long again. CPU time.
"""

from __future__ import annotations

import json
from time import process_time

import numpy as np
import torch

from lora_viz.core.factored import FactoredMatrix

MODULES, D, R = 128, 4096, 64


def main() -> None:
    """Both routes, and that they agree."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    graded = np.geomspace(1, 1e-2, R)[:, None]
    factors = [
        ((rng.standard_normal((R, D)) * graded).astype(np.float32), rng.standard_normal((D, R)).astype(np.float32))
        for _ in range(4)
    ]
    FactoredMatrix(factors[0][0], factors[0][1], 1.0).singular_values()
    began = process_time()
    for i in range(MODULES):
        A, B = factors[i % len(factors)]
        by_factors = FactoredMatrix(A, B, 1.0).singular_values()
    ours = process_time() - began
    began = process_time()
    dense = np.linalg.svd(B @ A, compute_uv=False)[:R]
    theirs = process_time() - began
    off = float(np.abs(by_factors / dense - 1).max())
    print(f"by the factors: {MODULES} modules in {ours:.2f} s (target 1 s)")
    print(f"dense: 1 module in {theirs:.1f} s, so {MODULES} in {MODULES * theirs / 60:.0f} minutes")
    print(f"{MODULES * theirs / ours:.0f} times; largest relative difference of a singular value {off:.1e}")
    figures = {"ratio": MODULES * theirs / ours, "ours_s": ours, "dense_one_module_s": theirs, "difference": off}
    print(json.dumps({"benchmark": "spectra"} | {name: float(f"{value:.4g}") for name, value in figures.items()}))


if __name__ == "__main__":
    main()
