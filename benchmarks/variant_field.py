"""Measures lora_viz/lessons/variants/variant_field.json: every variant on every kind of target.

`python benchmarks/variant_field.py` writes the file again (under a minute); `--check` measures one task of it and
compares. Each cell is the share of the loss that is left at the best of four learning rates, on eight tasks.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from time import perf_counter

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np

from lora_viz.core.experiment import CHOICES, Experiment, Sweep
from lora_viz.core.spectra import least_squares
from lora_viz.engine.training import train
from lora_viz.layer.variants import VARIANTS

FILE = Path(__file__).parent.parent / "lora_viz" / "lessons" / "variants" / "variant_field.json"
BASE = Experiment(rank=4, target_rank=4, alpha=8.0, steps=200, schedule="linear")
RATES = (0.02, 0.05, 0.12, 0.3)
TASKS = range(8)


def measure(kind: str, seed: int) -> np.ndarray:
    """(variant, rate): the share of the loss that is left at the end; 1 where it diverged."""
    base = replace(BASE, task=kind, seed=seed)
    members = [
        replace(base, variant=name, rank=v.beside(base), lr=rate) for name, v in VARIANTS.items() for rate in RATES
    ]
    run = train(Sweep(tuple(members)), records=2)
    least = least_squares(run.task)[1]
    left = (run.loss[-1] - least) / (0.5 * run.task.residual_energy - least)
    return np.nan_to_num(left, nan=1.0).reshape(len(VARIANTS), len(RATES))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    if parser.parse_args().check:
        known = json.loads(FILE.read_text())
        measured = [list(VARIANTS).index(name) for name in known["variants"]]  # one added since is not in the file yet
        best = [RATES.index(row[0]) for row in known["rate"]]
        again = measure(known["kinds"][0], 0)[measured, best]
        worst = float(np.abs(again - np.array(known["left"])[:, 0, 0]).max())
        print(json.dumps({"benchmark": "variant_field", "largest_difference": worst}))
        return
    began = perf_counter()
    found = np.array([[measure(kind, seed) for seed in TASKS] for kind in CHOICES["task"]])  # kind, task, variant, rate
    best = np.median(found, axis=1).argmin(axis=-1)  # kind, variant
    left = np.take_along_axis(found, best[:, None, :, None], axis=-1)[..., 0]
    FILE.write_text(
        json.dumps(
            {
                "made_by": "python benchmarks/variant_field.py",
                "experiment": {n: getattr(BASE, n) for n in ("d_in", "d_out", "rank", "target_rank", "alpha", "steps")},
                "rates": RATES,
                "variants": list(VARIANTS),
                "kinds": CHOICES["task"],
                "left": [[[float(f"{x:.4g}") for x in row] for row in kinds] for kinds in left.transpose(2, 0, 1)],
                "rate": np.array(RATES)[best].T.tolist(),
            }
        )
        + "\n"
    )
    print(json.dumps({"benchmark": "variant_field", "seconds": round(perf_counter() - began, 1)}))


if __name__ == "__main__":
    main()
